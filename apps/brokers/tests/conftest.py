from datetime import datetime

import pytest

from apps.brokers import connection
from apps.brokers.tests import fakes
from apps.brokers.tests.fakes import FakeWorker


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch, now: datetime) -> FakeWorker:
    """Who answers connection tests, at once, and takes all other messages."""

    def act(*, test_id: int) -> None:
        connection.run_connection_test(test_id=test_id, now=now)

    fake = FakeWorker(act=act)
    monkeypatch.setattr("apps.brokers.connection.send", fake.send)
    monkeypatch.setattr("apps.brokers.services.enqueue_on_commit", fake.send)
    monkeypatch.setattr("apps.brokers.connection.connect", fake.connect)
    monkeypatch.setattr("apps.brokers.connection.TEST_SECONDS", 0)
    for module in ("forms", "capabilities"):
        monkeypatch.setattr(f"apps.brokers.{module}.capabilities_of", fakes.capabilities_of)
    return fake
