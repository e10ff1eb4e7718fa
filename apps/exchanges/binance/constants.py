"""Binance's facts as data: hosts, words for statuses, the meaning of its error codes."""

from typing import NamedTuple

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.errors import (
    ClockSkew,
    DuplicateClientOrderId,
    ExchangeError,
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidCredentials,
    InvalidOrder,
    MarketClosed,
    OrderNotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    Rejected,
    UnknownSymbol,
)
from apps.exchanges.limits import Budget, Charge

EXCHANGE = Exchange.BINANCE

REST_URL = "https://api.binance.com"
TESTNET_URL = "https://testnet.binance.vision"
STREAM_URLS = {
    REST_URL: "wss://stream.binance.com:9443",
    TESTNET_URL: "wss://stream.testnet.binance.vision",
    "https://demo-api.binance.com": "wss://demo-stream.binance.com",
}

WS_API_URLS = {
    REST_URL: "wss://ws-api.binance.com:443",
    TESTNET_URL: "wss://ws-api.testnet.binance.vision",
    "https://demo-api.binance.com": "wss://demo-ws-api.binance.com",
}
WS_API_PATH = "/ws-api/v3"

MAX_RECV_WINDOW_MS = 60_000
#: Rows of orders or fills in one answer.
MAX_ROWS = 1000
#: More names than this in one question cost as much as asking for all.
MAX_NAMED_TICKERS = 100
MAX_STREAMS = 1024
#: Stream names per SUBSCRIBE message or URL; both have a length that proxies cut.
STREAMS_PER_MESSAGE = 200
#: The server closes connections that send more than 5 messages a second, pongs included.
SECONDS_BETWEEN_MESSAGES = 0.25
#: The server pings every 20 s, so a longer silence is a dead connection.
SILENCE_SECONDS = 30.0

WEIGHT = Budget("weight", capacity=6000, seconds=60)
ORDERS_10S = Budget("orders in 10 s", capacity=100, seconds=10, is_per_key=True)
ORDERS_DAY = Budget("orders in a day", capacity=200_000, seconds=86_400, is_per_key=True)
#: Answers count for us: the lower-case header of each budget.
USAGE_HEADERS = {
    "x-mbx-used-weight-1m": WEIGHT,
    "x-mbx-order-count-10s": ORDERS_10S,
    "x-mbx-order-count-1d": ORDERS_DAY,
}
#: How long nothing is sent after 429 and 418 where the answer does not say.
WAIT_SECONDS = {429: 60.0, 418: 120.0}


class Endpoint(NamedTuple):
    """A call and what it costs; a successful order costs less than is set aside for it."""

    method: str
    path: str
    charges: tuple[Charge, ...]


def _endpoint(method: str, path: str, weight: int = 1, *, orders: int = 0) -> Endpoint:
    charges: tuple[Charge, ...] = (Charge(WEIGHT, weight),)
    if orders:
        charges = (*charges, Charge(ORDERS_10S, orders), Charge(ORDERS_DAY, orders))
    return Endpoint(method, path, charges)


TIME = _endpoint("GET", "/api/v3/time")
EXCHANGE_INFO = _endpoint("GET", "/api/v3/exchangeInfo", 20)
KLINES = _endpoint("GET", "/api/v3/klines", 2)
TICKER = _endpoint("GET", "/api/v3/ticker/24hr", 2)
TICKERS_NAMED = _endpoint("GET", "/api/v3/ticker/24hr", 40)
TICKERS_ALL = _endpoint("GET", "/api/v3/ticker/24hr", 80)
ACCOUNT = _endpoint("GET", "/api/v3/account", 20)
COMMISSION = _endpoint("GET", "/api/v3/account/commission", 20)
KEY_RIGHTS = _endpoint("GET", "/sapi/v1/account/apiRestrictions")
PLACE = _endpoint("POST", "/api/v3/order", 1, orders=1)
CANCEL = _endpoint("DELETE", "/api/v3/order")
CANCEL_ALL = _endpoint("DELETE", "/api/v3/openOrders")
CANCEL_REPLACE = _endpoint("POST", "/api/v3/order/cancelReplace", 1, orders=1)
AMEND = _endpoint("PUT", "/api/v3/order/amend/keepPriority", 4)
ORDER = _endpoint("GET", "/api/v3/order", 4)
OPEN_ORDERS = _endpoint("GET", "/api/v3/openOrders", 6)
OPEN_ORDERS_ALL = _endpoint("GET", "/api/v3/openOrders", 80)
ALL_ORDERS = _endpoint("GET", "/api/v3/allOrders", 20)
MY_TRADES = _endpoint("GET", "/api/v3/myTrades", 20)
MY_TRADES_OF_ORDER = _endpoint("GET", "/api/v3/myTrades", 5)
ORDER_LISTS = {
    OrderListKind.OCO: _endpoint("POST", "/api/v3/orderList/oco", 1, orders=2),
    OrderListKind.OTO: _endpoint("POST", "/api/v3/orderList/oto", 1, orders=2),
    OrderListKind.OTOCO: _endpoint("POST", "/api/v3/orderList/otoco", 1, orders=3),
}

CAPABILITIES = Capabilities(
    exchange=EXCHANGE,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    quote_amount_sides=frozenset(OrderSide),
    order_lists=frozenset(OrderListKind),
    attached_exits=0,
    trailing_has_trigger=True,
    amends="a smaller quantity, keeping its place in the queue",
    amendable_types=frozenset({OrderType.LIMIT}),
    only_shrinks=True,
    replaces="anything else",
    timeframes=frozenset(Timeframe) - {Timeframe.M10},
    stream_timeframes=frozenset(Timeframe) - {Timeframe.M10},
    candle_history=None,
    needs_passphrase=False,
    has_testnet=True,
    refuses_late_orders=True,
    tells_key_permissions=True,
    client_order_id_reuse="unique among open orders",
    sub_accounts="A key belongs to one sub-account; there is nothing to enter.",
)

STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    # A market or IOC order with a rest ends here too, with its fills.
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}

ORDER_TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "STOP_LOSS": OrderType.STOP_LOSS,
    "STOP_LOSS_LIMIT": OrderType.STOP_LOSS_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
#: A trailing distance is told in hundredths of a percent.
BASIS_POINTS = 10_000

_CODES_OF: dict[type[ExchangeError], tuple[int, ...]] = {
    InvalidCredentials: (-1002, -1022, -2014, -2015),
    RateLimited: (-1003, -1015, -1034),
    ExchangeUnavailable: (-1008, -1016),
    # The last two answer a cancel-and-replace of which one or both halves failed.
    OutcomeUnknown: (-1000, -1001, -1006, -1007, -2021, -2022),
    ClockSkew: (-1021,),
    UnknownSymbol: (-1121, -1220),
    MarketClosed: (-2016,),
    OrderNotFound: (-2013, -2026),
    InvalidOrder: (
        *(-1013, -1014, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1111, -1112),
        *(-1114, -1115, -1116, -1117, -1118, -1119, -1128, -1130, -1134, -1145, -1158, -1160),
        *(-1165, -1166, -1168, -1196, -1197, -1198, -1199, -1210, -1211),
        *(-1222, -1223, -1224, -1225, -2010, -2011, -2038, -2039),
    ),
    # Questions that were put wrongly, and the protocols of FIX, SBE and WebSocket sessions.
    Rejected: (
        *(-1020, -1033, -1035, -1120, -1122, -1125, -1127, -1135, -1139, -1151, -1152, -1153),
        *(-1155, -1161, -1169, -1170, -1171, -1172, -1173, -1174, -1175, -1176, -1177, -1178),
        *(-1179, -1180, -1181, -1182, -1183, -1184, -1185, -1186, -1187, -1188, -1189, -1190),
        *(-1191, -1194, -1221, -2035, -2036, -2042, -2043),
    ),
}
ERRORS: dict[int, type[ExchangeError]] = {
    code: kind for kind, codes in _CODES_OF.items() for code in codes
}

#: Too many unfilled orders of one account: that is nobody else's trouble, so nobody has to wait for it.
ORDER_LIMIT = -1015

#: Codes that stand for many reasons; the words decide, and the table above where none matches.
CODES_READ_BY_MESSAGE = frozenset({-1013, -2010, -2011, -2038})
MESSAGES: tuple[tuple[str, type[ExchangeError]], ...] = (
    ("duplicate order sent", DuplicateClientOrderId),
    ("unknown order sent", OrderNotFound),
    ("unknown_order", OrderNotFound),
    ("insufficient balance", InsufficientFunds),
    ("market is closed", MarketClosed),
    ("action is disabled on this account", PermissionDenied),
    ("may not place or cancel orders", PermissionDenied),
    ("not permitted for this account", PermissionDenied),
    ("restricted for this account", PermissionDenied),
)

#: What to do where the code says more than its class.
ADVICE = {
    -1022: "The API secret does not belong to this key: enter both again.",
    -2014: "This is not a Binance API key: copy it again, whole.",
    -2015: (
        "Check that the key exists on this site (testnet has its own), that its list of IP"
        " addresses allows this machine, and that it has the right to do this."
    ),
}
