"""Endpoints that end or change open orders."""

from workers.paper_exchange.dialects.binance import account_rows, errors, private
from workers.paper_exchange.dialects.binance.errors import BinanceError
from workers.paper_exchange.dialects.binance.filters import LARGEST_AMEND_COUNT, LotSize
from workers.paper_exchange.dialects.binance.names import get_market
from workers.paper_exchange.dialects.binance.order_form import (
    generated_id,
    read_order,
    read_order_id,
)
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Account, Order, OrderList, OrderRejected

Row = dict[str, object]
#: What an order's labels keep of its cancel's name, its former name, and how often it was amended.
CANCEL_ID, FORMER_ID, AMENDS = "cancelId", "formerId", "amends"
_MODES = {"STOP_ON_FAILURE", "ALLOW_FAILURE"}
_RESTRICTIONS = {"ONLY_NEW", "ONLY_PARTIALLY_FILLED"}
_EXCEEDED_MODES = {"DO_NOTHING", "CANCEL_ONLY"}


def cancel_order(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """Cancel one open order, and with it the others of its list."""
    market, order_id, client_id = read_order_id(exchange, parameters)
    cancel_id = parameters.client_id("newClientOrderId")
    restriction = _read_restriction(parameters)
    parameters.finish()
    order = account.find_order(market.symbol, order_id=order_id, client_order_id=client_id)
    return _cancel_found(exchange, account, order, cancel_id, restriction)


def cancel_open_orders(
    exchange: PaperExchange, account: Account, parameters: Parameters
) -> list[Row]:
    """Cancel every open order of a symbol; what belongs to a list is told as a list."""
    market = get_market(exchange, parameters.required_symbol())
    parameters.finish()
    orders = [order for order in account.open_orders() if order.symbol == market.symbol]
    if not orders:
        raise errors.unknown_order_cancelled()
    rows: list[Row] = []
    for order in orders:
        if not order.is_open:
            continue
        listed = account.lists.get(order.list_id)
        if listed is None:
            rows.append(_cancel(exchange, account, order, None))
        else:
            rows.append(cancel_list(exchange, account, listed, None))
    return rows


def cancel_list(
    exchange: PaperExchange, account: Account, listed: OrderList, cancel_id: str | None
) -> Row:
    """Cancel what is open of a list; the answer tells of all its orders that this has ended."""
    orders = [account.orders[order_id] for order_id in listed.order_ids]
    was_open = [order for order in orders if order.is_open]
    name = cancel_id or generated_id(exchange, account, "cancel")
    _cancel(exchange, account, was_open[0], name)
    reports = [account_rows.cancelled_order_row(order, name) for order in was_open]
    return {**account_rows.list_row(account, listed), "orderReports": reports}


def replace_order(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """Cancel an order and place another one; rules of form and filters are judged before both."""
    mode = parameters.required("cancelReplaceMode")
    if mode not in _MODES:
        raise errors.invalid_data("cancelReplaceMode")
    order_id = parameters.integer("cancelOrderId")
    client_id = parameters.client_id("cancelOrigClientOrderId")
    if order_id is None and client_id is None:
        raise errors.missing_either("cancelOrigClientOrderId", "cancelOrderId")
    cancel_id = parameters.client_id("cancelNewClientOrderId")
    restriction = _read_restriction(parameters)
    if parameters.text("orderRateLimitExceededMode") not in {None, *_EXCEEDED_MODES}:
        raise errors.invalid_data("orderRateLimitExceededMode")
    wanted, response_type = read_order(exchange, account, parameters)
    order = account.find_order(wanted.symbol, order_id=order_id, client_order_id=client_id)
    data: Row = {
        "cancelResult": "SUCCESS",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": None,
        "newOrderResponse": None,
    }
    try:
        cancelled = _cancel_found(exchange, account, order, cancel_id, restriction)
        data["cancelResponse"] = cancelled
    except BinanceError as error:
        data |= {"cancelResult": "FAILURE", "cancelResponse": error.body}
    if data["cancelResult"] == "SUCCESS" or mode == "ALLOW_FAILURE":
        try:
            data["newOrderResponse"] = private.place(exchange, account, wanted, response_type)
            data["newOrderResult"] = "SUCCESS"
        except BinanceError as error:
            data |= {"newOrderResult": "FAILURE", "newOrderResponse": error.body}
    if data["cancelResult"] == data["newOrderResult"] == "SUCCESS":
        return data
    raise errors.replacement_failed(data)


def amend_order(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """Make an order smaller; it keeps its place. Without a name of its own it gets a new one."""
    market, order_id, client_id = read_order_id(exchange, parameters)
    quantity = parameters.required_number("newQty")
    new_id = parameters.client_id("newClientOrderId")
    parameters.finish()
    order = account.find_order(market.symbol, order_id=order_id, client_order_id=client_id)
    if order is None or not order.is_open:
        raise errors.refused_amendment("Unknown order sent.")
    if quantity >= order.quantity:
        raise errors.refused_amendment("Order amend (quantity increase) is not supported.")
    lot = LotSize("LOT_SIZE", market.min_quantity, market.max_quantity, market.step_size)
    if quantity <= order.filled_quantity or not lot.takes(quantity):
        raise errors.filter_failure("LOT_SIZE")
    if order.price and quantity * order.price < market.min_notional:
        raise errors.filter_failure("NOTIONAL")
    amends = int(order.labels.get(AMENDS, "0")) + 1
    if amends > LARGEST_AMEND_COUNT:
        raise errors.filter_failure("MAX_NUM_ORDER_AMENDS")
    former_id, former_labels = order.client_order_id, order.labels
    order.labels = {**former_labels, FORMER_ID: former_id, AMENDS: str(amends)}
    now_ms = exchange.clock.now_ms()
    name = new_id or generated_id(exchange, account, f"amendment {amends} of {order.order_id}")
    try:
        exchange.engine.amend(account, order, now_ms, quantity=quantity, client_order_id=name)
    except OrderRejected as rejection:
        order.labels = former_labels
        raise errors.rejected(rejection.reason) from rejection
    return account_rows.amended_order_row(order, former_id, execution_id=now_ms)


def _read_restriction(parameters: Parameters) -> str | None:
    restriction = parameters.text("cancelRestrictions")
    if restriction not in {None, *_RESTRICTIONS}:
        raise errors.invalid_cancel_restrictions()
    return restriction


def _cancel_found(
    exchange: PaperExchange,
    account: Account,
    order: Order | None,
    cancel_id: str | None,
    restriction: str | None,
) -> Row:
    if order is None or not order.is_open:
        raise errors.unknown_order_cancelled()
    wanted = "ONLY_PARTIALLY_FILLED" if order.filled_quantity else "ONLY_NEW"
    if restriction not in {None, wanted}:
        raise errors.cancel_restricted()
    return _cancel(exchange, account, order, cancel_id)


def _cancel(exchange: PaperExchange, account: Account, order: Order, cancel_id: str | None) -> Row:
    name = cancel_id or generated_id(exchange, account, "cancel")
    listed = account.lists.get(order.list_id)
    for order_id in listed.order_ids if listed else (order.order_id,):
        tied = account.orders[order_id]
        if tied.is_open:
            tied.labels = {**tied.labels, CANCEL_ID: name}
    exchange.engine.cancel(account, order, exchange.clock.now_ms())
    return account_rows.cancelled_order_row(order, name)
