"""Which endpoint answers which request, who may ask, and how often in a second."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workers.paper_exchange.dialects.bitget import plans, private, public
from workers.paper_exchange.dialects.bitget.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Account

PublicEndpoint = Callable[[PaperExchange, Parameters], object]
PrivateEndpoint = Callable[[PaperExchange, Account, Parameters], object]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint for everybody, and how often an address may ask it."""

    endpoint: PublicEndpoint
    per_second: int


@dataclass(frozen=True, slots=True)
class SignedRoute:
    """An endpoint of an account, and how often a key may ask it."""

    endpoint: PrivateEndpoint
    per_second: int


_SPOT = "/api/v2/spot"
_TRADE = f"{_SPOT}/trade"
ROUTES: Mapping[tuple[str, str], Route | SignedRoute] = {
    ("GET", "/api/v2/public/time"): Route(public.time, 20),
    ("GET", f"{_SPOT}/public/symbols"): Route(public.symbols, 20),
    ("GET", f"{_SPOT}/public/coins"): Route(public.coins, 3),
    ("GET", f"{_SPOT}/market/tickers"): Route(public.tickers, 20),
    ("GET", f"{_SPOT}/market/candles"): Route(public.candles, 20),
    ("GET", f"{_SPOT}/market/history-candles"): Route(public.history_candles, 20),
    ("GET", f"{_SPOT}/market/orderbook"): Route(public.order_book, 20),
    ("GET", "/api/v2/margin/currencies"): Route(public.no_margin, 10),
    ("GET", f"{_SPOT}/account/assets"): SignedRoute(private.assets, 10),
    ("GET", f"{_SPOT}/account/info"): SignedRoute(private.account_info, 1),
    ("GET", "/api/v2/common/trade-rate"): SignedRoute(private.trade_rate, 10),
    ("POST", f"{_TRADE}/place-order"): SignedRoute(private.place_order, 10),
    ("POST", f"{_TRADE}/batch-orders"): SignedRoute(private.batch_orders, 5),
    ("POST", f"{_TRADE}/cancel-order"): SignedRoute(private.cancel_order, 10),
    ("POST", f"{_TRADE}/batch-cancel-order"): SignedRoute(private.batch_cancel, 10),
    ("POST", f"{_TRADE}/cancel-symbol-order"): SignedRoute(private.cancel_symbol, 5),
    ("POST", f"{_TRADE}/cancel-replace-order"): SignedRoute(private.cancel_replace, 5),
    ("GET", f"{_TRADE}/orderInfo"): SignedRoute(private.order_info, 20),
    ("GET", f"{_TRADE}/unfilled-orders"): SignedRoute(private.unfilled_orders, 20),
    ("GET", f"{_TRADE}/history-orders"): SignedRoute(private.history_orders, 20),
    ("GET", f"{_TRADE}/fills"): SignedRoute(private.fills, 10),
    ("POST", f"{_TRADE}/place-plan-order"): SignedRoute(plans.place_plan, 20),
    ("POST", f"{_TRADE}/modify-plan-order"): SignedRoute(plans.modify_plan, 20),
    ("POST", f"{_TRADE}/cancel-plan-order"): SignedRoute(plans.cancel_plan, 20),
    ("POST", f"{_TRADE}/batch-cancel-plan-order"): SignedRoute(plans.batch_cancel_plans, 5),
    ("GET", f"{_TRADE}/current-plan-order"): SignedRoute(plans.current_plans, 20),
    ("GET", f"{_TRADE}/history-plan-order"): SignedRoute(plans.history_plans, 20),
    ("GET", f"{_TRADE}/plan-sub-order"): SignedRoute(plans.sub_orders, 20),
}
#: Requests that bring an order in, which a probe is told of.
PLACING = {f"{_TRADE}/place-order", f"{_TRADE}/place-plan-order"}
