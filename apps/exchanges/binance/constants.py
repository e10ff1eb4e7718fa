"""Binance's facts as data: hosts, words for statuses, the meaning of its error codes."""

from apps.domain.environments import Exchange
from apps.domain.orders import OrderStatus, OrderType
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

EXCHANGE = Exchange.BINANCE

REST_URL = "https://api.binance.com"
TESTNET_URL = "https://testnet.binance.vision"
STREAM_URLS = {
    REST_URL: "wss://stream.binance.com:9443",
    TESTNET_URL: "wss://stream.testnet.binance.vision",
    "https://demo-api.binance.com": "wss://demo-stream.binance.com",
}

MAX_RECV_WINDOW_MS = 60_000
#: Rows of fills in one answer.
MAX_ROWS = 1000
MAX_STREAMS = 1024
#: Stream names per SUBSCRIBE message or URL; both have a length that proxies cut.
STREAMS_PER_MESSAGE = 200
#: The server closes connections that send more than 5 messages a second, pongs included.
SECONDS_BETWEEN_MESSAGES = 0.25

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
}

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
