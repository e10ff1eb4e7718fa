"""Which endpoint answers which request, who may ask, and what it weighs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workers.paper_exchange.dialects.binance import private, public
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Account

PublicEndpoint = Callable[[PaperExchange, Parameters], object]
PrivateEndpoint = Callable[[PaperExchange, Account, Parameters], object]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint and its weight, which may differ when no symbol is named."""

    endpoint: PublicEndpoint
    weight: int = 1
    weight_of_all: int | None = None


@dataclass(frozen=True, slots=True)
class SignedRoute:
    """An endpoint of an account; placing and cancelling weigh only when they fail."""

    endpoint: PrivateEndpoint
    weight: int = 1
    weight_of_all: int | None = None
    is_free_on_success: bool = False


ROUTES: Mapping[tuple[str, str], Route | SignedRoute] = {
    ("GET", "/api/v3/ping"): Route(public.ping),
    ("GET", "/api/v3/time"): Route(public.time),
    ("GET", "/api/v3/exchangeInfo"): Route(public.exchange_info, 20),
    ("GET", "/api/v3/klines"): Route(public.klines, 2),
    ("GET", "/api/v3/ticker/24hr"): Route(public.ticker_24hr, 2, 80),
    ("GET", "/api/v3/ticker/price"): Route(public.ticker_price, 2, 4),
    ("GET", "/api/v3/ticker/bookTicker"): Route(public.book_ticker, 2, 4),
    ("GET", "/api/v3/avgPrice"): Route(public.average_price, 2),
    ("GET", "/api/v3/depth"): Route(public.depth, 5),
    ("GET", "/api/v3/account"): SignedRoute(private.account_info, 20),
    ("GET", "/api/v3/account/commission"): SignedRoute(private.commission, 20),
    ("POST", "/api/v3/order"): SignedRoute(private.place_order, is_free_on_success=True),
    ("POST", "/api/v3/order/test"): SignedRoute(private.test_order),
    ("DELETE", "/api/v3/order"): SignedRoute(private.cancel_order, is_free_on_success=True),
    ("DELETE", "/api/v3/openOrders"): SignedRoute(
        private.cancel_open_orders, is_free_on_success=True
    ),
    ("GET", "/api/v3/order"): SignedRoute(private.query_order, 4),
    ("GET", "/api/v3/openOrders"): SignedRoute(private.open_orders, 6, 80),
    ("GET", "/api/v3/allOrders"): SignedRoute(private.all_orders, 20),
    ("GET", "/api/v3/myTrades"): SignedRoute(private.my_trades, 20),
    ("GET", "/sapi/v1/account/apiRestrictions"): SignedRoute(private.api_restrictions),
    ("GET", "/sapi/v1/capital/config/getall"): SignedRoute(private.coins, 10),
    ("GET", "/sapi/v1/margin/allPairs"): SignedRoute(private.no_margin_pairs),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): SignedRoute(private.no_margin_pairs),
}


class WeightCounter:
    """Request weight of the running minute, by the wall clock."""

    def __init__(self) -> None:
        self._minute = 0
        self._used = 0

    def add(self, weight: int, wall_ms: int) -> int:
        """Count a request; returns what the minute has used."""
        minute = wall_ms // 60_000
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += weight
        return self._used
