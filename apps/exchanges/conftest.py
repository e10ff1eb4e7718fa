"""What all tests of exchanges share."""

import pytest

from apps.exchanges.clock import forget_clocks


@pytest.fixture(autouse=True)
def _forget_clocks() -> None:
    """What one test's exchange told of its clock is no news of another's."""
    forget_clocks()
