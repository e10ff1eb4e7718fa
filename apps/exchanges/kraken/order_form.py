"""From a wanted order to Kraken's parameters and costs; what it can't say is refused before any call."""

from datetime import datetime
from decimal import Decimal

from apps.domain.orders import OrderType, TimeInForce
from apps.exchanges.errors import Unsupported
from apps.exchanges.kraken.constants import (
    AMEND_COSTS,
    CANCEL_COSTS,
    ENGINE_CAPACITY,
    ENGINE_SECONDS,
    EXCHANGE,
    ORDER_WORDS,
    POST_ONLY,
    SIZED_IN_QUOTE,
)
from apps.exchanges.kraken.parse import wire_symbol
from apps.exchanges.limits import Budget, Charge, Priority
from apps.exchanges.ports import AttachedExit, OrderReport, OrderRequest
from apps.exchanges.rounding import decimal_text


def order_params(request: OrderRequest) -> dict[str, str]:
    """AddOrder; raises Unsupported for a time in force that only limit orders have."""
    params = {
        "pair": wire_symbol(request.symbol),
        "type": request.side.value,
        "ordertype": ORDER_WORDS[request.order_type],
        "volume": decimal_text(request.quantity or request.quote_amount or Decimal(0)),
        "cl_ord_id": request.client_order_id,
        **_prices(request),
        **_time_in_force(request),
    }
    if request.quote_amount is not None:
        params["oflags"] = SIZED_IN_QUOTE
    if request.stop_loss is not None:
        params |= _close(request.stop_loss, OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
    if request.take_profit is not None:
        params |= _close(request.take_profit, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
    return params


def amend_params(current: OrderReport, target: OrderRequest) -> dict[str, str]:
    """What AmendOrder has to change, empty when nothing.

    The quantity of the target is what shall rest: the part that is filled counts on top of it.
    """
    params: dict[str, str] = {}
    total = (target.quantity or Decimal(0)) + (current.filled_quantity or Decimal(0))
    if total != current.quantity:
        params["order_qty"] = decimal_text(total)
    if target.price is not None and target.price != current.price:
        params["limit_price"] = decimal_text(target.price)
        if target.time_in_force is TimeInForce.POST_ONLY:
            params["post_only"] = "true"
    if target.trigger_price is not None and target.trigger_price != current.trigger_price:
        params["trigger_price"] = decimal_text(target.trigger_price)
    return params


def check_amendable(current: OrderReport, target: OrderRequest) -> None:
    """Raise Unsupported for a change that would take another order."""
    if (current.symbol, current.side) != (target.symbol, target.side):
        raise unsupported("changes of an order's market or side")
    if current.order_type is not target.order_type:
        raise unsupported("changes of an order's type")
    if target.order_type is OrderType.TRAILING_STOP:
        raise unsupported("changes of how far a trailing stop trails")
    if target.stop_loss is not None or target.take_profit is not None:
        raise unsupported("changes of an attached stop loss or take profit")
    if target.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
        raise unsupported(f"changes of a resting order to {target.time_in_force}")
    if current.quote_amount is not None or target.quote_amount is not None:
        raise unsupported("changes of an order sized in quote currency")


def unsupported(what: str) -> Unsupported:
    """The refusal of what Kraken has not."""
    return Unsupported(f"Kraken has no {what}. Nothing was sent.", exchange=EXCHANGE)


def priority_of(request: OrderRequest) -> Priority:
    """What ends a position goes before what opens one."""
    return Priority.PROTECT if request.is_exit else Priority.ENTRY


def engine_charge(symbol: str, cost: float = 1.0) -> Charge:
    """What the matching engine counts for one pair of one key."""
    budget = Budget(
        f"orders in {symbol}", ENGINE_CAPACITY, ENGINE_SECONDS, refills=True, is_per_key=True
    )
    return Charge(budget, cost)


def cancel_cost(placed_at: datetime | None, now: float) -> float:
    """The younger an order, the more its cancel costs; of an unknown age the most."""
    return _cost_by_age(CANCEL_COSTS, placed_at, now)


def amend_cost(placed_at: datetime | None, now: float) -> float:
    """One, and more for a young order."""
    return 1 + _cost_by_age(AMEND_COSTS, placed_at, now)


def _cost_by_age(
    costs: tuple[tuple[float, float], ...], placed_at: datetime | None, now: float
) -> float:
    age = 0.0 if placed_at is None else now - placed_at.timestamp()
    return next((cost for younger_than, cost in costs if age < younger_than), 0.0)


def _prices(request: OrderRequest) -> dict[str, str]:
    """Of a conditional order the trigger is the first price, and its limit the second."""
    if request.trailing_share is not None:
        return {"price": f"+{decimal_text(request.trailing_share * 100)}%"}
    prices = [p for p in (request.trigger_price, request.price) if p is not None]
    return {
        name: decimal_text(price) for name, price in zip(("price", "price2"), prices, strict=False)
    }


def _time_in_force(request: OrderRequest) -> dict[str, str]:
    kind = request.time_in_force
    if kind is TimeInForce.GTC:
        return {}
    if kind is not TimeInForce.IOC and request.order_type is not OrderType.LIMIT:
        raise unsupported(f"{request.order_type} orders that are {kind}")
    if kind is TimeInForce.POST_ONLY:
        return {"oflags": POST_ONLY}
    return {"timeinforce": kind.value.upper()}


def _close(attached: AttachedExit, at_market: OrderType, at_limit: OrderType) -> dict[str, str]:
    params = {
        "close[ordertype]": ORDER_WORDS[at_market if attached.price is None else at_limit],
        "close[price]": decimal_text(attached.trigger_price),
    }
    if attached.price is not None:
        params["close[price2]"] = decimal_text(attached.price)
    return params
