from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.brokers.models import Broker
from apps.core.models import Alert
from apps.exchanges import ports
from apps.markets.models import Candle
from apps.trading import equity, ledger, reconciliation
from apps.trading.models import Difference, EquitySnapshot, Fill, Lot, Order, Position, Transfer
from apps.trading.tests.fakes import make_fill

MakeOrder = Callable[..., Order]
MINUTE = timedelta(minutes=1)


def holds(**amounts: str) -> list[ports.Balance]:
    return [
        ports.Balance(asset=asset, free=Decimal(amount), locked=Decimal(0))
        for asset, amount in amounts.items()
    ]


def reconcile(
    broker: Broker,
    balances: list[ports.Balance],
    at: datetime,
    *,
    fills_before: int | None = None,
    filled_after: dict[int, Decimal] | None = None,
) -> list[Difference]:
    """With balances of a quiet moment, unless told otherwise."""
    snapshot = reconciliation.Snapshot(
        balances=balances,
        fills_before=Fill.objects.count() if fills_before is None else fills_before,
        filled_after=filled_after or {},
    )
    return reconciliation.reconcile(broker_id=broker.pk, snapshot=snapshot, now=at, market_now=at)


def adopt(broker: Broker, balances: list[ports.Balance], now: datetime) -> None:
    """All of it was there before."""
    for minutes in (2, 1):
        reconcile(broker, balances, now - minutes * MINUTE)


def record(broker: Broker, balances: list[ports.Balance], at: datetime) -> EquitySnapshot | None:
    return equity.record_balances(broker_id=broker.pk, balances=balances, now=at)


def buy(make_order: MakeOrder, quantity: str = "1", **values: object) -> Order:
    order = make_order(status="filled", is_settled=True)
    ledger.record_fills(order=order, fills=[make_fill(quantity, **values)])
    return order


def test_what_was_there_before_is_adopted_at_the_market_price(
    broker: Broker, add_candle: Callable[..., Candle], now: datetime
) -> None:
    add_candle(close=90.0)

    adopt(broker, holds(USDT="1000", BTC="0.5", XYZ="3"), now)

    assert not Difference.objects.exists()
    assert not Alert.objects.exists()
    prices = {row.asset: row.price for row in Transfer.objects.all()}
    assert prices == {"USDT": 1, "BTC": 90, "XYZ": None}
    coins, unpriced = Lot.objects.order_by("asset")
    assert (coins.origin, coins.book.kind, coins.cost) == ("adopted", "unassigned", 45)
    assert (unpriced.asset, unpriced.remaining, unpriced.cost) == ("XYZ", 3, None)


def test_fills_explain_what_they_moved(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    adopt(broker, holds(USDT="1000"), now)
    buy(make_order, fee=Decimal("0.001"))

    assert reconcile(broker, holds(USDT="900", BTC="0.999"), now) == []
    assert Transfer.objects.count() == 1


def test_a_difference_is_shown_at_once_and_booked_when_it_is_seen_again(
    broker: Broker, now: datetime
) -> None:
    adopt(broker, holds(USDT="1000"), now)

    (difference,) = reconcile(broker, holds(USDT="1500"), now + MINUTE)
    assert (difference.asset, difference.ours, difference.theirs) == ("USDT", 1000, 1500)
    assert Alert.objects.get().resolved_at is None

    assert reconcile(broker, holds(USDT="1500"), now + 2 * MINUTE) == []
    assert Transfer.objects.first().quantity == 500  # type: ignore[union-attr]
    assert Alert.objects.get().resolved_at
    assert not Difference.objects.exists()


@pytest.mark.parametrize("status", ["unknown", "submitted", "open", "filled"])
def test_a_difference_is_shown_and_not_believed_while_fills_may_be_on_their_way(
    broker: Broker, make_order: MakeOrder, now: datetime, status: str
) -> None:
    adopt(broker, holds(USDT="1000"), now)
    order = make_order(status=status)

    for minute in (1, 2, 3):
        (difference,) = reconcile(broker, holds(USDT="900"), now + minute * MINUTE)

    assert difference.first_seen_at is None
    assert not Alert.objects.exists()

    order.delete()
    (difference,) = reconcile(broker, holds(USDT="900"), now + 4 * MINUTE)
    assert difference.first_seen_at == now + 4 * MINUTE


def test_an_order_that_is_seen_to_rest_as_it_was_hides_no_fill(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    adopt(broker, holds(USDT="1000"), now)
    order = make_order(status="open")

    for minute in (1, 2):
        left = reconcile(
            broker,
            holds(USDT="900"),
            now + minute * MINUTE,
            filled_after={order.pk: Decimal(0)},
        )

    assert left == []


def test_an_order_that_has_filled_further_than_is_booked_does(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    order = make_order(status="open")

    (difference,) = reconcile(broker, holds(BTC="1"), now, filled_after={order.pk: Decimal(1)})

    assert difference.first_seen_at is None


def test_a_fill_that_was_booked_since_the_question_may_be_in_the_balances_or_not(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    buy(make_order)

    left = reconcile(broker, holds(USDT="1000", BTC="0"), now, fills_before=0)

    assert [row.first_seen_at for row in left] == [None, None]


def test_a_doubtful_look_in_between_changes_nothing(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    reconcile(broker, holds(BTC="1"), now)
    order = make_order(status="unknown")
    reconcile(broker, holds(BTC="1"), now + MINUTE)
    order.delete()

    assert reconcile(broker, holds(BTC="1"), now + 2 * MINUTE) == []


def test_what_was_found_since_of_orders_placed_elsewhere_makes_a_difference_a_new_one(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    reconcile(broker, holds(USDT="0", BTC="1"), now)
    make_order(
        source="external",
        status="filled",
        is_settled=True,
        filled_quantity=Decimal(1),
        submitted_at=now + MINUTE / 2,
    )

    (difference,) = reconcile(broker, holds(USDT="0", BTC="1"), now + MINUTE)

    assert difference.first_seen_at == now + MINUTE


def test_a_difference_that_changes_is_a_new_one(broker: Broker, now: datetime) -> None:
    adopt(broker, holds(USDT="1000"), now)

    for minute, amount in enumerate(("1100", "1200", "1300")):
        (difference,) = reconcile(broker, holds(USDT=amount), now + minute * MINUTE)

    assert difference.first_seen_at == now + 2 * MINUTE


def test_a_difference_that_goes_is_forgotten(broker: Broker, now: datetime) -> None:
    adopt(broker, holds(USDT="1000"), now)
    reconcile(broker, holds(USDT="1100"), now)

    assert reconcile(broker, holds(USDT="1000"), now) == []
    assert not Difference.objects.exists()
    assert Alert.objects.get().resolved_at


def test_a_withdrawal_takes_from_the_owner_and_tells_him(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    adopt(broker, holds(USDT="1000"), now)
    buy(make_order)
    for minute in (1, 2):
        reconcile(broker, holds(USDT="900", BTC="0.4"), now + minute * MINUTE)

    position = Position.objects.get()
    assert (position.quantity, position.cost, position.realized_pnl) == (Decimal("0.4"), 40, 0)
    assert Alert.objects.filter(key=f"position-reduced-{position.pk}").exists()
    assert reconcile(broker, holds(USDT="900", BTC="0.4"), now + 9 * MINUTE) == []


def test_transfers_survive_computing_again(
    broker: Broker, make_order: MakeOrder, now: datetime
) -> None:
    balances = holds(USDT="1000", BTC="2")
    adopt(broker, balances, now)

    ledger.recompute(broker.pk)

    assert reconcile(broker, balances, now) == []


def test_equity_is_marked_at_the_last_close_and_says_what_it_leaves_out(
    broker: Broker, add_candle: Callable[..., Candle], now: datetime
) -> None:
    add_candle(close=90.0)

    snapshot = record(broker, holds(USDT="1000", BTC="2", XYZ="3"), now)

    assert snapshot
    assert (snapshot.equity, snapshot.unpriced) == (1180, ["XYZ"])
    assert record(broker, [], now + MINUTE / 2) is None


def test_a_deposit_is_no_performance_from_the_moment_it_is_there(
    broker: Broker, now: datetime
) -> None:
    adopt(broker, holds(USDT="1000"), now)
    for minute, amount in enumerate(("1000", "1500", "1500")):
        at = now + minute * MINUTE
        reconcile(broker, holds(USDT=amount), at)
        record(broker, holds(USDT=amount), at)

    earned = {row.equity - row.transferred for row in EquitySnapshot.objects.all()}
    assert earned == {0}
    assert Transfer.objects.count() == 2
