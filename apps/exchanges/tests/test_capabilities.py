"""What the exchanges declare."""

from decimal import Decimal
from typing import Any

import pytest

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderListKind, OrderSide, OrderType, TimeInForce
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.clients import capabilities_of
from apps.exchanges.errors import Unsupported
from apps.exchanges.ports import AttachedExit, OrderListRequest, OrderRequest

MODEST = Capabilities(
    exchange=Exchange.KRAKEN,
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.TRAILING_STOP}),
    times_in_force=frozenset({TimeInForce.GTC}),
    quote_amount_sides=frozenset({OrderSide.BUY}),
    order_lists=frozenset(),
    attached_exits=1,
    trailing_has_trigger=False,
    amends="",
    amendable_types=frozenset(),
    only_shrinks=False,
    replaces="",
    timeframes=frozenset({Timeframe.M1}),
    stream_timeframes=frozenset(),
    candle_history=720,
    needs_passphrase=False,
    has_testnet=False,
    refuses_late_orders=True,
    tells_key_permissions=True,
    client_order_id_reuse="",
    sub_accounts="",
)
EXIT = AttachedExit(trigger_price=Decimal(1))


def order(**changes: Any) -> OrderRequest:
    """A limit order."""
    facts: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "side": OrderSide.SELL,
        "order_type": OrderType.LIMIT,
        "client_order_id": "a",
        "quantity": Decimal(1),
        "price": Decimal(1),
    }
    return OrderRequest(**facts | changes)


@pytest.mark.parametrize("exchange", Exchange)
def test_every_exchange_declares_what_it_can(exchange: Exchange) -> None:
    declared = capabilities_of(exchange)

    assert declared.exchange is exchange
    assert {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LOSS} <= declared.order_types
    assert set(TimeInForce) == declared.times_in_force
    assert Timeframe.M1 in declared.timeframes & declared.stream_timeframes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"order_type": OrderType.STOP_LOSS, "price": None, "trigger_price": Decimal(1)},
            "orders of type stop_loss",
        ),
        ({"time_in_force": TimeInForce.IOC}, "ioc orders"),
        (
            {
                "order_type": OrderType.MARKET,
                "price": None,
                "quantity": None,
                "quote_amount": Decimal(1),
            },
            "market sell orders sized in quote",
        ),
        ({"stop_loss": EXIT, "take_profit": EXIT}, "more than one stop loss"),
        (
            {
                "order_type": OrderType.TRAILING_STOP,
                "price": None,
                "trailing_share": Decimal("0.01"),
                "trigger_price": Decimal(1),
            },
            "trailing stops that begin at a price",
        ),
    ],
)
def test_what_is_not_declared_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Unsupported, match=f"Kraken has no {words}.*Nothing was sent"):
        MODEST.check_order(order(**changes))


def test_order_list_that_is_not_declared_is_refused() -> None:
    legs = (
        order(),
        order(order_type=OrderType.STOP_LOSS, price=None, trigger_price=Decimal(1)),
    )

    with pytest.raises(Unsupported, match="no OCO order lists"):
        MODEST.check_order_list(
            OrderListRequest(kind=OrderListKind.OCO, client_list_id="l", orders=legs)
        )


def test_candles_that_are_not_declared_are_refused() -> None:
    MODEST.check_timeframe(Timeframe.M1)

    with pytest.raises(Unsupported, match="no 4h candles"):
        MODEST.check_timeframe(Timeframe.H4)
    with pytest.raises(Unsupported, match="no live 1m candles"):
        MODEST.check_timeframe(Timeframe.M1, live=True)


def test_what_is_declared_is_let_through() -> None:
    MODEST.check_order(order(stop_loss=EXIT))
