import pytest

from apps.domain.orders import (
    LIVE_STATUSES,
    NEXT_STATUSES,
    TERMINAL_STATUSES,
    InvalidTransition,
    OrderStatus,
    check_transition,
)


def test_every_status_has_its_moves() -> None:
    assert set(NEXT_STATUSES) == set(OrderStatus)


def test_a_status_is_live_or_terminal() -> None:
    assert set(OrderStatus) == LIVE_STATUSES | TERMINAL_STATUSES
    assert not LIVE_STATUSES & TERMINAL_STATUSES


@pytest.mark.parametrize("status", [OrderStatus.DENIED, OrderStatus.FILLED])
def test_the_end_is_the_end(status: OrderStatus) -> None:
    assert not NEXT_STATUSES[status]


def test_no_order_goes_back_to_created() -> None:
    assert all(OrderStatus.CREATED not in moves for moves in NEXT_STATUSES.values())


def test_a_fill_may_overtake_a_cancel() -> None:
    check_transition(OrderStatus.CANCELLED, OrderStatus.FILLED)


def test_an_unknown_order_is_never_sent_again() -> None:
    with pytest.raises(InvalidTransition, match="unknown can't become submitted"):
        check_transition(OrderStatus.UNKNOWN, OrderStatus.SUBMITTED)
