"""The full sweep."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.brokers.models import Balance, Broker
from apps.core.models import Alert
from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges import errors, ports
from apps.markets.models import Symbol
from apps.trading.ledger import record_fills
from apps.trading.models import BrokerWatch, Fill, Lot, Order
from apps.trading.sync import Findings, read_balances, sweep, watch_of
from apps.trading.tests.fakes import FakeExchange, make_fill, make_report

MakeOrder = Callable[..., Order]


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.trading.path.enqueue_on_commit", lambda *_args, **_kwargs: None)


@pytest.fixture
def run(
    broker: Broker, symbol: Symbol, exchange: FakeExchange, now: datetime
) -> Callable[[], Findings]:
    """One full sweep."""
    return lambda: sweep(broker=broker, client=exchange, now=now)


def elsewhere(status: OrderStatus = OrderStatus.OPEN, **values: object) -> ports.OrderReport:
    told = {"client_order_id": "web_1", "exchange_order_id": "99", "price": Decimal(100)}
    return make_report(status, **{**told, **values})


def test_an_order_placed_elsewhere_is_imported_once(
    run: Callable[[], Findings], exchange: FakeExchange
) -> None:
    exchange.resting = [elsewhere()]

    found = [run().imported for _ in range(2)]

    order = Order.objects.get()
    assert found == [1, 0]
    assert (order.source, order.status, order.book.kind) == ("external", "open", "unassigned")
    assert order.reason == "imported by the order monitor"


def test_its_fills_are_booked(run: Callable[[], Findings], exchange: FakeExchange) -> None:
    fill = make_fill("1", exchange_order_id="99")
    exchange.closed = [elsewhere(OrderStatus.FILLED, filled_quantity=Decimal(1))]
    exchange.resting = [elsewhere(exchange_order_id="100")]  # so that its symbol is asked for
    exchange.fills = [fill]

    findings = run()

    filled = Order.objects.get(exchange_order_id="99")
    assert (findings.imported, findings.new_fills) == (2, 1)
    assert (filled.status, filled.is_settled) == ("filled", True)


def test_one_that_may_be_a_fired_order_of_ours_is_not_imported_yet(
    run: Callable[[], Findings], exchange: FakeExchange
) -> None:
    exchange.resting = [elsewhere(created_at=exchange.clock - timedelta(seconds=5))]

    assert run().imported == 0


def test_a_fill_of_our_order_is_booked_by_the_sweep(
    run: Callable[[], Findings], exchange: FakeExchange, make_order: MakeOrder
) -> None:
    order = make_order(status="open", exchange_order_id="7", quantity=1, quote_amount=None)
    exchange.closed = [make_report(OrderStatus.FILLED, make_fill("1"), fills=())]
    exchange.fills = [make_fill("1")]

    findings = run()

    order.refresh_from_db()
    assert (findings.new_fills, findings.imported) == (1, 0)
    assert (order.status, order.is_settled) == ("filled", True)


def test_the_first_sweep_gives_lots_to_fills_that_were_booked_before_there_were_any(
    run: Callable[[], Findings], exchange: FakeExchange, make_order: MakeOrder, broker: Broker
) -> None:
    order = make_order(status="filled", exchange_order_id="7", filled_quantity=Decimal(1))
    record_fills(order=order, fills=[make_fill("1")])
    Lot.objects.all().delete()
    exchange.balances = [ports.Balance(asset="BTC", free=Decimal(1), locked=Decimal(0))]

    run()

    lot = Lot.objects.get(asset="BTC")
    assert (lot.origin, lot.remaining, lot.book) == ("bought", 1, order.book)


def test_a_fill_without_an_order_of_ours_is_asked_for(
    run: Callable[[], Findings], exchange: FakeExchange, make_order: MakeOrder
) -> None:
    make_order(status="filled", is_settled=True, dedup_key="so that its symbol is asked for")
    exchange.fills = [make_fill("1", exchange_order_id="99")]
    exchange.on_fetch = lambda: elsewhere(OrderStatus.FILLED, filled_quantity=Decimal(1))

    run()

    assert Order.objects.get(source="external").fills.count() == 1


def test_a_fill_of_an_order_that_was_taken_for_lost_brings_it_back(
    run: Callable[[], Findings], exchange: FakeExchange, make_order: MakeOrder, now: datetime
) -> None:
    order = make_order(status="rejected", is_settled=True, terminal_at=now)
    exchange.fills = [make_fill("1")]
    exchange.on_fetch = lambda: make_report(
        OrderStatus.FILLED, filled_quantity=Decimal(1), client_order_id=order.client_order_id
    )

    run()

    order.refresh_from_db()
    assert (order.status, order.fills.count()) == ("filled", 1)
    assert Alert.objects.filter(key=f"order-reopened-{order.pk}").exists()


def test_the_cursor_moves_with_what_was_booked(
    run: Callable[[], Findings], exchange: FakeExchange
) -> None:
    run()

    assert BrokerWatch.objects.get().fills_until == exchange.clock


def test_the_last_half_hour_is_read_again(
    run: Callable[[], Findings], exchange: FakeExchange, broker: Broker, make_order: MakeOrder
) -> None:
    make_order(status="filled", is_settled=True)
    BrokerWatch.objects.update_or_create(broker=broker, defaults={"fills_until": exchange.clock})
    asked = []
    exchange.fetch_fills = lambda _symbol, *, since: asked.append(since) or []  # type: ignore[method-assign]

    run()

    assert asked == [exchange.clock - timedelta(minutes=30)]


def test_a_delisted_symbol_keeps_nothing_else_from_being_read(
    run: Callable[[], Findings], exchange: FakeExchange, make_order: MakeOrder
) -> None:
    make_order(status="filled", is_settled=True)

    def refuse(*_args: object, **_kwargs: object) -> list[ports.OrderReport]:
        raise errors.UnknownSymbol("delisted")

    exchange.fetch_closed_orders = refuse  # type: ignore[method-assign]
    exchange.balances = [ports.Balance(asset="USDT", free=Decimal(5), locked=Decimal(0))]

    findings = run()

    assert findings.is_complete
    assert "BTC/USDT is not told any more: delisted" in Alert.objects.get().message
    assert Balance.objects.get().free == 5


def test_an_answer_that_can_not_be_read_holds_the_cursor(
    run: Callable[[], Findings], exchange: FakeExchange, make_order: MakeOrder
) -> None:
    make_order(status="filled", is_settled=True)

    def garble(*_args: object, **_kwargs: object) -> list[ports.OrderReport]:
        raise errors.Unreadable("garbage")

    exchange.fetch_closed_orders = garble  # type: ignore[method-assign]

    assert not run().is_complete
    assert BrokerWatch.objects.get().fills_until is None


@pytest.mark.parametrize(
    "odd",
    [
        {"symbol": "XYZ/USDT"},
        {"quantity": None, "filled_quantity": None},
        {"quantity": Decimal(10) ** 19},
        {"exchange_order_id": "9" * 65},
    ],
)
def test_an_order_that_can_not_be_kept_is_told_and_left_out(
    run: Callable[[], Findings], exchange: FakeExchange, odd: dict[str, object]
) -> None:
    exchange.resting = [elsewhere(**odd), elsewhere(exchange_order_id="100")]

    findings = run()

    assert Order.objects.get().exchange_order_id == "100"
    assert len(findings.odd) == 1
    assert Alert.objects.get().key.startswith("sweep-odd-")


def test_the_same_order_and_the_same_fill_told_twice_count_once(
    run: Callable[[], Findings], exchange: FakeExchange
) -> None:
    exchange.resting = [elsewhere(filled_quantity=Decimal("0.5"), status=OrderStatus.OPEN)] * 2
    exchange.fills = [make_fill("0.5", exchange_order_id="99")] * 2

    run()

    assert (Order.objects.count(), Fill.objects.count()) == (1, 1)


def test_a_clock_that_is_off_is_told(
    run: Callable[[], Findings], exchange: FakeExchange, broker: Broker
) -> None:
    Broker.objects.update(environment="live")
    broker.refresh_from_db()
    exchange.clock += timedelta(seconds=10)

    findings = sweep(broker=broker, client=exchange, now=exchange.clock - timedelta(seconds=10))

    assert "+10 s" in findings.odd[0]


def test_a_paper_market_has_a_time_of_its_own(
    run: Callable[[], Findings], exchange: FakeExchange
) -> None:
    exchange.clock -= timedelta(days=365)

    assert run().odd == []


def test_balances_alone(exchange: FakeExchange, broker: Broker, now: datetime) -> None:
    exchange.balances = [ports.Balance(asset="BTC", free=Decimal(2), locked=Decimal(1))]

    read_balances(broker_id=broker.pk, now=now + timedelta(seconds=1))

    assert Balance.objects.get().asset == "BTC"


def test_a_watch_is_made_once(broker: Broker) -> None:
    assert watch_of(broker) == watch_of(broker)


def test_sides_are_purposes(run: Callable[[], Findings], exchange: FakeExchange) -> None:
    exchange.resting = [elsewhere(side=OrderSide.SELL)]

    run()

    assert Order.objects.get().purpose == "exit"


def test_balances_that_are_not_told_stay(
    exchange: FakeExchange, broker: Broker, now: datetime
) -> None:
    def refuse() -> list[ports.Balance]:
        raise errors.RateLimited("wait")

    exchange.get_balance = refuse  # type: ignore[method-assign]

    read_balances(broker_id=broker.pk, now=now + timedelta(seconds=1))

    assert Balance.objects.get().free == 1000
