"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.exchanges.transport import close_idle

SHARED = Path(__file__).resolve().parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Recorded candles and payloads that lie beside the project; tests read them in place."""
    if not SHARED.is_dir():
        message = "needs ../shared with its recorded payloads and candles"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _close_idle_connections() -> Iterator[None]:
    """Kept connections to exchanges are closed before the interpreter complains of them."""
    yield
    close_idle()
