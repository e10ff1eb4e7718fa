from dataclasses import replace
from decimal import Decimal

import pytest

from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType
from workers.paper_exchange.events import EventKind
from workers.paper_exchange.orders import (
    EndReason,
    NewOrder,
    Order,
    OrderRejected,
    RejectionReason,
    SelfTrade,
)
from workers.paper_exchange.tests.builders import (
    BTC,
    KEY,
    Change,
    engine_of,
    limit_order,
    market_order,
    quote_at,
)

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def test_a_market_buy_pays_the_spread_and_its_fee_in_base() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)

    order = engine.place(account, market_order(BUY), quote_at("50000"), 2)
    fill = next(iter(engine.accounts[KEY].fills), None)

    assert order.status is OrderStatus.FILLED
    assert fill is not None
    assert (fill.price, fill.fee, fill.fee_asset) == (Decimal(50_005), Decimal("0.0001"), "BTC")
    assert account.free == {"USDT": Decimal("4999.5"), "BTC": Decimal("1.0999")}


def test_a_market_sell_pays_its_fee_in_quote() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)

    engine.place(account, market_order(SELL), quote_at("50000"), 2)
    fill = next(iter(engine.accounts[KEY].fills), None)

    assert fill is not None
    assert (fill.price, fill.fee, fill.fee_asset) == (Decimal(49_995), Decimal("4.9995"), "USDT")
    assert account.free["USDT"] == Decimal("14994.5005")


def test_no_fill_lies_outside_its_candle() -> None:
    engine = engine_of()
    quote = quote_at("50000", low="49999.99", high="50000.01")

    engine.place(engine.account(KEY, 1), market_order(BUY), quote, 2)
    fill = next(iter(engine.accounts[KEY].fills), None)

    assert fill is not None
    assert fill.price == Decimal("50000.01")


def test_a_resting_buy_locks_what_it_may_pay() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)

    order = engine.place(account, limit_order(BUY, "40000"), quote_at("50000"), 2)
    fill = next(iter(engine.accounts[KEY].fills), None)

    assert (order.status, fill) == (OrderStatus.OPEN, None)
    assert account.free["USDT"] == 6_000
    assert account.locked["USDT"] == 4_000


@pytest.mark.parametrize(
    ("side", "price", "touch", "through"),
    [
        (BUY, "40000", "40000", "39999.99"),
        (SELL, "60000", "60000", "60000.01"),
    ],
)
def test_a_resting_order_fills_when_the_price_goes_through_it(
    side: OrderSide, price: str, touch: str, through: str
) -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    order = engine.place(account, limit_order(side, price), quote_at("50000"), 2)

    engine.on_price(BTC.symbol, quote_at(touch), 3)
    assert account.fills == []
    engine.on_price(BTC.symbol, quote_at(through), 4)

    assert order.status is OrderStatus.FILLED
    [fill] = account.fills
    assert (fill.price, fill.is_maker, fill.filled_ms) == (Decimal(price), True, 4)
    assert set(account.locked.values()) == {0}
    assert engine.has_open(BTC.symbol) is False


def test_a_marketable_limit_takes_at_the_markets_price() -> None:
    engine = engine_of()

    engine.place(engine.account(KEY, 1), limit_order(BUY, "60000"), quote_at("50000"), 2)
    fill = next(iter(engine.accounts[KEY].fills), None)

    assert fill is not None
    assert (fill.price, fill.is_maker) == (Decimal(50_005), False)


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_an_order_that_may_not_rest_expires(time_in_force: str) -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    wanted = limit_order(BUY, "40000", time_in_force=time_in_force)

    order = engine.place(account, wanted, quote_at("50000"), 2)
    fill = next(iter(engine.accounts[KEY].fills), None)

    assert (order.status, fill) == (OrderStatus.EXPIRED, None)
    assert account.free["USDT"] == 10_000
    assert engine.has_open(BTC.symbol) is False


def test_a_cancel_gives_back_what_was_locked() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    order = engine.place(account, limit_order(SELL, "60000"), quote_at("50000"), 2)

    engine.cancel(account, order, 3)

    assert order.status is OrderStatus.CANCELLED
    assert account.free["BTC"] == 1
    assert account.locked["BTC"] == 0


def test_too_little_balance_is_refused_and_changes_nothing() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)

    with pytest.raises(OrderRejected) as rejection:
        engine.place(account, limit_order(BUY, "40000", "0.3"), quote_at("50000"), 2)

    assert rejection.value.reason is RejectionReason.INSUFFICIENT_BALANCE
    assert account.orders == {}
    assert account.free["USDT"] == 10_000


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    order = engine.place(account, limit_order(BUY, "40000"), quote_at("50000"), 2)
    with pytest.raises(OrderRejected) as rejection:
        engine.place(account, limit_order(BUY, "41000"), quote_at("50000"), 2)
    engine.cancel(account, order, 3)

    again = engine.place(account, limit_order(BUY, "41000"), quote_at("50000"), 4)

    assert rejection.value.reason is RejectionReason.DUPLICATE_CLIENT_ORDER_ID
    assert again.order_id == order.order_id + 1


def test_a_closed_market_takes_no_market_order_but_lets_a_limit_rest() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)

    with pytest.raises(OrderRejected) as rejection:
        engine.place(account, market_order(BUY), None, 2)
    order = engine.place(account, limit_order(BUY, "60000"), None, 2)

    assert rejection.value.reason is RejectionReason.MARKET_CLOSED
    assert order.status is OrderStatus.OPEN


def test_every_change_is_recorded_with_its_order_and_fill() -> None:
    changes: list[Change] = []
    engine = engine_of(changes)
    account = engine.account(KEY, 1)

    order = engine.place(account, market_order(BUY), quote_at("50000"), 2)
    fill = next(iter(engine.accounts[KEY].fills), None)

    assert changes[0] == (account, None, None)
    assert changes[-1] == (account, order, fill)


def test_a_stop_trails_by_an_amount_of_quote() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    wanted = NewOrder(
        client_order_id="one",
        symbol=BTC.symbol,
        side=SELL,
        order_type=OrderType.TRAILING_STOP,
        quantity=Decimal("0.1"),
        trailing_amount=Decimal(100),
    )

    order = engine.place(account, wanted, quote_at("50000"), 2)
    engine.on_price(BTC.symbol, quote_at("50500"), 3)
    engine.on_price(BTC.symbol, quote_at("50400.01"), 4)
    was_open = order.is_open
    engine.on_price(BTC.symbol, quote_at("50400"), 5)

    assert was_open
    assert order.status is OrderStatus.FILLED


def test_a_fee_in_what_is_sold_comes_on_top_of_it() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    everything = replace(limit_order(SELL, "60000", "1"), fee_in="BTC")

    with pytest.raises(OrderRejected):
        engine.place(account, everything, quote_at("50000"), 2)
    less = replace(everything, quantity=Decimal("0.9"))
    order = engine.place(account, less, quote_at("50000"), 2)
    engine.amend(account, order, 3, quantity=Decimal("0.8"))

    assert account.locked["BTC"] == Decimal("0.8") * Decimal("1.001")


def conditional(order_type: OrderType, side: OrderSide, **numbers: str) -> NewOrder:
    """A tenth of a bitcoin that waits."""
    return NewOrder(
        client_order_id="waits",
        symbol=BTC.symbol,
        side=side,
        order_type=order_type,
        quantity=Decimal("0.1"),
        **{name: Decimal(number) for name, number in numbers.items()},
    )


@pytest.mark.parametrize("order_type", [OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT])
def test_a_stop_that_trails_from_its_trigger_price_on(order_type: OrderType) -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    wanted = conditional(
        order_type, SELL, trigger_price="49000", trailing_share="0.1", price="40000"
    )
    order = engine.place(account, wanted, quote_at("50000"), 2)

    for price in ("54000", "49000", "48000", "51000", "45901"):
        engine.on_price(BTC.symbol, quote_at(price), 3)
        assert order.status is OrderStatus.OPEN, price
    engine.on_price(BTC.symbol, quote_at("45900"), 4)

    assert (order.status, order.best_price) == (OrderStatus.FILLED, Decimal(51_000))


def test_a_stop_that_trails_from_the_beginning_on() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    wanted = conditional(OrderType.TAKE_PROFIT, BUY, trailing_share="0.01")
    order = engine.place(account, wanted, quote_at("50000"), 2)

    engine.on_price(BTC.symbol, quote_at("49000"), 3)
    assert order.status is OrderStatus.OPEN
    engine.on_price(BTC.symbol, quote_at("49490"), 4)

    assert order.status is OrderStatus.FILLED


@pytest.mark.parametrize(
    "wanted",
    [
        replace(market_order(BUY), quantity=Decimal(1)),
        replace(market_order(BUY), quantity=Decimal(0), quote_amount=Decimal(20_000)),
        replace(market_order(SELL), quantity=Decimal(2)),
        replace(market_order(SELL), quantity=Decimal(0), quote_amount=Decimal(60_000)),
    ],
)
def test_a_market_order_is_paid_for_beyond_what_the_book_can_give(wanted: NewOrder) -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)

    with pytest.raises(OrderRejected) as rejection:
        engine.place(account, wanted, quote_at("50000", volume="0.01"), 2)

    assert rejection.value.reason is RejectionReason.INSUFFICIENT_BALANCE


def test_an_amount_that_the_book_can_not_take_expires_with_its_rest() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    wanted = replace(market_order(BUY), quantity=Decimal(0), quote_amount=Decimal(9_000))

    order = engine.place(account, wanted, quote_at("50000", volume="0.001"), 2)

    assert (order.status, order.end_reason) == (OrderStatus.EXPIRED, EndReason.NO_LIQUIDITY)
    assert 0 < order.filled_quantity < order.quantity < Decimal("0.18")


def test_a_stop_that_its_account_can_not_pay_for_any_more_is_rejected() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    wanted = conditional(OrderType.STOP_LOSS, BUY, trigger_price="60000")
    order = engine.place(account, replace(wanted, quantity=Decimal("0.16")), quote_at("50000"), 2)

    engine.on_price(BTC.symbol, quote_at("70000"), 3)

    assert (order.status, order.end_reason) == (OrderStatus.REJECTED, EndReason.NO_FUNDS)
    assert account.free["USDT"] == 10_000


def test_a_leg_that_is_filled_in_part_keeps_its_money() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    stop = conditional(OrderType.STOP_LOSS, SELL, trigger_price="49000")
    target = limit_order(SELL, "51000")
    listed = engine.place_list(
        account, OrderListKind.OCO, "list", [stop, target], quote_at("50000"), 2
    )

    engine.on_price(BTC.symbol, quote_at("51001", volume="0.6"), 3)

    orders = [account.orders[order_id] for order_id in listed.order_ids]
    assert [order.status for order in orders] == [
        OrderStatus.EXPIRED,
        OrderStatus.PARTIALLY_FILLED,
    ]
    assert (account.free["BTC"], account.locked["BTC"]) == (Decimal("0.9"), Decimal("0.05"))


@pytest.mark.parametrize("number", [0, 1])
def test_a_users_cancel_takes_the_whole_list_with_it(number: int) -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    follower = conditional(OrderType.STOP_LOSS, SELL, trigger_price="49000")
    listed = engine.place_list(
        account, OrderListKind.OTO, "list", [limit_order(BUY, "49500"), follower], None, 2
    )

    engine.cancel(account, account.orders[listed.order_ids[number]], 3)

    assert {order.status for order in account.orders.values()} == {OrderStatus.CANCELLED}
    assert len(account.resting) == 0


def test_an_order_is_news_again_when_its_entry_is_filled() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    told: list[tuple[EventKind, int]] = []
    engine.listeners.append(lambda event: told.append((event.kind, event.order.order_id)))
    follower = conditional(OrderType.STOP_LOSS, SELL, trigger_price="49000")
    engine.place_list(
        account,
        OrderListKind.OTO,
        "list",
        [limit_order(BUY, "49500"), follower],
        quote_at("50000"),
        2,
    )

    engine.on_price(BTC.symbol, quote_at("49499"), 3)

    assert told == [
        (EventKind.NEW, 2),
        (EventKind.NEW, 1),
        (EventKind.TRADE, 1),
        (EventKind.NEW, 2),
    ]


def test_an_amended_order_is_known_by_its_new_name() -> None:
    engine = engine_of()
    account = engine.account(KEY, 1)
    order = engine.place(account, limit_order(BUY, "40000"), quote_at("50000"), 2)

    engine.amend(account, order, 3, quantity=Decimal("0.05"), client_order_id="two")

    def find(name: str) -> Order | None:
        return account.find_order(BTC.symbol, order_id=None, client_order_id=name)

    assert (find("two"), find("one")) == (order, None)


def test_the_book_shows_users_between_the_markets_levels() -> None:
    engine = engine_of()
    quote = quote_at("50000")
    engine.place(engine.account(KEY, 1), limit_order(SELL, "50001"), quote, 2)

    first, second, *_ = engine.book(BTC.symbol, quote, BUY)

    assert first == (Decimal(50_001), Decimal("0.1"))
    assert second.price == quote.ask


def test_an_order_takes_elsewhere_what_its_own_account_does_not_give() -> None:
    engine = engine_of()
    account, quote = engine.account(KEY, 1), quote_at("50000")
    own = engine.place(account, limit_order(SELL, "50001", client_order_id="own"), quote, 2)
    wanted = replace(limit_order(BUY, "50010"), self_trade=SelfTrade.END_MAKER)

    order = engine.place(account, wanted, quote, 3)

    assert (own.status, order.status) == (OrderStatus.EXPIRED, OrderStatus.FILLED)
    assert [fill.price for fill in account.fills] == [quote.ask]
