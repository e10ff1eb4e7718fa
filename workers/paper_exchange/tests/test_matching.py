from decimal import Decimal

import pytest

from apps.domain.orders import OrderSide, OrderStatus
from workers.paper_exchange.orders import OrderRejected, RejectionReason
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
