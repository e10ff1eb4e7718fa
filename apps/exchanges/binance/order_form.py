"""From a wanted order to Binance's parameters; what it can't say is refused before any call."""

from decimal import Decimal

from apps.domain.orders import OrderListKind, OrderSide, OrderType, TimeInForce
from apps.exchanges.binance.constants import BASIS_POINTS, EXCHANGE
from apps.exchanges.errors import InvalidOrder, Unsupported
from apps.exchanges.ports import OrderListRequest, OrderRequest
from apps.exchanges.rounding import decimal_text


def wire_symbol(symbol: str) -> str:
    """`BTC/USDT` as Binance writes it."""
    return symbol.replace("/", "")


def order_params(request: OrderRequest) -> dict[str, str]:
    """POST /api/v3/order."""
    amounts = {"quantity": request.quantity, "quoteOrderQty": request.quote_amount}
    return {
        "symbol": wire_symbol(request.symbol),
        "side": request.side.value.upper(),
        "type": _type_word(request),
        "newClientOrderId": request.client_order_id,
        "newOrderRespType": "FULL",
        **{name: decimal_text(amount) for name, amount in amounts.items() if amount is not None},
        **_terms(request),
    }


def list_params(request: OrderListRequest) -> dict[str, str]:
    """POST /api/v3/orderList/oco, /oto and /otoco: the parameters of each order carry its role."""
    params = {
        "symbol": wire_symbol(request.symbol),
        "listClientOrderId": request.client_list_id,
        "newOrderRespType": "RESULT",
    }
    match request.kind:
        case OrderListKind.OCO:
            first = request.orders[0]
            params |= {"side": first.side.value.upper(), "quantity": _quantity(first)}
            params |= _legs(request, "")
        case OrderListKind.OTO:
            params |= _working(request.orders[0]) | _pending(request.orders[1])
            params |= _prefixed("pending", _leg(request.orders[1], _type_word(request.orders[1])))
        case OrderListKind.OTOCO:
            params |= _working(request.orders[0]) | _pending(request.orders[1])
            params |= _legs(request, "pending")
    return params


def _type_word(request: OrderRequest) -> str:
    if request.order_type is OrderType.TRAILING_STOP:
        return "STOP_LOSS"
    if request.time_in_force is TimeInForce.POST_ONLY:
        if request.order_type is not OrderType.LIMIT:
            raise _unsupported(f"a {request.order_type} order that is post-only")
        return "LIMIT_MAKER"
    return request.order_type.value.upper()


def _terms(request: OrderRequest) -> dict[str, str]:
    """What an order waits for and how long it stands."""
    params: dict[str, str] = {}
    if request.price is not None:
        params["price"] = decimal_text(request.price)
    if request.trigger_price is not None:
        params["stopPrice"] = decimal_text(request.trigger_price)
    if request.trailing_share is not None:
        params["trailingDelta"] = _basis_points(request.trailing_share)
    if request.price is not None and request.time_in_force is not TimeInForce.POST_ONLY:
        params["timeInForce"] = request.time_in_force.value.upper()
    return params


def _basis_points(share: Decimal) -> str:
    points = share * BASIS_POINTS
    if points != points.to_integral_value() or points <= 0:
        error = InvalidOrder(
            f"Binance takes trailing distances in steps of 0.01 %, and {share:%} is none."
            f" {InvalidOrder.advice}",
            exchange=EXCHANGE,
        )
        error.filter_name = "TRAILING_DELTA"
        raise error
    return decimal_text(points)


def _working(request: OrderRequest) -> dict[str, str]:
    if request.order_type is not OrderType.LIMIT:
        raise _unsupported(f"an order list that begins with a {request.order_type} order")
    leg = _leg(request, _type_word(request))
    side = {"Side": request.side.value.upper(), "Quantity": _quantity(request)}
    return _prefixed("working", leg | side)


def _pending(request: OrderRequest) -> dict[str, str]:
    return {"pendingSide": request.side.value.upper(), "pendingQuantity": _quantity(request)}


def _legs(request: OrderListRequest, prefix: str) -> dict[str, str]:
    """The leg that waits above the market and the one below it."""
    params: dict[str, str] = {}
    for leg in request.legs:
        is_above = leg.order_type.is_stop == (leg.side is OrderSide.BUY)
        role = f"{prefix}{'Above' if is_above else 'Below'}" if prefix else _plain(is_above)
        # The resting half of an OCO may not take liquidity.
        is_resting = leg.order_type is OrderType.LIMIT
        params |= _prefixed(role, _leg(leg, "LIMIT_MAKER" if is_resting else _type_word(leg)))
    return params


def _plain(is_above: bool) -> str:  # noqa: FBT001  the one fact this is about
    return "above" if is_above else "below"


def _leg(request: OrderRequest, type_word: str) -> dict[str, str]:
    terms = {name[0].upper() + name[1:]: value for name, value in _terms(request).items()}
    if type_word == "LIMIT_MAKER":
        terms.pop("TimeInForce", None)
    return {"Type": type_word, "ClientOrderId": request.client_order_id, **terms}


def _prefixed(role: str, params: dict[str, str]) -> dict[str, str]:
    return {f"{role}{name}": value for name, value in params.items()}


def _quantity(request: OrderRequest) -> str:
    if request.quantity is None:
        raise _unsupported("an order list sized in quote currency")
    return decimal_text(request.quantity)


def _unsupported(what: str) -> Unsupported:
    return Unsupported(f"Binance has no way to place {what}. Nothing was sent.", exchange=EXCHANGE)
