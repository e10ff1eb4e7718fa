"""Which endpoint answers which request, who may ask, and what it weighs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workers.paper_exchange.dialects.binance import changes, order_lists, private, public
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Account

PublicEndpoint = Callable[[PaperExchange, Parameters], object]
PrivateEndpoint = Callable[[PaperExchange, Account, Parameters], object]
#: What a request weighs, where that depends on what it asks for.
Weigh = Callable[[Parameters], int]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint and its weight."""

    endpoint: PublicEndpoint
    weight: int | Weigh = 1

    def weight_of(self, parameters: Parameters) -> int:
        """What a request with these parameters weighs."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)


@dataclass(frozen=True, slots=True)
class SignedRoute:
    """An endpoint of an account; placing and cancelling weigh only when they fail.

    `new_orders`: how many orders it adds to those of the account that are not filled.
    """

    endpoint: PrivateEndpoint
    weight: int | Weigh = 1
    is_free_on_success: bool = False
    new_orders: int = 0

    def weight_of(self, parameters: Parameters) -> int:
        """What a request with these parameters weighs."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)


def _by_symbol(of_one: int, of_all: int) -> Weigh:
    return lambda parameters: of_all if parameters.peek("symbol") is None else of_one


def _of_statistics(parameters: Parameters) -> int:
    symbols = parameters.peek("symbols")
    if symbols is None:
        return 80 if parameters.peek("symbol") is None else 2
    count = symbols.count(",") + 1
    return 2 if count <= 20 else 40 if count <= 100 else 80


def _of_depth(parameters: Parameters) -> int:
    limit = parameters.peek("limit") or "100"
    rows = int(limit) if limit.isdecimal() else 100
    return next((weight for most, weight in ((100, 5), (500, 25), (1000, 50)) if rows <= most), 250)


def _of_fills(parameters: Parameters) -> int:
    return 20 if parameters.peek("orderId") is None else 5


def _of_test(parameters: Parameters) -> int:
    return 20 if parameters.peek("computeCommissionRates") == "true" else 1


def _placing(endpoint: PrivateEndpoint, new_orders: int = 1) -> SignedRoute:
    return SignedRoute(endpoint, is_free_on_success=True, new_orders=new_orders)


def _ending(endpoint: PrivateEndpoint, weight: int = 1) -> SignedRoute:
    return SignedRoute(endpoint, weight, is_free_on_success=True)


ROUTES: Mapping[tuple[str, str], Route | SignedRoute] = {
    ("GET", "/api/v3/ping"): Route(public.ping),
    ("GET", "/api/v3/time"): Route(public.time),
    ("GET", "/api/v3/exchangeInfo"): Route(public.exchange_info, 20),
    ("GET", "/api/v3/klines"): Route(public.klines, 2),
    ("GET", "/api/v3/ticker/24hr"): Route(public.ticker_24hr, _of_statistics),
    ("GET", "/api/v3/ticker/price"): Route(public.ticker_price, _by_symbol(2, 4)),
    ("GET", "/api/v3/ticker/bookTicker"): Route(public.book_ticker, _by_symbol(2, 4)),
    ("GET", "/api/v3/avgPrice"): Route(public.average_price, 2),
    ("GET", "/api/v3/depth"): Route(public.depth, _of_depth),
    ("GET", "/api/v3/account"): SignedRoute(private.account_info, 20),
    ("GET", "/api/v3/account/commission"): SignedRoute(private.commission, 20),
    ("GET", "/api/v3/myFilters"): SignedRoute(private.my_filters, 40),
    ("POST", "/api/v3/order"): _placing(private.place_order),
    ("POST", "/api/v3/order/test"): SignedRoute(private.test_order, _of_test),
    ("DELETE", "/api/v3/order"): _ending(changes.cancel_order),
    ("POST", "/api/v3/order/cancelReplace"): _placing(changes.replace_order),
    ("PUT", "/api/v3/order/amend/keepPriority"): _ending(changes.amend_order, 4),
    ("DELETE", "/api/v3/openOrders"): _ending(changes.cancel_open_orders),
    ("GET", "/api/v3/order"): SignedRoute(private.query_order, 4),
    ("GET", "/api/v3/openOrders"): SignedRoute(private.open_orders, _by_symbol(6, 80)),
    ("GET", "/api/v3/allOrders"): SignedRoute(private.all_orders, 20),
    ("GET", "/api/v3/myTrades"): SignedRoute(private.my_trades, _of_fills),
    ("POST", "/api/v3/orderList/oco"): _placing(order_lists.place_oco, 2),
    ("POST", "/api/v3/orderList/oto"): _placing(order_lists.place_oto, 2),
    ("POST", "/api/v3/orderList/otoco"): _placing(order_lists.place_otoco, 3),
    ("POST", "/api/v3/orderList/opo"): _placing(order_lists.place_opo, 2),
    ("POST", "/api/v3/orderList/opoco"): _placing(order_lists.place_opoco, 3),
    ("POST", "/api/v3/order/oco"): _placing(order_lists.place_classic_oco, 2),
    ("GET", "/api/v3/orderList"): SignedRoute(order_lists.query_list, 4),
    ("DELETE", "/api/v3/orderList"): _ending(order_lists.cancel_order_list),
    ("GET", "/api/v3/allOrderList"): SignedRoute(order_lists.all_order_lists, 20),
    ("GET", "/api/v3/openOrderList"): SignedRoute(order_lists.open_order_lists, 6),
    ("GET", "/sapi/v1/account/apiRestrictions"): SignedRoute(private.api_restrictions),
    ("GET", "/sapi/v1/capital/config/getall"): SignedRoute(private.coins, 10),
    ("GET", "/sapi/v1/margin/allPairs"): SignedRoute(private.no_margin_pairs),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): SignedRoute(private.no_margin_pairs),
}
