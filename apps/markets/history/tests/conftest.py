import pytest

from apps.core.tasks import TaskName
from apps.markets.history.tests.fakes import FakeExchange


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """What downloads ask."""
    fake = FakeExchange()
    monkeypatch.setattr("apps.markets.history.downloads.create_client", lambda *_a, **_k: fake)
    monkeypatch.setattr("apps.markets.history.downloads.client_options", lambda *_a, **_k: {})
    return fake


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The downloads that tasks were sent for."""
    ids: list[int] = []

    def send(task: TaskName, *, download_id: int) -> bool:
        assert task is TaskName.DOWNLOAD_CANDLES
        ids.append(download_id)
        return True

    for name in ("send", "enqueue_on_commit"):
        monkeypatch.setattr(f"apps.markets.history.downloads.{name}", send)
    return ids
