"""Endpoints of an account that change nothing: balances, orders, fills."""

from collections.abc import Sequence
from decimal import Decimal

from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.account_rows import (
    Row,
    fills_of,
    fixed,
    order_row,
    trade_row,
)
from workers.paper_exchange.dialects.kraken.gateway import TOKEN_SECONDS, Caller, Gateway
from workers.paper_exchange.dialects.kraken.history import named, order_of_txid, page, within
from workers.paper_exchange.dialects.kraken.market_rows import asset_decimals
from workers.paper_exchange.dialects.kraken.names import (
    asset_code,
    get_market,
    order_txid,
    pair_id,
    read_id,
    trade_txid,
)
from workers.paper_exchange.dialects.kraken.parameters import Parameters
from workers.paper_exchange.orders import ZERO, Account, Fill, Order

MOST_ORDERS, MOST_TRADES = 50, 20
_PERMISSIONS = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "create-ws-token",
)
_MONTH_MS = 30 * 86_400_000
_DOLLARS = frozenset({"USD", "USDT", "USDC"})


def balance(_gateway: Gateway, caller: Caller, _parameters: Parameters) -> Row:
    """Totals by asset, with what orders hold."""
    account = caller.account
    return {
        asset_code(asset): fixed(total(account, asset), asset_decimals(asset))
        for asset in sorted(account.assets)
    }


def balance_ex(_gateway: Gateway, caller: Caller, _parameters: Parameters) -> Row:
    """Totals by asset, and what of them orders hold."""
    account = caller.account
    return {
        asset_code(asset): {
            "balance": fixed(total(account, asset), asset_decimals(asset)),
            "hold_trade": fixed(account.locked.get(asset, ZERO), asset_decimals(asset)),
        }
        for asset in sorted(account.assets)
    }


def trade_balance(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Everything's worth in one asset; nothing is borrowed."""
    wanted = parameters.text("asset") or "ZUSD"
    worth = fixed(_worth(gateway, caller.account, wanted), 4)
    nothing = fixed(ZERO, 4)
    return {
        "eb": worth,
        "tb": worth,
        **dict.fromkeys(("m", "uv", "n", "c", "v"), nothing),
        "e": worth,
        "mf": worth,
    }


def trade_volume(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """What trading costs, in percent."""
    markets = [get_market(gateway.exchange, name) for name in parameters.names("pair")]
    venue, since_ms = gateway.engine.venue, gateway.now_ms - _MONTH_MS
    recent = (fill for fill in caller.account.fills if fill.filled_ms > since_ms)
    volume = sum((fill.price * fill.quantity for fill in recent), ZERO)
    row: Row = {"currency": "ZUSD", "volume": fixed(volume, 4)}
    if markets:
        row["fees"] = {pair_id(m): _fee_row(venue.taker_fee) for m in markets}
        row["fees_maker"] = {pair_id(m): _fee_row(venue.maker_fee) for m in markets}
    return row


def api_key_info(gateway: Gateway, caller: Caller, _parameters: Parameters) -> Row:
    """What the key may do: read and trade."""
    opened = str(caller.account.opened_ms // 1000)
    return {
        "api_key_name": "paper",
        "api_key": caller.account.key,
        "nonce": str(caller.record.nonce),
        "nonce_window": "0",
        "permissions": list(_PERMISSIONS),
        "iban": "",
        "valid_until": "0",
        "query_from": "0",
        "query_to": "0",
        "created_time": opened,
        "modified_time": opened,
        "ip_allowlist": [],
        "last_used": str(gateway.now_ms // 1000),
    }


def websockets_token(gateway: Gateway, caller: Caller, _parameters: Parameters) -> Row:
    """A token for private streams."""
    return {"token": gateway.issue_token(caller.account.key), "expires": TOKEN_SECONDS}


def open_orders(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Orders that may still trade, of all pairs, newest first."""
    orders = list(reversed(named(caller.account.open_orders(), parameters)))
    rows = _order_rows(gateway, caller.account, orders, with_trades=parameters.flag("trades"))
    return {"open": rows}


def closed_orders(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Orders that have ended, newest first, fifty at a time."""
    account = caller.account
    closetime = parameters.text("closetime") or "both"
    if closetime not in {"open", "close", "both"}:
        raise errors.invalid_arguments("closetime")

    def moment(order: Order) -> int:
        return order.created_ms if closetime == "open" else order.updated_ms

    def moment_of_id(txid: str) -> int | None:
        order = order_of_txid(account, txid)
        return None if order is None else moment(order)

    ended = [order for order in account.orders.values() if not order.is_open]
    chosen = within(named(ended, parameters), moment, parameters, moment_of_id)
    orders = page(chosen, moment, parameters)
    rows = _order_rows(gateway, account, orders, with_trades=parameters.flag("trades"))
    return {"closed": rows, "count": len(chosen)}


def query_orders(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Orders by id, whatever became of them."""
    account, txids = caller.account, parameters.names("txid")
    is_named = "cl_ord_id" in parameters or "userref" in parameters
    if len(txids) > MOST_ORDERS or not (txids or is_named):
        raise errors.invalid_arguments("txid")
    orders: Sequence[Order] = list(account.orders.values())
    if txids:
        found = [order_of_txid(account, txid) for txid in txids]
        orders = [order for order in found if order is not None]
    orders = named(orders, parameters)[-MOST_ORDERS:]
    if not orders:
        raise errors.invalid_order()
    return _order_rows(gateway, account, orders, with_trades=parameters.flag("trades"))


def trades_history(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Executions, newest first, fifty at a time; those of one order are never drawn together."""
    account = caller.account
    parameters.flag("consolidate_taker")
    by_id = {fill.trade_id: fill.filled_ms for fill in account.fills}

    def moment(fill: Fill) -> int:
        return fill.filled_ms

    chosen = within(
        account.fills, moment, parameters, lambda text: by_id.get(read_id("T", text) or 0)
    )
    fills = page(chosen, moment, parameters)
    return {"trades": _trade_rows(gateway, account, fills), "count": len(chosen)}


def query_trades(gateway: Gateway, caller: Caller, parameters: Parameters) -> Row:
    """Executions by id."""
    account, txids = caller.account, parameters.names("txid")
    if not 0 < len(txids) <= MOST_TRADES:
        raise errors.invalid_arguments("txid")
    wanted = {read_id("T", txid) for txid in txids}
    fills = [fill for fill in account.fills if fill.trade_id in wanted]
    if not fills:
        raise errors.invalid_arguments("txid")
    return _trade_rows(gateway, account, fills)


def ledgers(_gateway: Gateway, _caller: Caller, _parameters: Parameters) -> Row:
    """Movements of money, of which none is kept."""
    return {"ledger": {}, "count": 0}


def total(account: Account, asset: str) -> Decimal:
    """What the account owns of an asset."""
    return account.free.get(asset, ZERO) + account.locked.get(asset, ZERO)


def _order_rows(
    gateway: Gateway, account: Account, orders: Sequence[Order], *, with_trades: bool
) -> Row:
    markets, fills = gateway.exchange.feed.markets, fills_of(account, orders)
    return {
        order_txid(order.order_id): order_row(
            order, markets[order.symbol], fills[order.order_id], with_trades=with_trades
        )
        for order in orders
        if order.symbol in markets
    }


def _trade_rows(gateway: Gateway, account: Account, fills: Sequence[Fill]) -> Row:
    markets, orders = gateway.exchange.feed.markets, account.orders
    return {
        trade_txid(fill.trade_id): trade_row(fill, orders[fill.order_id], markets[fill.symbol])
        for fill in fills
        if fill.symbol in markets
    }


def _fee_row(rate: Decimal) -> Row:
    percent = fixed(rate * 100, 4)
    return {
        "fee": percent,
        "minfee": fixed(ZERO, 4),
        "maxfee": percent,
        "nextfee": None,
        "tiervolume": fixed(ZERO, 4),
        "nextvolume": None,
    }


def _worth(gateway: Gateway, account: Account, wanted: str) -> Decimal:
    """At the market's prices; what has none counts nothing, and every dollar is a dollar."""
    targets = {asset for asset in _DOLLARS | account.assets if asset_code(asset) == wanted}
    if targets & _DOLLARS:
        targets = set(_DOLLARS)
    if not targets:
        raise errors.unknown_asset()
    worth = sum((total(account, asset) for asset in targets), ZERO)
    for market in gateway.exchange.feed.markets.values():
        if market.quote in targets and market.base not in targets:
            quote = gateway.exchange.feed.quote(market.symbol)
            worth += total(account, market.base) * (quote.price if quote else ZERO)
    return worth
