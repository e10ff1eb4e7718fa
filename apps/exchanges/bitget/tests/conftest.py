"""What the tests of Bitget share."""

import pytest

from apps.exchanges import clock
from apps.exchanges.bitget import client


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock known to be right, no symbols yet; and nobody waits between two tries."""
    monkeypatch.setattr(clock, "_known", {"http://stub": (0.0, float("inf"))})
    monkeypatch.setattr(client, "_symbols_of_host", {})
    monkeypatch.setattr("apps.exchanges.http.FIRST_BACKOFF_SECONDS", 0.0)
