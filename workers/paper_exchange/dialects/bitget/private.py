"""Endpoints of an account: balances, orders, fills."""

from collections.abc import Callable

from apps.domain.environments import Exchange
from workers.paper_exchange.dialects.bitget import account_rows, errors
from workers.paper_exchange.dialects.bitget.auth import check_window
from workers.paper_exchange.dialects.bitget.errors import BitgetError
from workers.paper_exchange.dialects.bitget.history import chosen_fills, chosen_orders
from workers.paper_exchange.dialects.bitget.names import (
    Kind,
    client_id,
    get_market,
    is_ordinary,
    kind_of,
    plain,
    read_id,
    wire_id,
)
from workers.paper_exchange.dialects.bitget.order_form import read_order, read_replacement
from workers.paper_exchange.dialects.bitget.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Account, NewOrder, Order, OrderRejected
from workers.paper_exchange.venues import VENUES

Row = dict[str, object]
_MOST_IN_BATCH = 50
_HOLDINGS = {"hold_only": False, "all": True}
_MODES = {"single": True, "multiple": False}
_KINDS = {"normal": Kind.NORMAL, "tpsl": Kind.TPSL}
_BUSINESSES = {"spot": "spot", "mix": "mix", "margin": "margin"}


def assets(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Balances: of one coin, of those held, or of all."""
    coin = fields.text("coin")
    shows_all = fields.choice("assetType", _HOLDINGS, default="hold_only")
    if coin is not None:
        return [account_rows.asset_row(account, coin.upper())]
    listed = {a for m in exchange.feed.markets.values() for a in (m.base, m.quote)}
    held = {a for a in account.assets if account.free.get(a) or account.locked.get(a)}
    wanted = held | listed if shows_all else held
    return [account_rows.asset_row(account, asset) for asset in sorted(wanted)]


def account_info(_exchange: PaperExchange, account: Account, _fields: Parameters) -> object:
    """The account and the rights of its key."""
    return account_rows.account_row(account)


def trade_rate(exchange: PaperExchange, _account: Account, fields: Parameters) -> object:
    """What trading a symbol costs."""
    get_market(exchange, fields.required("symbol"))
    fields.choice("businessType", _BUSINESSES)
    venue = VENUES[Exchange.BITGET]
    return {"makerFeeRate": plain(venue.maker_fee), "takerFeeRate": plain(venue.taker_fee)}


def place_order(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Send an order to the matching engine; only that it was taken is told."""
    check_window(fields, exchange.clock)
    return acknowledged(send(exchange, account, read_order(exchange, account, fields)))


def batch_orders(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Send many, each for itself; in the single mode all are of one symbol."""
    check_window(fields, exchange.clock)
    is_single = fields.choice("batchMode", _MODES, default="single")
    symbol = fields.required("symbol") if is_single else ""

    def place(item: Parameters) -> Row:
        if is_single:
            item = item.with_defaults(symbol=symbol)
        return acknowledged(send(exchange, account, read_order(exchange, account, item)))

    return in_batch(fields.items("orderList", most=_MOST_IN_BATCH), place)


def cancel_order(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Cancel one open order."""
    return _cancel(exchange, account, fields)


def batch_cancel(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Cancel many, each for itself."""
    is_single = fields.choice("batchMode", _MODES, default="single")
    symbol = fields.text("symbol") if is_single else None

    def cancel(item: Parameters) -> Row:
        if symbol is not None:
            item = item.with_defaults(symbol=symbol)
        return _cancel(exchange, account, item)

    return in_batch(fields.items("orderList", most=_MOST_IN_BATCH), cancel)


def cancel_symbol(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Cancel every ordinary open order of a symbol; none is no error."""
    market = get_market(exchange, fields.required("symbol"))
    for order in account.open_orders():
        is_meant = order.symbol == market.symbol and kind_of(order) is not Kind.TPSL
        if is_meant and is_ordinary(order) and order.is_open:
            exchange.engine.cancel(account, order, exchange.clock.now_ms())
    return {"symbol": fields.required("symbol")}


def cancel_replace(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Cancel a limit order and place another; when that one is refused the old one is gone."""
    check_window(fields, exchange.clock)
    market = get_market(exchange, fields.required("symbol"))
    order = _find(account, fields)
    if order is None or not order.is_open or order.symbol != market.symbol:
        raise errors.no_such_order()
    if not order.order_type.has_limit_price or kind_of(order) is Kind.TPSL:
        raise errors.wrong("orderType")
    wanted = read_replacement(exchange, account, fields, order.side)
    exchange.engine.cancel(account, order, exchange.clock.now_ms())
    try:
        placed = send(exchange, account, wanted)
    except BitgetError as error:
        name = wanted.client_order_id
        return {"orderId": "", "clientOid": name, "success": "failure", "msg": error.text}
    return {**acknowledged(placed), "success": "success", "msg": ""}


def order_info(_exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """One order in a list, or an empty list."""
    order = _find(account, fields)
    return [] if order is None else [account_rows.order_row(account, order)]


def unfilled_orders(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Open orders, newest first."""
    orders = chosen_orders(exchange, account, fields, is_open=True)
    return [account_rows.open_row(account, order) for order in orders]


def history_orders(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Orders that have ended, newest first."""
    orders = chosen_orders(exchange, account, fields, is_open=False)
    return [account_rows.order_row(account, order) for order in orders]


def fills(exchange: PaperExchange, account: Account, fields: Parameters) -> object:
    """Fills, newest first."""
    chosen = chosen_fills(exchange, account, fields)
    return [account_rows.fill_row(account, fill) for fill in chosen]


def send(exchange: PaperExchange, account: Account, wanted: NewOrder) -> Order:
    """To the matching engine; raises BitgetError for what it refuses."""
    quote = exchange.quote(wanted.symbol)
    try:
        return exchange.engine.place(account, wanted, quote, exchange.clock.now_ms())
    except OrderRejected as rejection:
        raise errors.rejected(rejection.reason) from rejection


def acknowledged(order: Order) -> Row:
    """The two names of an order."""
    return {"orderId": wire_id(order), "clientOid": client_id(order)}


def in_batch(items: list[Parameters], act: Callable[[Parameters], Row]) -> Row:
    """What became of each of many."""
    done: list[Row] = []
    failed: list[Row] = []
    for item in items:
        try:
            done.append(act(item))
        except BitgetError as error:
            failed.append(
                {
                    "orderId": item.text("orderId") or "",
                    "clientOid": item.text("clientOid") or "",
                    "errorMsg": error.text,
                    "errorCode": error.code,
                }
            )
    return {"successList": done, "failureList": failed}


def _cancel(exchange: PaperExchange, account: Account, fields: Parameters) -> Row:
    market = get_market(exchange, fields.required("symbol"))
    kind = fields.choice("tpslType", _KINDS, default="normal")
    order = _find(account, fields)
    if order is None or not order.is_open or order.symbol != market.symbol:
        raise errors.no_such_order()
    if (kind_of(order) is Kind.TPSL) != (kind is Kind.TPSL):
        raise errors.no_such_order()
    exchange.engine.cancel(account, order, exchange.clock.now_ms())
    return acknowledged(order)


def _find(account: Account, fields: Parameters) -> Order | None:
    """The ordinary order of that id or name; a trigger order is none before it has fired."""
    named, name = fields.text("orderId"), fields.text("clientOid")
    if named is None and name is None:
        raise errors.missing_order_name()
    if named is not None:
        order = account.orders.get(read_id(named).order_id)
    else:
        order = account.newest_by_client_id.get(name or "")
    if order is None or not is_ordinary(order):
        return None
    is_meant = wire_id(order) == named if named is not None else client_id(order) == name
    return order if is_meant else None
