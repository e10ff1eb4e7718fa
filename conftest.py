"""What all tests share."""

import os
from pathlib import Path

import pytest

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
