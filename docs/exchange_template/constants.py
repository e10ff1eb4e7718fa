"""Example's facts as data: hosts, calls and their limits, words for statuses, the meaning of its errors."""

from typing import NamedTuple, cast

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderStatus, OrderType, TimeInForce
from apps.exchanges import errors
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.limits import Budget, Charge

# Decide: a real one is a member, Exchange.EXAMPLE. This one must not be offered to anybody.
EXCHANGE = cast(Exchange, "example")

REST_URL = "https://api.example.com"
STREAM_URLS = {REST_URL: "wss://stream.example.com"}
SECONDS_BETWEEN_MESSAGES = 0.2
# Decide: longer than a healthy connection is ever silent, or let Connection send a keep-alive.
SILENCE_SECONDS = 30.0

# Decide: what is counted, and whether for an address or for a key.
REQUESTS = Charge(Budget("requests", capacity=600, seconds=60))
ORDERS = Charge(Budget("orders", capacity=50, seconds=10, is_per_key=True))
#: How long nothing is sent after HTTP 429 where the answer does not say.
WAIT_SECONDS = 10.0


class Endpoint(NamedTuple):
    """A call, and what it costs."""

    method: str
    path: str
    is_private: bool = True
    charges: tuple[Charge, ...] = (REQUESTS,)


TIME = Endpoint("GET", "/time", is_private=False)
MARKETS = Endpoint("GET", "/markets", is_private=False)
TICKERS = Endpoint("GET", "/tickers", is_private=False)
CANDLES = Endpoint("GET", "/candles", is_private=False)
ACCOUNT = Endpoint("GET", "/account")
PLACE = Endpoint("POST", "/order", charges=(REQUESTS, ORDERS))
CANCEL = Endpoint("DELETE", "/order")
CANCEL_ALL = Endpoint("DELETE", "/orders")
ORDER = Endpoint("GET", "/order")
LIST_ORDERS = Endpoint("GET", "/orders")
FILLS = Endpoint("GET", "/fills")

CAPABILITIES = Capabilities(
    exchange=EXCHANGE,
    # Decide: what is declared has to be sent as exactly that; leave out what only comes close.
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    times_in_force=frozenset({TimeInForce.GTC}),
    quote_amount_sides=frozenset(),
    order_lists=frozenset(),
    attached_exits=0,
    trailing_has_trigger=False,
    amends="nothing",
    amendable_types=frozenset(),
    only_shrinks=False,
    replaces="nothing",
    timeframes=frozenset({Timeframe.M1, Timeframe.H1}),
    stream_timeframes=frozenset({Timeframe.M1}),
    candle_history=None,
    needs_passphrase=False,
    has_testnet=False,
    refuses_late_orders=True,
    tells_key_permissions=True,
    client_order_id_reuse="never",
    sub_accounts="A key belongs to one account; there is nothing to enter.",
)

ORDER_TYPES = {"market": OrderType.MARKET, "limit": OrderType.LIMIT}
STATUSES = {
    "open": OrderStatus.OPEN,
    "partly_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
}
# Decide: only what is certain to have done nothing may get a class that says so. A code that is not
# listed leaves a write in doubt: that costs a look-up, a wrong "no" an order that nobody knows of.
ERRORS: dict[str, type[errors.ExchangeError]] = {
    "bad_key": errors.InvalidCredentials,
    "bad_signature": errors.InvalidCredentials,
    # Decide: the session may correct the time and repeat such a call, once (see Binance's).
    "bad_time": errors.ClockSkew,
    "not_allowed": errors.PermissionDenied,
    "insufficient_funds": errors.InsufficientFunds,
    "invalid_order": errors.InvalidOrder,
    "unknown_symbol": errors.UnknownSymbol,
    "market_closed": errors.MarketClosed,
    "order_not_found": errors.OrderNotFound,
    "name_taken": errors.DuplicateClientOrderId,
    "expired": errors.ExchangeUnavailable,
}
