"""Bitget's facts as data: hosts, calls and their limits, words for statuses, the meaning of codes."""

from datetime import timedelta
from typing import NamedTuple

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
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

EXCHANGE = Exchange.BITGET

#: The demo is on the same host: a header asks for it, and its streams have a host of their own.
REST_URL = "https://api.bitget.com"
STREAM_URL = "wss://ws.bitget.com"
DEMO_STREAM_URL = "wss://wspap.bitget.com"
PUBLIC_STREAM_PATH = "/v2/ws/public"
PRIVATE_STREAM_PATH = "/v2/ws/private"

GOOD_CODE = "00000"
MAX_RECEIVE_WINDOW_MS = 60_000
#: Rows of orders or fills in one answer.
MAX_ROWS = 100
#: How far back orders and fills are told, less what a clock may be off.
HISTORY_REACH = timedelta(days=90) - timedelta(hours=1)
#: What one question about orders or fills may span.
HISTORY_SPAN = timedelta(days=30)
#: How much later than our idea of now an order may have been stamped.
CLOCK_SLACK = timedelta(minutes=1)

#: Rows of candles in one answer, of the young ones and of the old ones.
MAX_CANDLES = 1000
MAX_OLD_CANDLES = 200
#: What one question about candles may span.
CANDLE_SPAN = timedelta(days=90)
#: How many questions may bring few or no candles before a range ends with what there is.
MAX_THIN_ANSWERS = 30

#: The server drops connections that send more than 10 messages a second.
SECONDS_BETWEEN_MESSAGES = 0.12
KEEP_ALIVE = "ping"
KEEP_ALIVE_SECONDS = 25.0
#: Every ping is answered, so a longer silence is a dead connection.
SILENCE_SECONDS = 60.0
MAX_CHANNELS = 1000
CHANNELS_PER_MESSAGE = 50

#: What everybody at one address may send: no minute ever sees more than 6000.
ADDRESS = Budget("requests of this address", capacity=1000, seconds=12, refills=True)
#: How long a key sends nothing after HTTP 429 where the answer does not say: limits are per second.
WAIT_SECONDS = 1.0


class Endpoint(NamedTuple):
    """A call and the limit that is its own."""

    method: str
    path: str
    limit: Budget

    @property
    def is_private(self) -> bool:
        """Only the owner of a key may make it: it is signed, and counted for the key."""
        return self.limit.is_per_key

    @property
    def charges(self) -> tuple[Charge, ...]:
        """What it costs."""
        return (Charge(self.limit), Charge(ADDRESS))


def _endpoint(method: str, path: str, per_second: float, *, is_private: bool = True) -> Endpoint:
    # Half may come at once and half over the second, so that no second sees more.
    capacity = max(per_second / 2, 1.0)
    return Endpoint(method, path, Budget(path, capacity, 1.0, refills=True, is_per_key=is_private))


TIME = _endpoint("GET", "/api/v2/public/time", 20, is_private=False)
SYMBOLS = _endpoint("GET", "/api/v2/spot/public/symbols", 20, is_private=False)
TICKERS = _endpoint("GET", "/api/v2/spot/market/tickers", 20, is_private=False)
CANDLES = _endpoint("GET", "/api/v2/spot/market/candles", 20, is_private=False)
OLD_CANDLES = _endpoint("GET", "/api/v2/spot/market/history-candles", 20, is_private=False)
ASSETS = _endpoint("GET", "/api/v2/spot/account/assets", 10)
ACCOUNT_INFO = _endpoint("GET", "/api/v2/spot/account/info", 1)
TRADE_RATE = _endpoint("GET", "/api/v2/common/trade-rate", 10)
PLACE = _endpoint("POST", "/api/v2/spot/trade/place-order", 10)
CANCEL = _endpoint("POST", "/api/v2/spot/trade/cancel-order", 10)
CANCEL_SYMBOL = _endpoint("POST", "/api/v2/spot/trade/cancel-symbol-order", 5)
CANCEL_REPLACE = _endpoint("POST", "/api/v2/spot/trade/cancel-replace-order", 5)
ORDER_INFO = _endpoint("GET", "/api/v2/spot/trade/orderInfo", 20)
OPEN_ORDERS = _endpoint("GET", "/api/v2/spot/trade/unfilled-orders", 20)
ORDER_HISTORY = _endpoint("GET", "/api/v2/spot/trade/history-orders", 20)
FILLS = _endpoint("GET", "/api/v2/spot/trade/fills", 10)
PLACE_PLAN = _endpoint("POST", "/api/v2/spot/trade/place-plan-order", 20)
MODIFY_PLAN = _endpoint("POST", "/api/v2/spot/trade/modify-plan-order", 20)
CANCEL_PLAN = _endpoint("POST", "/api/v2/spot/trade/cancel-plan-order", 20)
CANCEL_PLANS = _endpoint("POST", "/api/v2/spot/trade/batch-cancel-plan-order", 5)
OPEN_PLANS = _endpoint("GET", "/api/v2/spot/trade/current-plan-order", 20)
PLAN_HISTORY = _endpoint("GET", "/api/v2/spot/trade/history-plan-order", 20)
PLAN_SUB_ORDERS = _endpoint("GET", "/api/v2/spot/trade/plan-sub-order", 20)

#: The word for a timeframe over REST, and how far back the young candles reach.
GRANULARITIES = {
    Timeframe.M1: "1min",
    Timeframe.M3: "3min",
    Timeframe.M5: "5min",
    Timeframe.M15: "15min",
    Timeframe.H1: "1h",
    Timeframe.H4: "4h",
}
CANDLE_REACH = {
    Timeframe.M1: timedelta(days=30),
    Timeframe.M3: timedelta(days=30),
    Timeframe.M5: timedelta(days=30),
    Timeframe.M15: timedelta(days=52),
    Timeframe.H1: timedelta(days=83),
    Timeframe.H4: timedelta(days=240),
}
CHANNELS = {
    Timeframe.M1: "candle1m",
    Timeframe.M5: "candle5m",
    Timeframe.M15: "candle15m",
    Timeframe.H1: "candle1H",
    Timeframe.H4: "candle4H",
}

CAPABILITIES = Capabilities(
    exchange=EXCHANGE,
    order_types=frozenset(OrderType) - {OrderType.TRAILING_STOP},
    times_in_force=frozenset(TimeInForce),
    quote_amount_sides=frozenset({OrderSide.BUY}),
    order_lists=frozenset(),
    attached_exits=2,
    trailing_has_trigger=False,
    amends="conditional orders, while they wait for their trigger",
    amendable_types=frozenset(kind for kind in OrderType if kind.is_conditional)
    - {OrderType.TRAILING_STOP},
    only_shrinks=False,
    replaces=(
        "limit orders; when the new one is refused the old one may be gone, and a fill in the last"
        " instant is not seen"
    ),
    timeframes=frozenset(GRANULARITIES),
    stream_timeframes=frozenset(CHANNELS),
    candle_history=None,
    needs_passphrase=True,
    has_testnet=True,
    refuses_late_orders=True,
    tells_key_permissions=True,
    client_order_id_reuse="refused for 6 hours, and while the order is open",
    sub_accounts="A key belongs to one account; the demo has keys of its own, of the main account.",
)

STATUSES = {
    "init": OrderStatus.OPEN,
    "new": OrderStatus.OPEN,
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "partially_fill": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "full_fill": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "canceled": OrderStatus.CANCELLED,
}
#: Of conditional ("plan") orders. One that was executed lives on as another order: see EXECUTED.
PLAN_STATUSES = {
    "not_trigger": OrderStatus.OPEN,
    "live": OrderStatus.OPEN,
    "executing": OrderStatus.OPEN,
    "fail_trigger": OrderStatus.REJECTED,
    "cancelled": OrderStatus.CANCELLED,
    "canceled": OrderStatus.CANCELLED,
}
EXECUTED = "executed"
#: Words for a conditional order that has placed nothing.
NEVER_FIRED = frozenset(PLAN_STATUSES) - {"executing"}
#: What became of the order that a conditional one placed.
SUB_ORDER_PLACED = "success"
SUB_ORDER_REFUSED = "fail"

ORDER_TYPES = {"market": OrderType.MARKET, "limit": OrderType.LIMIT}
#: Which list of ordinary orders: the exits that Bitget ties to an entry are kept apart.
NORMAL, TPSL = "normal", "tpsl"

_CODES_OF: dict[type[ExchangeError], str] = {
    InvalidCredentials: """
        40001 40002 40003 40006 40009 40011 40012 40018 40036 40037 40038 40041
        30005 30011 30012 30015
    """,
    PermissionDenied: """
        40013 40014 40016 40022 40023 40024 40025 40026 40027 40031 40040 40085 43111
    """,
    InsufficientFunds: "43012 40711 40712 40754 40762 40798",
    InvalidOrder: """
        40017 400172 40019 40020 40304 40305 40706 40787 40808 40815 40816 40917 41103 41117
        43005 43006 43007 43008 43009 43010 43011 43027 43034 43035
        43037 43038 43039 43040 43041 43042 45110 45111 45112 45113 45114 45115 35040
    """,
    UnknownSymbol: "40072 40102 40309 40845",
    RateLimited: "429 1001 30006 30007",
    OrderNotFound: """
        43001 40768 40109 40819 80011 45057 31007 22001 43020 43025 43033
    """,
    DuplicateClientOrderId: "40786 43118 45034 40708 50060",
    ClockSkew: "40004 40005 40008 40078 40911",
    MarketClosed: "40308 40844 41113 41114 43115 43119 43120",
    ExchangeUnavailable: "40200",
    # Timed out inside, busy or broken: it may have been done before that.
    OutcomeUnknown: "40010 40910 40015 40400 40604 1 01001",
    # Questions that were put wrongly: windows of time that are too long or too far back.
    Rejected: "40079 00001 40704 40705",
}
ERRORS: dict[str, type[ExchangeError]] = {
    code: kind for kind, codes in _CODES_OF.items() for code in codes.split()
}
#: Answers in the manner of older versions have words for codes; parts of their text decide.
MESSAGES: tuple[tuple[str, type[ExchangeError]], ...] = (
    ("illegal sign", InvalidCredentials),
    ("accesskey not null", InvalidCredentials),
    ("permissions not right", PermissionDenied),
    ("invalid size", InvalidOrder),
    ("system exception", OutcomeUnknown),
    ("too many requests", RateLimited),
)

#: The rule that a code is about, by the names that `fit_to_market` gives them.
_RULES: dict[str, str] = {
    "PRICE_FILTER": "40787 41103 45115",
    "PERCENT_PRICE": "40815 40816 41117 43008 43009 43039 43040",
    "LOT_SIZE": "43037 43038 45111 45112",
    "NOTIONAL": "43006 43007 43010 43027 43041 43042 45110 45113 45114",
    "MAX_NUM_ORDERS": "43005",
}
RULE_OF_CODE = {code: rule for rule, codes in _RULES.items() for code in codes.split()}
#: A number with too many decimals, and which one.
RULES_IN_WORDS = (("price checkbdscale", "PRICE_FILTER"), ("size checkbdscale", "LOT_SIZE"))

#: What to do where the code says more than its class.
ADVICE = {
    "40085": (
        "This account is in the unified mode, which has another API: switch it to the classic mode"
        " at Bitget, or use the key of a sub-account that is in it."
    ),
    "40009": "The API secret does not belong to this key: enter both again.",
    "40012": "Check key and passphrase; the demo and the real exchange have keys of their own.",
    "40018": "This machine's address is not on the key's list of IP addresses: add it at Bitget.",
    "40038": "This machine's address is not on the key's list of IP addresses: add it at Bitget.",
}
