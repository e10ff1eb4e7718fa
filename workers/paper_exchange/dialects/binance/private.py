"""Endpoints of an account: balances, orders, fills."""

from workers.paper_exchange.dialects.binance import account_rows, errors
from workers.paper_exchange.dialects.binance.filters import render_filters
from workers.paper_exchange.dialects.binance.history import chosen_orders, chosen_trades
from workers.paper_exchange.dialects.binance.names import get_market
from workers.paper_exchange.dialects.binance.order_form import read_order, read_order_id
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import ZERO, Account, NewOrder, OrderRejected

Rows = dict[str, object] | list[dict[str, object]]


def account_info(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """Balances and rights."""
    omits_zero = parameters.flag("omitZeroBalances")
    parameters.finish()
    assets = account.assets
    if omits_zero:
        assets = {a for a in assets if account.free.get(a) or account.locked.get(a)}
    else:
        assets = assets | {a for m in exchange.feed.markets.values() for a in (m.base, m.quote)}
    return account_rows.account_row(account, sorted(assets))


def commission(exchange: PaperExchange, _account: Account, parameters: Parameters) -> Rows:
    """What trading a symbol costs."""
    market = get_market(exchange, parameters.required_symbol())
    parameters.finish()
    return account_rows.commission_row(market)


def my_filters(exchange: PaperExchange, _account: Account, parameters: Parameters) -> Rows:
    """The filters that hold for this account in a symbol; no asset is limited."""
    market = get_market(exchange, parameters.required_symbol())
    parameters.finish()
    return {"exchangeFilters": [], "symbolFilters": render_filters(market), "assetFilters": []}


def api_restrictions(_exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """What the key may do: read and trade."""
    parameters.finish()
    return {
        "ipRestrict": False,
        "createTime": account.opened_ms,
        "enableInternalTransfer": False,
        "enableFutures": False,
        "enablePortfolioMarginTrading": False,
        "enableVanillaOptions": False,
        "permitsUniversalTransfer": False,
        "enableReading": True,
        "enableSpotAndMarginTrading": True,
        "enableWithdrawals": False,
        "enableMargin": False,
    }


def coins(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """The wallet's coins: none can be moved in or out."""
    parameters.finish()
    assets = {a for m in exchange.feed.markets.values() for a in (m.base, m.quote)}
    return [
        {
            "coin": asset,
            "name": asset,
            "free": str(account.free.get(asset, ZERO)),
            "locked": str(account.locked.get(asset, ZERO)),
            "trading": True,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "isLegalMoney": False,
            "networkList": [],
        }
        for asset in sorted(assets)
    ]


def no_margin_pairs(_exchange: PaperExchange, _account: Account, parameters: Parameters) -> Rows:
    """Margin trading has no pair here."""
    parameters.finish()
    return []


def place_order(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """Send an order to the matching engine."""
    wanted, response_type = read_order(exchange, account, parameters)
    return place(exchange, account, wanted, response_type)


def place(
    exchange: PaperExchange, account: Account, wanted: NewOrder, response_type: str
) -> dict[str, object]:
    """Place an order that was read; raises BinanceError where the engine refuses it."""
    quote, now_ms = exchange.quote(wanted.symbol), exchange.clock.now_ms()
    try:
        order = exchange.engine.place(account, wanted, quote, now_ms)
    except OrderRejected as rejection:
        raise errors.rejected(rejection.reason) from rejection
    return account_rows.placed_order_row(order, account.fills_of(order), response_type)


def test_order(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """Check an order like a real one, and leave it at that; the rates it would pay, if wanted."""
    tells_rates = parameters.flag("computeCommissionRates")
    wanted, _ = read_order(exchange, account, parameters)
    if not tells_rates:
        return {}
    row = account_rows.commission_row(exchange.feed.markets[wanted.symbol])
    kinds = ("standardCommission", "specialCommission", "taxCommission")
    rates = {f"{kind}ForOrder": account_rows.order_rates(row[kind]) for kind in kinds}
    return {**rates, "discount": row["discount"]}


def query_order(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """One order, whatever became of it."""
    market, order_id, client_id = read_order_id(exchange, parameters)
    parameters.finish()
    order = account.find_order(market.symbol, order_id=order_id, client_order_id=client_id)
    if order is None:
        raise errors.no_such_order()
    return account_rows.queried_order_row(order)


def open_orders(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """Open orders of a symbol, or of all."""
    symbol = parameters.symbol()
    parameters.finish()
    orders = account.open_orders()
    if symbol is not None:
        wanted = get_market(exchange, symbol).symbol
        orders = [order for order in orders if order.symbol == wanted]
    return [account_rows.queried_order_row(order) for order in orders]


def all_orders(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """The orders of a symbol."""
    market = get_market(exchange, parameters.required_symbol())
    return [account_rows.queried_order_row(o) for o in chosen_orders(account, market, parameters)]


def my_trades(exchange: PaperExchange, account: Account, parameters: Parameters) -> Rows:
    """The fills of a symbol."""
    market = get_market(exchange, parameters.required_symbol())
    return [
        account_rows.trade_row(fill, account.orders[fill.order_id])
        for fill in chosen_trades(account, market, parameters)
    ]
