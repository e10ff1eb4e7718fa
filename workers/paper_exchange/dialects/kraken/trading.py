"""Endpoints that place, change and cancel orders."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderType, TimeInForce
from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.account_rows import (
    Row,
    description,
    fixed,
    short_description,
    volume_of,
)
from workers.paper_exchange.dialects.kraken.errors import KrakenError
from workers.paper_exchange.dialects.kraken.gateway import Caller, Gateway
from workers.paper_exchange.dialects.kraken.history import order_of_txid
from workers.paper_exchange.dialects.kraken.limits import AMEND_COSTS, CANCEL_COSTS, EDIT_COSTS
from workers.paper_exchange.dialects.kraken.names import digits, get_market, make_id, order_txid
from workers.paper_exchange.dialects.kraken.order_form import (
    check_count,
    check_funds,
    check_size,
    read_deadline,
    read_order,
)
from workers.paper_exchange.dialects.kraken.parameters import Parameters
from workers.paper_exchange.dialects.kraken.prices import read_price
from workers.paper_exchange.orders import ZERO, Account, NewOrder, Order, OrderRejected

MOST_IN_BATCH, MOST_CANCELS = 15, 50
_LONGEST_SWITCH_SECONDS = 86_400
_USERREF = re.compile(r"-?[0-9]{1,10}", re.ASCII)


def add_order(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Send an order to the matching engine; no more is told than that it was taken."""
    if gateway.probe:
        gateway.probe("order_request", {"client_order_id": parameters.text("cl_ord_id")})
    wanted, market = read_order(gateway, parameters, parameters.required("pair"))
    is_checked_only = parameters.flag("validate")
    deadline_ms = read_deadline(parameters)
    parameters.finish()
    gateway.check_deadline(deadline_ms)
    if is_checked_only:
        check(gateway, caller, wanted, market)
        return {"descr": short_description(wanted, market)}
    order = place(gateway, caller, wanted, market)
    return {"descr": short_description(wanted, market), "txid": [order_txid(order.order_id)]}


def add_order_batch(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Several orders of one pair, each with an answer of its own."""
    return {"orders": place_batch(gateway, caller, parameters)}


def place_batch(gateway: Gateway, caller: Caller, parameters: Parameters) -> list[Row]:
    """Place several orders; the form of all of them is checked before the first is placed."""
    pair = parameters.required("pair")
    rows = parameters.rows("orders")
    is_checked_only = parameters.flag("validate")
    deadline_ms = read_deadline(parameters)
    parameters.finish()
    if not 2 <= len(rows) <= MOST_IN_BATCH:
        raise errors.invalid_arguments("orders")
    read = []
    for row in rows:
        read.append(read_order(gateway, row, pair))
        row.finish()
    gateway.check_deadline(deadline_ms)
    answers: list[Row] = []
    for wanted, market in read:
        answer: Row = {"descr": short_description(wanted, market)}
        try:
            if is_checked_only:
                check(gateway, caller, wanted, market)
            else:
                order = place(gateway, caller, wanted, market, cost=0.5)
                answer["txid"] = order_txid(order.order_id)
        except KrakenError as error:
            answer = {"error": error.text}
        answers.append(answer)
    return answers


def amend_order(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Change quantity and prices of an open order, which keeps its id."""
    order = _find_open(caller.account, parameters)
    market = gateway.exchange.feed.markets[order.symbol]
    quantity = parameters.number("order_qty")
    last = gateway.quote(order.symbol).price
    trigger_price = _amended_trigger(order, market, parameters, last)
    price = _amended_limit(order, market, parameters, trigger_price or order.trigger_price or last)
    is_post_only = parameters.flag("post_only") or order.time_in_force is TimeInForce.POST_ONLY
    parameters.number("display_qty")
    deadline_ms = read_deadline(parameters)
    parameters.finish()
    _check_amendment(order, market, quantity, price or trigger_price)
    if is_post_only and price is not None:
        _check_rests(gateway, order, price)
    gateway.check_deadline(deadline_ms)
    cost = 1 + gateway.age_cost(AMEND_COSTS, order)
    caller.record.count_in_engine(order.symbol, cost, gateway.limit_ms)
    try:
        gateway.engine.amend(
            caller.account,
            order,
            gateway.now_ms,
            quantity=quantity,
            price=price,
            trigger_price=trigger_price,
            quote=gateway.exchange.quote(order.symbol),
        )
    except OrderRejected as rejection:
        raise errors.rejected(rejection.reason) from rejection
    return {"amend_id": make_id("T", (gateway.wall_ms << 32) + order.order_id)}


def edit_order(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Replace an order by a changed one with a new id; of one that is partly filled only the rest."""
    market = get_market(gateway.exchange, parameters.required("pair"))
    order = _find_open(caller.account, parameters)
    quote = gateway.quote(market.symbol)
    is_editable = not (order.filled_quantity and order.order_type.is_conditional)
    if order.symbol != market.symbol or not is_editable:
        raise errors.invalid_order()
    wanted = _edited(order, market, parameters, quote.price)
    is_checked_only = parameters.flag("validate")
    parameters.flag("cancel_response")
    parameters.text("userref")
    deadline_ms = read_deadline(parameters)
    parameters.finish()
    check_size(wanted, market, quote)
    gateway.check_deadline(deadline_ms)
    _check_with_locked(gateway, caller.account, order, wanted)
    answer: Row = {
        "status": "ok",
        "descr": {"order": description(wanted, market)},
        "originaltxid": order_txid(order.order_id),
        "volume": fixed(volume_of(wanted), 8),
        "price": fixed(wanted.trigger_price or wanted.price, digits(market.tick_size)),
        "orders_cancelled": 1,
    }
    if is_checked_only:
        return answer
    cost = 1 + gateway.age_cost(EDIT_COSTS, order)
    caller.record.count_in_engine(order.symbol, cost, gateway.limit_ms)
    gateway.engine.cancel(caller.account, order, gateway.now_ms)
    placed = place(gateway, caller, wanted, market, cost=0)
    return {**answer, "txid": order_txid(placed.order_id)}


def cancel_order(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Cancel an order by its id or its client's, or all those of a userref."""
    txid, client_id = parameters.text("txid"), parameters.text("cl_ord_id")
    parameters.finish()
    if txid is None and client_id is None:
        raise errors.invalid_arguments("txid")
    orders = _named_open(caller.account, txid, client_id)
    if not orders:
        raise errors.unknown_order()
    cancel(gateway, caller, orders, is_charged=True)
    return {"count": len(orders)}


def cancel_order_batch(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Cancel up to fifty orders; those that are not open are not counted."""
    txids, client_ids = parameters.names("orders"), parameters.names("cl_ord_ids")
    parameters.finish()
    if not 0 < len(txids) + len(client_ids) <= MOST_CANCELS:
        raise errors.invalid_arguments("orders")
    found: dict[int, Order] = {}
    for txid in txids:
        found |= {o.order_id: o for o in _named_open(caller.account, txid, None)}
    for client_id in client_ids:
        found |= {o.order_id: o for o in _named_open(caller.account, None, client_id)}
    if not found:
        raise errors.unknown_order()
    cancel(gateway, caller, list(found.values()), is_charged=False)
    return {"count": len(found)}


def cancel_all(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Cancel every open order of the account, in whatever pair."""
    parameters.finish()
    return {"count": gateway.cancel_all(caller.account)}


def cancel_all_after(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Cancel every open order unless asked again in time; 0 seconds ends the wait."""
    timeout = parameters.integer("timeout")
    parameters.finish()
    if timeout is None or not 0 <= timeout <= _LONGEST_SWITCH_SECONDS:
        raise errors.invalid_arguments("timeout")
    gateway.set_switch(caller.account.key, timeout)
    now = datetime.fromtimestamp(gateway.now_ms // 1000, UTC)
    trigger = _text(now + timedelta(seconds=timeout)) if timeout else "0"
    return {"currentTime": _text(now), "triggerTime": trigger}


def check(gateway: Gateway, caller: Caller, wanted: NewOrder, market: Market) -> None:
    """Raise KrakenError for what `place` would refuse."""
    check_funds(gateway, caller.account, wanted, market)
    check_count(caller, market)
    quote = gateway.exchange.quote(wanted.symbol)
    try:
        gateway.engine.check(caller.account, wanted, quote, gateway.now_ms)
    except OrderRejected as rejection:
        raise errors.rejected(rejection.reason) from rejection


def place(
    gateway: Gateway, caller: Caller, wanted: NewOrder, market: Market, *, cost: float = 1
) -> Order:
    """Count an order and give it to the engine; raises KrakenError."""
    caller.record.count_in_engine(wanted.symbol, cost, gateway.limit_ms)
    check_funds(gateway, caller.account, wanted, market)
    check_count(caller, market)
    quote = gateway.exchange.quote(wanted.symbol)
    try:
        return gateway.engine.place(caller.account, wanted, quote, gateway.now_ms)
    except OrderRejected as rejection:
        raise errors.rejected(rejection.reason) from rejection


def cancel(gateway: Gateway, caller: Caller, orders: list[Order], *, is_charged: bool) -> None:
    """Cancel open orders; what the engine counts for a batch it never refuses."""
    for order in orders:
        cost = gateway.age_cost(CANCEL_COSTS, order)
        if is_charged:
            caller.record.count_in_engine(order.symbol, cost, gateway.limit_ms)
        if order.is_open:
            gateway.engine.cancel(caller.account, order, gateway.now_ms)


def _find_open(account: Account, parameters: Parameters) -> Order:
    txid, client_id = parameters.text("txid"), parameters.text("cl_ord_id")
    if (txid is None) == (client_id is None):
        raise errors.invalid_arguments("txid")
    orders = _named_open(account, txid, client_id)
    if not orders:
        raise errors.unknown_order()
    return orders[0]


def _named_open(account: Account, txid: str | None, client_id: str | None) -> list[Order]:
    """Open orders of an id, of a client's id, or of a userref, which stands where an id does."""
    if txid is None:
        return [o for o in account.open_orders() if client_id and o.client_order_id == client_id]
    if _USERREF.fullmatch(txid):
        return [o for o in account.open_orders() if o.labels.get("userref") == str(int(txid))]
    order = order_of_txid(account, txid)
    is_meant = order is not None and client_id in {None, order.client_order_id}
    return [order] if order is not None and order.is_open and is_meant else []


def _amended_trigger(
    order: Order, market: Market, parameters: Parameters, last: Decimal
) -> Decimal | None:
    text = parameters.text("trigger_price")
    if text is None:
        return None
    is_static = order.order_type.is_conditional and not order.trailing_share + order.trailing_amount
    if not is_static or order.triggered_ms:
        raise errors.invalid_arguments("trigger_price")
    is_below = (order.side is OrderSide.SELL) == order.order_type.is_stop
    return read_price(text, "trigger_price", market, last, is_below=is_below)


def _amended_limit(
    order: Order, market: Market, parameters: Parameters, reference: Decimal
) -> Decimal | None:
    text = parameters.text("limit_price")
    if text is None:
        return None
    if not order.order_type.has_limit_price:
        raise errors.invalid_arguments("limit_price")
    is_below = (order.side is OrderSide.SELL) == order.order_type.is_conditional
    return read_price(text, "limit_price", market, reference, is_below=is_below)


def _check_rests(gateway: Gateway, order: Order, price: Decimal) -> None:
    """Raise KrakenError for a limit price that would take liquidity."""
    quote = gateway.quote(order.symbol)
    if order.order_type.is_conditional:
        return
    if price <= quote.bid if order.side is OrderSide.SELL else price >= quote.ask:
        raise errors.post_only()


def _check_amendment(
    order: Order, market: Market, quantity: Decimal | None, price: Decimal | None
) -> None:
    if quantity is None:
        return
    if order.quote_amount or digits(quantity) > digits(market.step_size):
        raise errors.invalid_arguments("order_qty")
    if quantity <= order.filled_quantity:
        raise errors.invalid_arguments("order_qty")
    if quantity < market.min_quantity:
        raise errors.below_order_minimum()
    worth = price or order.price or order.trigger_price
    if worth and quantity * worth < market.min_notional:
        raise errors.below_cost_minimum()


def _edited(order: Order, market: Market, parameters: Parameters, last: Decimal) -> NewOrder:
    """The order as it shall be."""
    is_sell, kind = order.side is OrderSide.SELL, order.order_type
    first, second = parameters.text("price"), parameters.text("price2")
    price, trigger_price = order.price, order.trigger_price
    if kind is OrderType.TRAILING_STOP and (first or second):
        raise errors.invalid_arguments("price")
    if first is not None and kind.is_conditional:
        is_below = is_sell == kind.is_stop
        trigger_price = read_price(first, "price", market, last, is_below=is_below)
    elif first is not None:
        price = read_price(first, "price", market, last, is_below=not is_sell)
    if second is not None:
        if not (kind.is_conditional and kind.has_limit_price):
            raise errors.invalid_arguments("price2")
        price = read_price(second, "price2", market, trigger_price, is_below=is_sell)
    flags = set(parameters.names("oflags"))
    if flags - {"post", "fcib", "fciq", "nompp"}:
        raise errors.invalid_arguments("oflags")
    return NewOrder(
        client_order_id="",
        symbol=order.symbol,
        side=order.side,
        order_type=kind,
        time_in_force=TimeInForce.POST_ONLY if "post" in flags else order.time_in_force,
        quantity=parameters.number("volume") or order.remaining,
        price=price,
        trigger_price=trigger_price,
        trailing_share=order.trailing_share,
        trailing_amount=order.trailing_amount,
        self_trade=order.self_trade,
        exits=order.exits,
        fee_in=order.fee_in,
        labels=order.labels,
    )


def _check_with_locked(gateway: Gateway, account: Account, order: Order, wanted: NewOrder) -> None:
    """Raise KrakenError for a replacement that even the old order's money can't pay for."""
    market = gateway.exchange.feed.markets[order.symbol]
    asset, held = (market.quote if order.side is OrderSide.BUY else market.base), order.locked
    account.free[asset] = account.free.get(asset, ZERO) + held
    try:
        quote = gateway.exchange.quote(order.symbol)
        gateway.engine.check(account, wanted, quote, gateway.now_ms)
    except OrderRejected as rejection:
        raise errors.rejected(rejection.reason) from rejection
    finally:
        account.free[asset] -= held


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
