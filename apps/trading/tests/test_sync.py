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
from apps.trading.history import Findings
from apps.trading.ledger import record_fills
from apps.trading.models import BrokerWatch, Fill, Lot, Order
from apps.trading.sync import refresh_balances, sweep, watch_of
from apps.trading.tests.fakes import FakeExchange, make_fill, make_report

MakeOrder = Callable[..., Order]
Run = Callable[..., Findings]


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.trading.path.enqueue_on_commit", lambda *_args, **_kwargs: None)


@pytest.fixture
def run(broker: Broker, symbol: Symbol, exchange: FakeExchange, now: datetime) -> Run:
    """One full sweep, so many minutes later."""

    def run_once(*, minutes: int = 0) -> Findings:
        at = now + timedelta(minutes=minutes)
        assert sweep(broker=broker, client=exchange, now=at)
        return Findings(**BrokerWatch.objects.get().report)

    return run_once


def elsewhere(status: OrderStatus = OrderStatus.OPEN, **values: object) -> ports.OrderReport:
    told = {"client_order_id": "web_1", "exchange_order_id": "99", "price": Decimal(100)}
    return make_report(status, **{**told, **values})


def test_an_order_placed_elsewhere_is_imported_once(run: Run, exchange: FakeExchange) -> None:
    exchange.resting = [elsewhere()]

    found = [run().imported for _ in range(2)]

    order = Order.objects.get()
    assert found == [1, 0]
    assert (order.source, order.status, order.book.kind) == ("external", "open", "unassigned")
    assert order.reason == "imported by the order monitor"


def test_its_fills_are_booked(run: Run, exchange: FakeExchange) -> None:
    fill = make_fill("1", exchange_order_id="99")
    exchange.closed = [elsewhere(OrderStatus.FILLED, filled_quantity=Decimal(1))]
    exchange.resting = [elsewhere(exchange_order_id="100")]  # so that its symbol is asked for
    exchange.fills = [fill]

    findings = run()

    filled = Order.objects.get(exchange_order_id="99")
    assert (findings.imported, findings.new_fills) == (2, 1)
    assert (filled.status, filled.is_settled) == ("filled", True)


def test_one_that_may_be_a_fired_order_of_ours_is_not_imported_yet(
    run: Run, exchange: FakeExchange
) -> None:
    exchange.resting = [elsewhere(created_at=exchange.clock - timedelta(seconds=5))]

    assert run().imported == 0


def test_a_fill_of_our_order_is_booked_by_the_sweep(
    run: Run, exchange: FakeExchange, make_order: MakeOrder
) -> None:
    order = make_order(status="open", exchange_order_id="7", quantity=1, quote_amount=None)
    exchange.closed = [make_report(OrderStatus.FILLED, make_fill("1"), fills=())]
    exchange.fills = [make_fill("1")]

    findings = run()

    order.refresh_from_db()
    assert (findings.new_fills, findings.imported) == (1, 0)
    assert (order.status, order.is_settled) == ("filled", True)


def test_the_first_sweep_gives_lots_to_fills_that_were_booked_before_there_were_any(
    run: Run, exchange: FakeExchange, make_order: MakeOrder, broker: Broker
) -> None:
    order = make_order(status="filled", exchange_order_id="7", filled_quantity=Decimal(1))
    record_fills(order=order, fills=[make_fill("1")])
    Lot.objects.all().delete()
    exchange.balances = [ports.Balance(asset="BTC", free=Decimal(1), locked=Decimal(0))]

    run()

    lot = Lot.objects.get(asset="BTC")
    assert (lot.origin, lot.remaining, lot.book) == ("bought", 1, order.book)


def test_a_fill_without_an_order_of_ours_is_asked_for(
    run: Run, exchange: FakeExchange, make_order: MakeOrder
) -> None:
    make_order(status="filled", is_settled=True, dedup_key="so that its symbol is asked for")
    exchange.fills = [make_fill("1", exchange_order_id="99")]
    exchange.on_fetch = lambda: elsewhere(OrderStatus.FILLED, filled_quantity=Decimal(1))

    run()

    assert Order.objects.get(source="external").fills.count() == 1


def test_a_fill_of_an_order_that_was_taken_for_lost_brings_it_back(
    run: Run, exchange: FakeExchange, make_order: MakeOrder, now: datetime
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


def test_the_cursor_moves_with_what_was_booked(run: Run, exchange: FakeExchange) -> None:
    run()

    assert BrokerWatch.objects.get().fills_until == exchange.clock


def test_the_last_half_hour_is_read_again(
    run: Run, exchange: FakeExchange, broker: Broker, make_order: MakeOrder
) -> None:
    make_order(status="filled", is_settled=True)
    BrokerWatch.objects.update_or_create(broker=broker, defaults={"fills_until": exchange.clock})
    asked = []
    exchange.fetch_fills = lambda _symbol, *, since: asked.append(since) or []  # type: ignore[method-assign]

    run()

    assert asked == [exchange.clock - timedelta(minutes=30)]


def test_a_delisted_symbol_keeps_nothing_else_from_being_read(
    run: Run, exchange: FakeExchange, make_order: MakeOrder
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
    run: Run, exchange: FakeExchange, make_order: MakeOrder
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
    run: Run, exchange: FakeExchange, odd: dict[str, object]
) -> None:
    exchange.resting = [elsewhere(**odd), elsewhere(exchange_order_id="100")]

    findings = run()

    assert Order.objects.get().exchange_order_id == "100"
    assert len(findings.odd) == 1
    assert Alert.objects.get().key.startswith("sweep-odd-")


def test_the_same_order_and_the_same_fill_told_twice_count_once(
    run: Run, exchange: FakeExchange
) -> None:
    exchange.resting = [elsewhere(filled_quantity=Decimal("0.5"), status=OrderStatus.OPEN)] * 2
    exchange.fills = [make_fill("0.5", exchange_order_id="99")] * 2

    run()

    assert (Order.objects.count(), Fill.objects.count()) == (1, 1)


def test_a_clock_that_is_off_is_told(run: Run, exchange: FakeExchange, broker: Broker) -> None:
    Broker.objects.update(environment="live")
    broker.refresh_from_db()
    exchange.clock += timedelta(seconds=10)

    sweep(broker=broker, client=exchange, now=exchange.clock - timedelta(seconds=10))

    assert "+10 s" in Alert.objects.get().message


def test_a_paper_market_has_a_time_of_its_own(run: Run, exchange: FakeExchange) -> None:
    exchange.clock -= timedelta(days=365)

    assert run().odd == []


def test_a_limit_stops_a_sweep_and_it_goes_on_where_it_was(
    broker: Broker, symbol: Symbol, exchange: FakeExchange, now: datetime, make_order: MakeOrder
) -> None:
    symbol.pk, symbol.name, symbol.base = None, "ETH/USDT", "ETH"
    symbol.save()
    for name in ("BTC/USDT", "ETH/USDT"):
        make_order(status="filled", is_settled=True, symbol=Symbol.objects.get(name=name))
    asked: list[str] = []

    def stop_once(name: str, **_since: object) -> list[ports.OrderReport]:
        asked.append(name)
        if len(asked) == 2:
            raise errors.RateLimited("wait")
        return []

    exchange.fetch_closed_orders = stop_once  # type: ignore[assignment]

    with pytest.raises(errors.RateLimited):
        sweep(broker=broker, client=exchange, now=now)
    assert BrokerWatch.objects.get().fills_until is None
    began = exchange.clock
    exchange.clock += timedelta(seconds=30)

    assert sweep(broker=broker, client=exchange, now=now + timedelta(seconds=30))

    assert asked == ["BTC/USDT", "ETH/USDT", "ETH/USDT"]
    # What happened after the beginning is not known of the first symbol.
    assert BrokerWatch.objects.get().fills_until == began


def test_a_long_sweep_leaves_its_worker_to_others(
    broker: Broker,
    symbol: Symbol,
    exchange: FakeExchange,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange.resting = [elsewhere()]
    monkeypatch.setattr("apps.trading.sync.SLICE_SECONDS", -1)

    assert not sweep(broker=broker, client=exchange, now=now)

    assert BrokerWatch.objects.get().report["left"] == ["BTC/USDT"]


@pytest.mark.parametrize("days", [30, 90])
def test_the_first_sweep_reads_as_much_history_as_was_wanted(
    run: Run,
    exchange: FakeExchange,
    broker: Broker,
    make_order: MakeOrder,
    days: int,
) -> None:
    make_order(status="filled", is_settled=True)
    broker.history_days = days
    broker.save()
    asked = []
    exchange.fetch_fills = lambda _symbol, *, since: asked.append(since) or []  # type: ignore[method-assign]

    run()

    assert asked == [exchange.clock - timedelta(days=days)]


def test_coins_of_the_history_have_its_cost_and_only_the_rest_is_adopted(
    run: Run, exchange: FakeExchange, broker: Broker
) -> None:
    Balance.objects.create(broker=broker, asset="BTC", free=3, locked=0)
    exchange.balances = [ports.Balance(asset="BTC", free=Decimal(3), locked=Decimal(0))]
    exchange.closed = [elsewhere(OrderStatus.FILLED, filled_quantity=Decimal(1))]
    bought_at = exchange.clock - timedelta(days=10)
    exchange.fills = [make_fill("1", exchange_order_id="99", executed_at=bought_at)]

    run()
    run(minutes=1)

    lots = Lot.objects.filter(asset="BTC").order_by("acquired_at")
    assert list(lots.values_list("origin", "remaining", "cost")) == [
        ("bought", 1, 100),
        ("adopted", 2, None),
    ]


def test_what_ended_long_ago_elsewhere_ended_then(
    run: Run, exchange: FakeExchange, make_order: MakeOrder
) -> None:
    make_order(status="filled", is_settled=True)
    ended_at = exchange.clock - timedelta(days=10)
    exchange.closed = [elsewhere(OrderStatus.CANCELLED, updated_at=ended_at)]

    run()

    assert Order.objects.get(exchange_order_id="99").terminal_at == ended_at


def test_balances_are_read_after_a_change(
    exchange: FakeExchange, broker: Broker, now: datetime, make_order: MakeOrder
) -> None:
    make_order(status="filled", terminal_at=now + timedelta(seconds=1))
    exchange.balances = [ports.Balance(asset="BTC", free=Decimal(2), locked=Decimal(1))]

    refresh_balances(broker_id=broker.pk, now=now + timedelta(seconds=2))

    assert Balance.objects.get().asset == "BTC"


def test_balances_that_were_read_since_the_change_are_not_read_again(
    exchange: FakeExchange, broker: Broker, now: datetime, make_order: MakeOrder
) -> None:
    make_order(status="filled", terminal_at=now - timedelta(seconds=1))

    refresh_balances(broker_id=broker.pk, now=now + timedelta(seconds=2))

    assert Balance.objects.get().asset == "USDT"


@pytest.mark.parametrize(("seconds_ago", "wait"), [(20, 40), (100, 0)])
def test_after_a_change_everything_is_compared_a_minute_after_the_last_time(
    exchange: FakeExchange,
    broker: Broker,
    now: datetime,
    make_order: MakeOrder,
    seconds_ago: int,
    wait: int,
) -> None:
    make_order(status="filled", terminal_at=now + timedelta(seconds=1))
    BrokerWatch.objects.update(
        swept_at=now - timedelta(seconds=seconds_ago), next_sweep_at=now + timedelta(minutes=5)
    )

    refresh_balances(broker_id=broker.pk, now=now)

    assert BrokerWatch.objects.get().next_sweep_at == now + timedelta(seconds=wait)


def test_a_watch_is_made_once(broker: Broker) -> None:
    assert watch_of(broker) == watch_of(broker)


def test_sides_are_purposes(run: Run, exchange: FakeExchange) -> None:
    exchange.resting = [elsewhere(side=OrderSide.SELL)]

    run()

    assert Order.objects.get().purpose == "exit"


def test_balances_that_are_not_told_stay(
    exchange: FakeExchange, broker: Broker, now: datetime, make_order: MakeOrder
) -> None:
    make_order(status="filled", terminal_at=now + timedelta(seconds=1))

    def refuse() -> list[ports.Balance]:
        raise errors.RateLimited("wait")

    exchange.get_balance = refuse  # type: ignore[method-assign]

    refresh_balances(broker_id=broker.pk, now=now + timedelta(seconds=1))

    assert Balance.objects.get().free == 1000
