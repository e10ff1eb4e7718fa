"""What the tests of Bitget share."""

import pytest

from apps.exchanges.bitget import client, session


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing learned yet: no clock, no symbols; and nobody waits between two tries."""
    monkeypatch.setattr(session, "_clock_offsets", {})
    monkeypatch.setattr(client, "_symbols_of_host", {})
    monkeypatch.setattr("apps.exchanges.http.FIRST_BACKOFF_SECONDS", 0.0)
