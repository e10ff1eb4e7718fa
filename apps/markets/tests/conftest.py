import pytest

from apps.markets.tests.fakes import FakeMarket


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> FakeMarket:
    """What this app connects to, with limits of its own."""
    fake = FakeMarket()
    for module in ("symbols", "health"):
        monkeypatch.setattr(f"apps.markets.{module}.create_client", lambda *_a, **_k: fake)
        monkeypatch.setattr(
            f"apps.markets.{module}.client_options", lambda *_a: {"limits": fake.limits}
        )
    return fake
