"""The matching engine beyond single orders: users among themselves, triggers, lists, depth."""

from decimal import Decimal
from typing import Any

import pytest

from apps.domain.environments import Exchange
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.book import LEVELS, Liquidity
from workers.paper_exchange.events import EventKind
from workers.paper_exchange.matching import MatchingEngine
from workers.paper_exchange.orders import (
    Account,
    EndReason,
    ExitTemplate,
    NewOrder,
    OrderRejected,
    Phase,
    RejectionReason,
    SelfTrade,
)
from workers.paper_exchange.tests.builders import BTC, engine_of, quote_at

BUY, SELL = OrderSide.BUY, OrderSide.SELL
ANNA, BERT = "a" * 16, "b" * 16
_ids = iter(range(10**9))
_NUMBERS = {"quantity", "price", "quote_amount", "trigger_price", "trailing_share"}


def order(side: OrderSide, order_type: OrderType = OrderType.LIMIT, **changes: Any) -> NewOrder:
    """A tenth of a bitcoin."""
    facts: dict[str, Any] = {
        "client_order_id": f"id{next(_ids)}",
        "symbol": BTC.symbol,
        "side": side,
        "order_type": order_type,
        "quantity": Decimal("0.1"),
    }
    numbers = {k: Decimal(v) for k, v in changes.items() if k in _NUMBERS}
    return NewOrder(**facts | changes | numbers)


def held(account: Account) -> dict[str, tuple[Decimal, Decimal]]:
    """Free and locked by asset."""
    return {
        asset: (account.free.get(asset, Decimal(0)), account.locked.get(asset, Decimal(0)))
        for asset in ("BTC", "USDT")
    }


def price(engine: MatchingEngine, value: str, at: int = 9) -> None:
    """The market's price comes to this."""
    engine.on_price(BTC.symbol, quote_at(value), at)


# Users among themselves


def test_users_trade_with_each_other_before_the_market() -> None:
    engine = engine_of()
    anna, bert = engine.account(ANNA, 1), engine.account(BERT, 1)
    offer = engine.place(anna, order(SELL, price="50003"), quote_at("50000"), 2)

    taken = engine.place(bert, order(BUY, price="50010"), quote_at("50000"), 3)

    assert (offer.status, taken.status) == (OrderStatus.FILLED, OrderStatus.FILLED)
    assert [fill.price for fill in bert.fills] == [50_003]
    assert (anna.fills[0].is_maker, bert.fills[0].is_maker) == (True, False)


def test_better_price_comes_first_and_then_the_earlier_order() -> None:
    engine = engine_of()
    anna, bert = engine.account(ANNA, 1), engine.account(BERT, 1)
    worse = engine.place(anna, order(SELL, price="50002"), quote_at("50000"), 2)
    first = engine.place(anna, order(SELL, price="50001"), quote_at("50000"), 3)
    second = engine.place(anna, order(SELL, price="50001"), quote_at("50000"), 4)

    engine.place(bert, order(BUY, quantity="0.15", price="50002"), quote_at("50000"), 5)

    assert [each.filled_quantity for each in (first, second, worse)] == [
        Decimal("0.1"),
        Decimal("0.05"),
        0,
    ]


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        (SelfTrade.ALLOW, OrderStatus.FILLED, OrderStatus.FILLED),
        (SelfTrade.END_TAKER, OrderStatus.OPEN, OrderStatus.EXPIRED),
        (SelfTrade.END_MAKER, OrderStatus.EXPIRED, OrderStatus.OPEN),
        (SelfTrade.END_BOTH, OrderStatus.EXPIRED, OrderStatus.EXPIRED),
    ],
)
def test_orders_of_one_account_that_meet(
    mode: SelfTrade, maker: OrderStatus, taker: OrderStatus
) -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    offer = engine.place(anna, order(SELL, price="50001"), quote_at("50000"), 2)

    wanted = engine.place(anna, order(BUY, price="50001", self_trade=mode), quote_at("50000"), 3)

    assert (offer.status, wanted.status) == (maker, taker)
    locked = Decimal(0) if wanted.phase is Phase.DONE else Decimal("5000.1")
    assert anna.locked.get("USDT", Decimal(0)) == locked


# Depth


def test_large_order_walks_through_the_book_and_ends_where_it_is_empty() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    anna.free["USDT"] = Decimal(10**9)
    quote = quote_at("50000", volume="1")

    taken = engine.place(anna, order(BUY, OrderType.MARKET, quantity="100"), quote, 2)

    assert taken.status is OrderStatus.EXPIRED
    assert taken.end_reason is EndReason.NO_LIQUIDITY
    prices = [fill.price for fill in anna.fills]
    assert len(prices) == LEVELS
    assert prices == sorted(prices)


def test_what_was_taken_is_gone_until_the_next_price() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    anna.free["USDT"] = Decimal(10**9)
    quote = quote_at("50000", volume="2")

    for _ in range(2):
        engine.place(anna, order(BUY, OrderType.MARKET, quantity="0.1"), quote, 2)
    engine.place(anna, order(BUY, OrderType.MARKET), quote_at("50000", volume="2.1"), 3)

    first, second, third = (fill.price for fill in anna.fills)
    assert first == third < second


def test_amount_in_quote_is_never_overspent() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)

    bought = engine.place(
        anna,
        order(BUY, OrderType.MARKET, quantity=Decimal(0), quote_amount="5000"),
        quote_at("50000", volume="0.5"),
        2,
    )

    assert 4_990 < bought.filled_quote <= 5_000
    assert bought.quantity == bought.filled_quantity


def test_without_depth_there_is_one_price() -> None:
    quote = quote_at("50000")

    assert [
        level.price
        for level in Liquidity(quote, step_size=BTC.step_size, has_depth=False).offers(BUY)
    ] == [Decimal(50_000)]


def test_resting_order_larger_than_what_passes_is_filled_in_parts() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    rests = engine.place(anna, order(BUY, price="49000"), quote_at("50000"), 2)

    engine.on_price(BTC.symbol, quote_at("48999", volume="0.6"), 3)

    assert (rests.status, rests.filled_quantity) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal("0.05"),
    )
    assert anna.locked["USDT"] == Decimal("0.05") * 49_000
    engine.cancel(anna, rests, 4)
    assert anna.locked["USDT"] == 0


# Conditional orders


@pytest.mark.parametrize(
    ("side", "order_type", "trigger", "quiet", "fires"),
    [
        (SELL, OrderType.STOP_LOSS, "49000", "49000.01", "49000"),
        (BUY, OrderType.STOP_LOSS, "51000", "50999.99", "51000"),
        (SELL, OrderType.TAKE_PROFIT, "51000", "50999.99", "51000"),
        (BUY, OrderType.TAKE_PROFIT, "49000", "49000.01", "49000"),
    ],
)
def test_conditional_order_waits_for_its_price(
    side: OrderSide, order_type: OrderType, trigger: str, quiet: str, fires: str
) -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    waits = engine.place(anna, order(side, order_type, trigger_price=trigger), quote_at("50000"), 2)

    price(engine, quiet)
    assert (waits.phase, anna.fills) == (Phase.WAITING, [])
    price(engine, fires)

    assert waits.status is OrderStatus.FILLED
    assert held(anna)["BTC"][1] == held(anna)["USDT"][1] == 0


def test_conditional_order_that_would_fire_at_once_is_refused() -> None:
    engine = engine_of()
    wanted = order(SELL, OrderType.STOP_LOSS, trigger_price="50001")

    with pytest.raises(OrderRejected) as refused:
        engine.place(engine.account(ANNA, 1), wanted, quote_at("50000"), 2)

    assert refused.value.reason is RejectionReason.WOULD_TRIGGER


def test_stop_limit_rests_at_its_limit_once_it_has_fired() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    stop = engine.place(
        anna,
        order(SELL, OrderType.STOP_LOSS_LIMIT, trigger_price="49000", price="49500"),
        quote_at("50000"),
        2,
    )

    price(engine, "48990")
    assert (stop.phase, stop.status) == (Phase.BOOK, OrderStatus.OPEN)
    price(engine, "49501")

    assert stop.status is OrderStatus.FILLED


def test_trailing_stop_follows_the_price_up_and_not_down() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    stop = engine.place(
        anna, order(SELL, OrderType.TRAILING_STOP, trailing_share="0.01"), quote_at("50000"), 2
    )

    for value in ("51000", "50500", "50490.01"):
        price(engine, value)
    assert stop.phase is Phase.WAITING
    price(engine, "50490")

    assert stop.status is OrderStatus.FILLED


def test_where_triggers_lock_nothing_an_empty_account_ends_them() -> None:
    engine = engine_of(exchange=Exchange.BITGET)
    anna = engine.account(ANNA, 1)
    stop = engine.place(
        anna, order(SELL, OrderType.STOP_LOSS, trigger_price="49000"), quote_at("50000"), 2
    )
    assert held(anna)["BTC"] == (1, 0)
    anna.free["BTC"] = Decimal(0)
    heard: list[EventKind] = []
    engine.listeners.append(lambda event: heard.append(event.kind))

    price(engine, "48000")

    assert (stop.status, stop.end_reason) == (OrderStatus.REJECTED, EndReason.NO_FUNDS)
    assert heard == [EventKind.ENDED]


# Lists


def legs() -> tuple[NewOrder, NewOrder]:
    """A target above the market and a stop below it."""
    return order(SELL, price="51000"), order(SELL, OrderType.STOP_LOSS, trigger_price="49000")


@pytest.mark.parametrize(("value", "filled", "ended"), [("51001", 0, 1), ("48999", 1, 0)])
def test_one_leg_ends_the_other(value: str, filled: int, ended: int) -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    listed = engine.place_list(anna, OrderListKind.OCO, "list", legs(), quote_at("50000"), 2)
    orders = [anna.orders[each] for each in listed.order_ids]
    assert held(anna)["BTC"] == (Decimal("0.9"), Decimal("0.1"))

    price(engine, value)

    assert orders[filled].status is OrderStatus.FILLED
    assert (orders[ended].status, orders[ended].end_reason) == (
        OrderStatus.EXPIRED,
        EndReason.OTHER_LEG,
    )
    assert held(anna)["BTC"] == (Decimal("0.9"), 0)


def test_cancelling_one_leg_cancels_the_list() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    listed = engine.place_list(anna, OrderListKind.OCO, "list", legs(), quote_at("50000"), 2)

    engine.cancel(anna, anna.orders[listed.order_ids[1]], 3)

    assert {order.status for order in anna.orders.values()} == {OrderStatus.CANCELLED}
    assert held(anna)["BTC"] == (1, 0)


def test_entry_sets_up_its_exits_once_it_is_whole() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    wanted = (order(BUY, price="49500", quantity="0.05"), *legs())
    listed = engine.place_list(anna, OrderListKind.OTOCO, "list", wanted, quote_at("50000"), 2)
    entry, target, stop = (anna.orders[each] for each in listed.order_ids)
    assert (target.phase, stop.phase) == (Phase.PENDING, Phase.PENDING)
    assert held(anna)["BTC"] == (1, 0)

    price(engine, "49499")

    assert entry.status is OrderStatus.FILLED
    assert (target.phase, stop.phase) == (Phase.BOOK, Phase.WAITING)
    assert held(anna)["BTC"][1] == Decimal("0.1")


def test_entry_that_is_cancelled_takes_its_exits_with_it() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    wanted = (order(BUY, price="49500"), order(SELL, OrderType.STOP_LOSS, trigger_price="49000"))
    listed = engine.place_list(anna, OrderListKind.OTO, "list", wanted, quote_at("50000"), 2)

    engine.cancel(anna, anna.orders[listed.order_ids[0]], 3)

    assert engine.open_order_count == 0
    assert held(anna) == {"BTC": (1, 0), "USDT": (10_000, 0)}


def test_attached_exits_sell_what_was_received() -> None:
    engine = engine_of(exchange=Exchange.BITGET)
    anna = engine.account(ANNA, 1)
    exits = (
        ExitTemplate(order_type=OrderType.STOP_LOSS, trigger_price=Decimal(49_000)),
        ExitTemplate(order_type=OrderType.TAKE_PROFIT, trigger_price=Decimal(51_000)),
    )

    engine.place(anna, order(BUY, OrderType.MARKET, exits=exits), quote_at("50000"), 2)
    attached = anna.open_orders()
    assert [each.quantity for each in attached] == [Decimal("0.0999")] * 2
    price(engine, "51000")

    assert [each.status for each in attached] == [OrderStatus.EXPIRED, OrderStatus.FILLED]


@pytest.mark.parametrize(
    ("exchange", "count", "locked"),
    [
        (Exchange.BITGET, 1, "0"),
        (Exchange.BITGET, 2, "0"),
        (Exchange.KRAKEN, 1, "0.1"),
        (Exchange.BINANCE, 2, "0.0999"),
    ],
)
def test_attached_exits_hold_coins_back_where_triggers_do_and_then_once(
    exchange: Exchange, count: int, locked: str
) -> None:
    engine = engine_of(exchange=exchange)
    anna = engine.account(ANNA, 1)
    exits = (
        ExitTemplate(order_type=OrderType.STOP_LOSS, trigger_price=Decimal(49_000)),
        ExitTemplate(order_type=OrderType.TAKE_PROFIT, trigger_price=Decimal(51_000)),
    )

    engine.place(anna, order(BUY, OrderType.MARKET, exits=exits[:count]), quote_at("50000"), 2)

    assert [each.phase for each in anna.open_orders()] == [Phase.WAITING] * count
    assert held(anna)["BTC"][1] == Decimal(locked)


def test_nothing_is_filled_twice_when_an_exit_takes_what_its_own_filler_wanted() -> None:
    engine, quote = engine_of(), quote_at("40000")
    anna, bert = engine.account(ANNA, 1), engine.account(BERT, 1)
    buy_back = ExitTemplate(
        order_type=OrderType.LIMIT, trigger_price=Decimal(0), price=Decimal(40_002)
    )
    engine.place(bert, order(SELL, price="40001", exits=(buy_back,)), quote, 2)
    wanted = engine.place(bert, order(SELL, price="40002", quantity="0.15"), quote, 2)

    taker = engine.place(anna, order(BUY, price="40002", quantity="0.2"), quote, 3)

    assert (wanted.status, wanted.filled_quantity) == (OrderStatus.FILLED, Decimal("0.15"))
    assert (taker.status, taker.remaining) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.05"))


# Changes, rules, events


def test_order_that_shrinks_keeps_its_place_and_frees_money() -> None:
    engine = engine_of()
    anna = engine.account(ANNA, 1)
    first = engine.place(anna, order(BUY, price="49000"), quote_at("50000"), 2)
    engine.place(anna, order(BUY, price="49000", quantity="0.05"), quote_at("50000"), 3)

    engine.amend(anna, first, 4, quantity=Decimal("0.04"), quote=quote_at("50000"))
    engine.on_price(BTC.symbol, quote_at("48999", volume="0.48"), 5)

    assert first.status is OrderStatus.FILLED
    assert [fill.order_id for fill in anna.fills] == [first.order_id]


def test_client_order_id_is_free_again_by_the_rule_of_the_exchange() -> None:
    for exchange, is_free in ((Exchange.BINANCE, True), (Exchange.BITGET, False)):
        engine = engine_of(exchange=exchange)
        anna = engine.account(ANNA, 1)
        first = engine.place(anna, order(BUY, price="49000"), quote_at("50000"), 2)
        engine.cancel(anna, first, 3)
        again = order(BUY, price="49000", client_order_id=first.client_order_id)

        if is_free:
            engine.place(anna, again, quote_at("50000"), 4)
            continue
        with pytest.raises(OrderRejected) as refused:
            engine.place(anna, again, quote_at("50000"), 4)
        assert refused.value.reason is RejectionReason.DUPLICATE_CLIENT_ORDER_ID
        engine.place(anna, again, quote_at("50000"), 4 + 6 * 3600 * 1000)


def test_fee_in_quote_comes_on_top_of_a_purchase() -> None:
    engine = engine_of(exchange=Exchange.KRAKEN)
    anna = engine.account(ANNA, 1)

    engine.place(anna, order(BUY, OrderType.MARKET), quote_at("50000"), 2)

    (fill,) = anna.fills
    assert (fill.fee, fill.fee_asset) == (Decimal("20.002"), "USDT")
    assert held(anna) == {"BTC": (Decimal("1.1"), 0), "USDT": (Decimal("4979.498"), 0)}


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [(Exchange.BINANCE, RejectionReason.WOULD_TAKE), (Exchange.KRAKEN, None)],
)
def test_post_only_order_that_would_take(
    exchange: Exchange, expected: RejectionReason | None
) -> None:
    engine = engine_of(exchange=exchange)
    anna = engine.account(ANNA, 1)
    wanted = order(BUY, price="50100", time_in_force=TimeInForce.POST_ONLY)

    if expected:
        with pytest.raises(OrderRejected) as refused:
            engine.place(anna, wanted, quote_at("50000"), 2)
        assert refused.value.reason is expected
    else:
        placed = engine.place(anna, wanted, quote_at("50000"), 2)
        assert (placed.status, placed.end_reason) == (OrderStatus.CANCELLED, EndReason.POST_ONLY)
    assert anna.fills == []


def test_listeners_hear_every_step_of_an_order() -> None:
    engine = engine_of()
    heard: list[EventKind] = []
    engine.listeners.append(lambda event: heard.append(event.kind))
    anna = engine.account(ANNA, 1)

    engine.place(
        anna, order(SELL, OrderType.STOP_LOSS, trigger_price="49000"), quote_at("50000"), 2
    )
    price(engine, "48000")

    assert heard == [EventKind.NEW, EventKind.TRIGGERED, EventKind.TRADE]
