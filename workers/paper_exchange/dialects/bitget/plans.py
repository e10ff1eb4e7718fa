"""Endpoints of trigger ("plan") orders."""

from dataclasses import replace
from decimal import Decimal

from apps.domain.orders import OrderType
from workers.paper_exchange.dialects.bitget import account_rows, errors
from workers.paper_exchange.dialects.bitget.auth import check_window
from workers.paper_exchange.dialects.bitget.history import chosen_plans, is_waiting
from workers.paper_exchange.dialects.bitget.names import (
    ORDER_TYPES,
    Kind,
    get_market,
    kind_of,
    plan_id,
    read_id,
)
from workers.paper_exchange.dialects.bitget.order_form import (
    check_plan_prices,
    check_sizes,
    conditional_type,
    open_quote,
    read_plan,
)
from workers.paper_exchange.dialects.bitget.parameters import Parameters
from workers.paper_exchange.dialects.bitget.private import send
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import ZERO, Account, Order, OrderRejected

Row = dict[str, object]


def place_plan(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Let an order wait for its trigger."""
    check_window(fields, exchange.clock)
    return _acknowledged(send(exchange, account, read_plan(exchange, account, fields)))


def modify_plan(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Change a waiting trigger order in place; what is not sent stays."""
    check_window(fields, exchange.clock)
    order = _find_waiting(account, fields)
    market = exchange.feed.markets[order.symbol]
    quote = open_quote(exchange, market)
    trigger_price = fields.number("triggerPrice") or order.trigger_price
    is_limit = order.order_type.has_limit_price
    if fields.text("orderType") is not None:
        is_limit = fields.choice("orderType", ORDER_TYPES) is OrderType.LIMIT
    price = fields.number("executePrice") or order.price if is_limit else ZERO
    if is_limit and not price:
        raise errors.missing("executePrice")
    size = fields.number("size") or account_rows.plan_size(order)
    is_in_quote = order.labels["plan_type"] == "total"
    check_sizes(market, size, price or trigger_price, is_in_quote=is_in_quote)
    check_plan_prices(market, trigger_price, price)
    changed = replace(
        order,
        order_type=conditional_type(order.side, trigger_price, quote.price, is_limit=is_limit),
        price=price,
        quote_amount=size if is_in_quote and not is_limit else ZERO,
    )
    quantity = None if is_in_quote else size
    if is_in_quote and is_limit:
        quantity = market.round_quantity(size / price)
    _amend(exchange, account, order, changed, quantity, trigger_price)
    return _acknowledged(order)


def cancel_plan(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Cancel one waiting trigger order."""
    order = _find_waiting(account, fields)
    exchange.engine.cancel(account, order, exchange.clock.now_ms())
    return {"result": "success"}


def batch_cancel_plans(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Cancel those of some symbols, or of all when none is named."""
    symbols = {get_market(exchange, name).symbol for name in fields.texts("symbolList")}
    cancelled: list[Row] = []
    for order in account.open_orders():
        is_meant = kind_of(order) is Kind.PLAN and (not symbols or order.symbol in symbols)
        if is_meant and is_waiting(order):
            exchange.engine.cancel(account, order, exchange.clock.now_ms())
            cancelled.append(_acknowledged(order))
    return {"successList": cancelled, "failureList": []}


def current_plans(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Trigger orders that wait, newest first."""
    return _listed(exchange, account, fields, is_open=True)


def history_plans(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Trigger orders that have fired or ended, newest first."""
    return _listed(exchange, account, fields, is_open=False)


def sub_orders(_exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """What a trigger order has placed."""
    order = account.orders.get(read_id(fields.required("planOrderId")).order_id)
    if order is None or plan_id(order) != fields.required("planOrderId"):
        return []
    is_fired = kind_of(order) is Kind.PLAN and order.triggered_ms
    return [account_rows.sub_order_row(order)] if is_fired else []


def _listed(
    exchange: PaperExchange, account: Account, fields: Parameters, *, is_open: bool
) -> object:
    orders, has_more = chosen_plans(exchange, account, fields, is_open=is_open)
    return {
        "nextFlag": has_more,
        "idLessThan": plan_id(orders[-1]) if orders else "",
        "orderList": [account_rows.plan_row(order) for order in orders],
    }


def _amend(
    exchange: PaperExchange,
    account: Account,
    order: Order,
    changed: Order,
    quantity: Decimal | None,
    trigger_price: Decimal,
) -> None:
    """The matching engine amends numbers only: the type is changed here, and back if it refuses."""
    before = (order.order_type, order.price, order.quote_amount)
    order.order_type, order.price = changed.order_type, changed.price
    order.quote_amount = changed.quote_amount
    try:
        exchange.engine.amend(
            account,
            order,
            exchange.clock.now_ms(),
            quantity=quantity,
            trigger_price=trigger_price,
            quote=exchange.quote(order.symbol),
        )
    except OrderRejected as rejection:
        order.order_type, order.price, order.quote_amount = before
        raise errors.rejected(rejection.reason) from rejection


def _find_waiting(account: Account, fields: Parameters) -> Order:
    named, name = fields.text("orderId"), fields.text("clientOid")
    if named is None and name is None:
        raise errors.missing_order_name()
    if named is not None:
        order = account.orders.get(read_id(named).order_id)
    else:
        order = account.newest_by_client_id.get(name or "")
    is_plan = order is not None and kind_of(order) is Kind.PLAN and is_waiting(order)
    if order is None or not is_plan or named not in {None, plan_id(order)}:
        raise errors.no_such_plan()
    return order


def _acknowledged(order: Order) -> Row:
    return {"orderId": plan_id(order), "clientOid": order.client_order_id}
