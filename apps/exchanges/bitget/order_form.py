"""From a wanted order to Bitget's JSON; what it can't say is refused before any call."""

from decimal import Decimal

from apps.domain.orders import OrderSide, OrderType, TimeInForce
from apps.exchanges.bitget.constants import (
    CANCEL,
    CANCEL_PLAN,
    CANCEL_REPLACE,
    EXCHANGE,
    MODIFY_PLAN,
    PLACE,
    PLACE_PLAN,
    TPSL,
    Endpoint,
)
from apps.exchanges.errors import Unsupported
from apps.exchanges.parsing import ZERO
from apps.exchanges.ports import AttachedExit, OrderRef, OrderReport, OrderRequest
from apps.exchanges.rounding import decimal_text


def wire_symbol(symbol: str) -> str:
    """`BTC/USDT` as Bitget writes it."""
    return symbol.replace("/", "")


def order_call(request: OrderRequest) -> tuple[Endpoint, dict[str, str]]:
    """How an order is placed; a conditional one as a plan order, which can carry our id."""
    body = {
        "symbol": wire_symbol(request.symbol),
        "side": request.side.value,
        "orderType": _type_word(request),
        "force": request.time_in_force.value,
        "size": _size(request),
        "clientOid": request.client_order_id,
    }
    if request.order_type.is_conditional:
        if request.stop_loss or request.take_profit:
            raise _unsupported("a stop loss or take profit attached to a conditional order")
        plan = {"planType": "amount", "triggerType": "fill_price"}
        return PLACE_PLAN, body | plan | _trigger(request)
    if request.price is not None:
        body["price"] = decimal_text(request.price)
    return PLACE, body | _attached(request)


def edit_call(current: OrderReport, target: OrderRequest) -> tuple[Endpoint, dict[str, str]]:
    """How a resting order is turned into another: a conditional one in place, a limit order anew."""
    if (current.symbol, current.side) != (target.symbol, target.side):
        raise _unsupported("an order that changes its market or side")
    if target.time_in_force is not TimeInForce.GTC:
        raise _unsupported(f"an order that becomes {target.time_in_force} by an edit")
    is_waiting = current.trigger_price is not None
    if is_waiting and target.order_type.is_conditional:
        if target.stop_loss or target.take_profit:
            raise _unsupported("a stop loss or take profit attached to a conditional order")
        body = {**_name(current.ref), "orderType": _type_word(target), "size": _size(target)}
        return MODIFY_PLAN, body | _trigger(target)
    if not is_waiting and current.order_type is target.order_type is OrderType.LIMIT:
        body = {
            **_name(current.ref),
            "symbol": wire_symbol(target.symbol),
            "price": _text(target.price),
            "size": _size(target),
            "newClientOid": target.client_order_id,
        }
        return CANCEL_REPLACE, body | _attached(target)
    raise _unsupported(f"an edit of this order to a {target.order_type} order")


def cancel_calls(ref: OrderRef) -> list[tuple[Endpoint, dict[str, str]]]:
    """Where an order may rest, likeliest first: each is tried when the one before knows it not."""
    symbol = {"symbol": wire_symbol(ref.symbol)}
    plain, plan = (CANCEL, symbol | _name(ref)), (CANCEL_PLAN, _name(ref))
    if ref.order_type is not None and not ref.order_type.is_conditional:
        return [plain]
    by_id = {"orderId": ref.exchange_order_id} if ref.exchange_order_id else {}
    if ref.order_type is not None:
        # One that fired rests as an ordinary order, under the id of that.
        return [plan, (CANCEL, symbol | by_id)] if by_id else [plan]
    calls = [plain, plan]
    if by_id:
        calls.append((CANCEL, symbol | by_id | {"tpslType": TPSL}))
    return calls


def _type_word(request: OrderRequest) -> str:
    return "limit" if request.order_type.has_limit_price else "market"


def _size(request: OrderRequest) -> str:
    """In base; of a buy at market in quote, which is all that Bitget takes there."""
    is_market_buy = request.order_type is OrderType.MARKET and request.side is OrderSide.BUY
    if is_market_buy and request.quote_amount is None:
        raise _unsupported("a market buy sized in base currency: give the amount to spend")
    return _text(request.quantity if request.quote_amount is None else request.quote_amount)


def _trigger(request: OrderRequest) -> dict[str, str]:
    prices = {"triggerPrice": request.trigger_price, "executePrice": request.price}
    return {name: decimal_text(price) for name, price in prices.items() if price is not None}


def _attached(request: OrderRequest) -> dict[str, str]:
    return _preset("StopLossPrice", request.stop_loss) | _preset(
        "TakeProfitPrice", request.take_profit
    )


def _preset(name: str, attached: AttachedExit | None) -> dict[str, str]:
    if attached is None:
        return {}
    told = {f"preset{name}": decimal_text(attached.trigger_price)}
    # Without a price of its own it sells at market.
    if attached.price is not None:
        told[f"execute{name}"] = decimal_text(attached.price)
    return told


def _text(value: Decimal | None) -> str:
    # A request is made with all the numbers its type needs.
    return decimal_text(value or ZERO)


def _name(ref: OrderRef) -> dict[str, str]:
    if ref.client_order_id:
        return {"clientOid": ref.client_order_id}
    return {"orderId": ref.exchange_order_id or ""}


def _unsupported(what: str) -> Unsupported:
    return Unsupported(f"Bitget has no way to place {what}. Nothing was sent.", exchange=EXCHANGE)
