from decimal import Decimal

import pytest

from apps.domain.orders import OrderSide, OrderStatus, TimeInForce
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.faults import (
    AnyRule,
    DuplicateAcknowledgement,
    Faults,
    FillsLate,
    OrderHidden,
    PartialCancel,
    Plan,
    PrecisionChange,
)
from workers.paper_exchange.faulty_orders import FaultyOrders
from workers.paper_exchange.matching import MatchingEngine
from workers.paper_exchange.orders import Account, EndReason, NewOrder, Order
from workers.paper_exchange.tests.builders import (
    BTC,
    KEY,
    START_MS,
    Wall,
    engine_of,
    limit_order,
    market_order,
    quote_at,
)


class Stage:
    """An engine with faults, and what its listeners were told."""

    def __init__(self, *rules: AnyRule) -> None:
        self.wall = Wall()
        self.engine: MatchingEngine = engine_of()
        self.markets = {BTC.symbol: BTC}
        self.events: list[Event] = []
        self.engine.listeners.append(self.events.append)
        self.faults = Faults(lambda: int(self.wall() * 1000), Plan(rules=rules))
        self.orders = FaultyOrders(
            engine=self.engine,
            markets=self.markets,
            faults=self.faults,
            wall_ms=lambda: int(self.wall() * 1000),
        )

    @property
    def account(self) -> Account:
        """As a new request sees it."""
        return self.engine.account(KEY, START_MS)

    def place(self, wanted: NewOrder, account: Account | None = None) -> Order:
        return self.engine.place(account or self.account, wanted, quote_at("100"), START_MS)


def test_an_order_is_nowhere_for_a_while() -> None:
    stage = Stage(OrderHidden(seconds=20.0))
    order = stage.place(limit_order(OrderSide.BUY, "90"))

    def find() -> Order | None:
        return stage.account.find_order(BTC.symbol, order_id=order.order_id, client_order_id=None)

    assert find() is None
    assert stage.account.open_orders() == []
    assert order.order_id not in stage.account.orders
    stage.wall.now += 20
    assert find() is order
    assert stage.account.open_orders() == [order]


def test_a_hidden_order_holds_its_money_and_is_filled() -> None:
    stage = Stage(OrderHidden(seconds=20.0))
    order = stage.place(limit_order(OrderSide.BUY, "90"))
    locked = stage.account.locked["USDT"]

    stage.engine.on_price(BTC.symbol, quote_at("89"), START_MS)

    assert locked == Decimal(9)
    assert order.status is OrderStatus.FILLED
    assert stage.account.fills == []


def test_a_fill_is_listed_late_and_its_order_shows_it() -> None:
    stage = Stage(FillsLate(seconds=30.0))
    account = stage.account
    order = stage.place(market_order(OrderSide.BUY), account)

    # The answer to the order itself tells them.
    assert len(account.fills_of(order)) == 1
    assert order.status is OrderStatus.FILLED
    assert stage.account.fills_of(order) == stage.account.fills == []
    stage.wall.now += 30
    assert len(stage.account.fills_of(order)) == 1


def test_an_order_is_cancelled_after_a_part() -> None:
    stage = Stage(PartialCancel(share=0.3))

    order = stage.place(market_order(OrderSide.BUY, "0.1"))

    assert (order.status, order.end_reason) == (OrderStatus.CANCELLED, EndReason.EXCHANGE)
    assert order.filled_quantity == Decimal("0.03")
    assert [event.kind for event in stage.events] == [
        EventKind.NEW,
        EventKind.TRADE,
        EventKind.ENDED,
    ]


def test_a_resting_order_is_cancelled_after_a_part_and_pays_for_that_alone() -> None:
    stage = Stage(PartialCancel(share=0.5))
    order = stage.place(limit_order(OrderSide.BUY, "90"))

    stage.engine.on_price(BTC.symbol, quote_at("89"), START_MS)

    assert order.filled_quantity == Decimal("0.05")
    assert stage.account.free["USDT"] == Decimal(10_000) - Decimal("4.5")
    assert stage.account.locked["USDT"] == 0


def test_fill_or_kill_has_no_parts() -> None:
    stage = Stage(PartialCancel())

    order = stage.place(limit_order(OrderSide.BUY, "110", time_in_force=TimeInForce.FOK))

    assert order.status is OrderStatus.FILLED


def test_an_acknowledgement_comes_twice_and_the_order_once() -> None:
    stage = Stage(DuplicateAcknowledgement(times=1))

    stage.place(limit_order(OrderSide.BUY, "90"))
    stage.place(limit_order(OrderSide.BUY, "90", client_order_id="two"))

    assert [event.order.order_id for event in stage.events] == [1, 1, 2]
    assert len(stage.account.orders) == 2


def test_rules_can_be_about_one_account() -> None:
    stage = Stage(OrderHidden(key="somebody else", seconds=20.0))

    stage.place(limit_order(OrderSide.BUY, "90"))

    assert len(stage.account.open_orders()) == 1


def test_a_market_gets_other_steps_and_its_own_ones_back() -> None:
    stage = Stage(PrecisionChange(symbol=BTC.symbol, tick_size="0.5", step_size="0.01", end=10))
    stage.orders.follow_rules()
    changed = stage.markets[BTC.symbol]
    stage.wall.now += 10
    stage.orders.follow_rules()

    assert (changed.tick_size, changed.step_size) == (Decimal("0.5"), Decimal("0.01"))
    assert stage.markets[BTC.symbol] == BTC


@pytest.mark.parametrize("rule", [OrderHidden(), FillsLate()])
def test_what_a_view_finds_can_be_cancelled(rule: AnyRule) -> None:
    stage = Stage(rule)
    stage.place(market_order(OrderSide.BUY))
    stage.faults.set_plan(Plan())
    order = stage.place(limit_order(OrderSide.BUY, "90", client_order_id="two"))

    stage.engine.cancel(stage.account, order, START_MS)

    assert order.status is OrderStatus.CANCELLED
    assert stage.account.locked["USDT"] == 0
