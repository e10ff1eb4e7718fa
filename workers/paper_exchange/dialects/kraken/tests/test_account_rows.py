"""How Kraken tells of orders and fills."""

from dataclasses import replace
from decimal import Decimal

from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.dialects.kraken.account_rows import trade_row
from workers.paper_exchange.orders import Fill, Order
from workers.paper_exchange.tests.builders import BTC


def test_a_fill_keeps_its_price_when_the_market_gets_larger_steps() -> None:
    order = Order(
        order_id=1,
        client_order_id="a" * 32,
        symbol=BTC.symbol,
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal("0.282"),
        price=Decimal("155.95"),
        quote_amount=Decimal(0),
        status=OrderStatus.FILLED,
        created_ms=0,
        updated_ms=0,
    )
    fill = Fill(
        trade_id=1,
        order_id=1,
        symbol=BTC.symbol,
        side=OrderSide.BUY,
        price=Decimal("155.95"),
        quantity=Decimal("0.282"),
        fee=Decimal("0.1"),
        fee_asset="USDT",
        is_maker=True,
        filled_ms=0,
    )

    row = trade_row(fill, order, replace(BTC, tick_size=Decimal("0.5"), step_size=Decimal("0.1")))

    assert (row["price"], row["cost"]) == ("155.95", "43.9779")
