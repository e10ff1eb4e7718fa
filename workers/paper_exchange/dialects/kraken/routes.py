"""Which endpoint answers which request, and what it costs."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from workers.paper_exchange.dialects.kraken import private, public, trading
from workers.paper_exchange.dialects.kraken.gateway import Caller, Gateway
from workers.paper_exchange.dialects.kraken.parameters import Parameters

PublicEndpoint = Callable[[Gateway, Parameters], object]
PrivateEndpoint = Callable[[Gateway, Caller, Parameters], object]


class Private(NamedTuple):
    """An endpoint of an account, and its cost in the key's REST counter."""

    endpoint: PrivateEndpoint
    cost: int = 1


PUBLIC: Mapping[str, PublicEndpoint] = {
    "Time": public.time,
    "SystemStatus": public.system_status,
    "Assets": public.assets,
    "AssetPairs": public.asset_pairs,
    "Ticker": public.ticker,
    "OHLC": public.ohlc,
    "Depth": public.depth,
    "Trades": public.trades,
    "Spread": public.spread,
}
#: The matching engine counts what is placed, changed and cancelled, so that the counter does not.
PRIVATE: Mapping[str, Private] = {
    "Balance": Private(private.balance),
    "BalanceEx": Private(private.balance_ex),
    "TradeBalance": Private(private.trade_balance),
    "TradeVolume": Private(private.trade_volume),
    "GetApiKeyInfo": Private(private.api_key_info),
    "GetWebSocketsToken": Private(private.websockets_token),
    "OpenOrders": Private(private.open_orders),
    "ClosedOrders": Private(private.closed_orders),
    "QueryOrders": Private(private.query_orders),
    "TradesHistory": Private(private.trades_history, 2),
    "QueryTrades": Private(private.query_trades, 2),
    "Ledgers": Private(private.ledgers, 2),
    "AddOrder": Private(trading.add_order, 0),
    "AddOrderBatch": Private(trading.add_order_batch, 0),
    "AmendOrder": Private(trading.amend_order, 0),
    "EditOrder": Private(trading.edit_order, 0),
    "CancelOrder": Private(trading.cancel_order, 0),
    "CancelOrderBatch": Private(trading.cancel_order_batch, 0),
    "CancelAll": Private(trading.cancel_all),
    "CancelAllOrdersAfter": Private(trading.cancel_all_after),
}
