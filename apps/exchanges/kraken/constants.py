"""Kraken's facts as data: hosts, limits, words for types and statuses, the meaning of its errors."""

from typing import NamedTuple

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.errors import (
    ClockSkew,
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
    UnknownSymbol,
)
from apps.exchanges.limits import Budget, Charge

EXCHANGE = Exchange.KRAKEN

REST_URL = "https://api.kraken.com"
STREAM_URLS = {REST_URL: "wss://ws.kraken.com"}
PRIVATE_STREAM_URLS = {REST_URL: "wss://ws-auth.kraken.com"}
STREAM_PATH = "/v2"

#: Rows of closed orders or trades in one answer.
PAGE_ROWS = 50
#: How long the second and later pages wait for the counter, which gives back one unit in 3 s.
PAGE_PATIENCE_SECONDS = 30.0
#: Orders that one question or one batch of cancels may name.
MAX_ORDERS = 50
#: Trades that one question may name.
MAX_TRADES = 20
#: More names than this make a long address, and all tickers cost as much.
MAX_NAMED_TICKERS = 50
#: A deadline is taken from 2 to 60 s ahead; a little less leaves room for clocks that differ.
MIN_DEADLINE_SECONDS = 2.0
MAX_DEADLINE_SECONDS = 59.0

#: Kraken tells its time in whole seconds: an offset within this may be none.
CLOCK_TOLERANCE_SECONDS = 1.5

SYMBOLS_PER_MESSAGE = 100
SECONDS_BETWEEN_MESSAGES = 0.2
#: With a subscription there is a heartbeat every second, without one only the answers to pings.
SILENCE_SECONDS = 30.0
#: How long a subscription is waited for.
AGREE_SECONDS = 10.0
PING = '{"method":"ping"}'
PING_SECONDS = 15.0

#: The counter and the engine's limits are those of the lowest tier: which one a key has is not told.
COUNTER = Budget("counter", capacity=15, seconds=15 / 0.33, refills=True, is_per_key=True)
#: About one call a second; a few may come at once.
PUBLIC = Budget("public calls", capacity=10, seconds=10, refills=True)
ENGINE_CAPACITY = 60.0
ENGINE_SECONDS = 60.0
#: What a cancel costs an order younger than so many seconds, and what an amendment costs besides 1.
CANCEL_COSTS = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
AMEND_COSTS = ((5, 3), (10, 2), (15, 1))


class Endpoint(NamedTuple):
    """A call with what it costs; a private one may want its parameters as JSON."""

    path: str
    charges: tuple[Charge, ...] = (Charge(COUNTER),)
    is_json: bool = False


TIME = Endpoint("/0/public/Time", (Charge(PUBLIC),))
ASSET_PAIRS = Endpoint("/0/public/AssetPairs", (Charge(PUBLIC),))
TICKER = Endpoint("/0/public/Ticker", (Charge(PUBLIC),))
OHLC = Endpoint("/0/public/OHLC", (Charge(PUBLIC),))
BALANCE = Endpoint("/0/private/BalanceEx")
TRADE_VOLUME = Endpoint("/0/private/TradeVolume")
KEY_INFO = Endpoint("/0/private/GetApiKeyInfo")
STREAM_TOKEN = Endpoint("/0/private/GetWebSocketsToken")
OPEN_ORDERS = Endpoint("/0/private/OpenOrders")
CLOSED_ORDERS = Endpoint("/0/private/ClosedOrders")
QUERY_ORDERS = Endpoint("/0/private/QueryOrders")
TRADES_HISTORY = Endpoint("/0/private/TradesHistory", (Charge(COUNTER, 2),))
QUERY_TRADES = Endpoint("/0/private/QueryTrades", (Charge(COUNTER, 2),))
# The counter leaves these out: the matching engine counts them, per pair.
ADD_ORDER = Endpoint("/0/private/AddOrder", ())
AMEND_ORDER = Endpoint("/0/private/AmendOrder", ())
CANCEL_ORDER = Endpoint("/0/private/CancelOrder", ())
CANCEL_BATCH = Endpoint("/0/private/CancelOrderBatch", (), is_json=True)

#: Minutes of each candle length that Kraken makes.
INTERVALS = {
    Timeframe.M1: 1,
    Timeframe.M5: 5,
    Timeframe.M15: 15,
    Timeframe.H1: 60,
    Timeframe.H4: 240,
    Timeframe.D1: 1440,
}

CAPABILITIES = Capabilities(
    exchange=EXCHANGE,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    quote_amount_sides=frozenset({OrderSide.BUY}),
    order_lists=frozenset(),
    attached_exits=1,
    trailing_has_trigger=False,
    amends="quantity, limit price and trigger price, keeping its ids and if possible its place",
    amendable_types=frozenset(OrderType) - {OrderType.MARKET, OrderType.TRAILING_STOP},
    only_shrinks=False,
    replaces="nothing",
    timeframes=frozenset(INTERVALS),
    stream_timeframes=frozenset(INTERVALS),
    candle_history=720,
    needs_passphrase=False,
    has_testnet=False,
    refuses_late_orders=True,
    tells_key_permissions=True,
    client_order_id_reuse="unique among open orders",
    sub_accounts="A key belongs to one account; there is nothing to enter.",
)

#: Kraken's names of old assets; all others are the names the world uses.
LEGACY_ASSETS = {
    "XBT": "BTC",
    "XDG": "DOGE",
    "XXBT": "BTC",
    "XXDG": "DOGE",
    "XETC": "ETC",
    "XETH": "ETH",
    "XLTC": "LTC",
    "XMLN": "MLN",
    "XREP": "REP",
    "XXLM": "XLM",
    "XXMR": "XMR",
    "XXRP": "XRP",
    "XZEC": "ZEC",
    "ZAUD": "AUD",
    "ZCAD": "CAD",
    "ZEUR": "EUR",
    "ZGBP": "GBP",
    "ZJPY": "JPY",
    "ZUSD": "USD",
}
#: How the two of them are written in the name of a pair.
PAIR_ASSETS = {"BTC": "XBT", "DOGE": "XDG"}
#: Suffixes of balances that can be traded: none, and those that earn by themselves.
SPENDABLE_SUFFIXES = frozenset({"", "F"})

STATUSES = {
    "pending": OrderStatus.OPEN,
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "expired": OrderStatus.EXPIRED,
}
STREAM_STATUSES = {
    "pending_new": OrderStatus.OPEN,
    "new": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "expired": OrderStatus.EXPIRED,
}

ORDER_WORDS = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_LOSS: "stop-loss",
    OrderType.STOP_LOSS_LIMIT: "stop-loss-limit",
    OrderType.TAKE_PROFIT: "take-profit",
    OrderType.TAKE_PROFIT_LIMIT: "take-profit-limit",
    OrderType.TRAILING_STOP: "trailing-stop",
}
ORDER_TYPES = {word: order_type for order_type, word in ORDER_WORDS.items()}

#: Order flags: sized in quote, may not take, fee in base.
SIZED_IN_QUOTE = "viqc"
POST_ONLY = "post"
FEE_IN_BASE = "fcib"

MAY_TRADE = "modify-trades"
MAY_WITHDRAW = "withdraw-funds"
#: Rights without which nothing works.
NEEDED_RIGHTS = ("query-funds", "query-open-trades", "query-closed-trades", MAY_TRADE)

#: Errors by their first two parts.
_ERRORS_OF: dict[type[ExchangeError], tuple[str, ...]] = {
    InvalidCredentials: (
        "EAPI:Invalid key",
        "EAPI:Invalid signature",
        "EAuth:Failed",
        "ESession:Invalid session",
    ),
    PermissionDenied: ("EGeneral:Permission denied", "EAccount:Invalid permissions"),
    ClockSkew: ("EAPI:Invalid nonce",),
    InsufficientFunds: (
        "EOrder:Insufficient funds",
        "EOrder:IInsufficient funds",  # seen so
        "EOrder:Insufficient margin",
    ),
    InvalidOrder: (
        "EOrder:Order minimum not met",
        "EOrder:Cost minimum not met",
        "EOrder:Tick size check failed",
        "EOrder:Invalid price",
        "EOrder:Invalid order",
        "EOrder:Orders limit exceeded",
        "EOrder:Post only order",
        "EGeneral:Invalid arguments",
    ),
    UnknownSymbol: (
        "EQuery:Unknown asset pair",
        "EQuery:Invalid asset pair",
        "EQuery:Unknown asset",
    ),
    RateLimited: (
        "EAPI:Rate limit exceeded",
        "EOrder:Rate limit exceeded",
        "EOrder:Domain rate limit exceeded",
        "EGeneral:Too many requests",
        "EGeneral:Temporary lockout",
        "EService:Throttled",
    ),
    OrderNotFound: ("EOrder:Unknown order",),
    MarketClosed: (
        "EService:Market in cancel_only mode",
        "EService:Market in limit_only mode",
        "EService:Market in post_only mode",
        "EService:Market in reduce_only mode",
    ),
    # Kraken itself says that an order answered with one of these may have gone through.
    OutcomeUnknown: (
        "EService:Unavailable",
        "EService:Busy",
        "EGeneral:Internal error",
        "EDatabase:Internal error",
    ),
    ExchangeUnavailable: ("EService:Deadline elapsed",),
}
ERRORS: dict[str, type[ExchangeError]] = {
    words: kind for kind, group in _ERRORS_OF.items() for words in group
}
#: Answers a look-up, cancel or amendment of an order that there is none of, and a bad new order.
AMBIGUOUS_ORDER_ERROR = "EOrder:Invalid order"
#: The exact words of a client order id that is taken are not known, only that they contain one of these.
DUPLICATE_WORDS = ("cl_ord_id", "uplicate")

#: The rule that an error names, in the words of Kraken's own market list.
RULES = {
    "EOrder:Order minimum not met": "ordermin",
    "EOrder:Cost minimum not met": "costmin",
    "EOrder:Tick size check failed": "tick_size",
    "EOrder:Invalid price": "price",
    "EOrder:Orders limit exceeded": "open orders",
    "EOrder:Post only order": "post only",
}

#: Concerns what the counter counts, and so neither orders nor cancels.
COUNTER_OVERRUN = "EAPI:Rate limit exceeded"
#: How long a page waits after it: the counter gives back 5 units meanwhile.
COUNTER_SECONDS = 15.0
#: What a host without a call answers: by Kraken's word, and by its status.
NO_SUCH_CALL = frozenset({"EGeneral:Unknown method", "HTTP 404"})

#: Seconds for which a key has to send nothing at all.
RATE_LIMIT_SECONDS = 15.0
LOCKOUT = "EGeneral:Temporary lockout"
LOCKOUT_SECONDS = 900.0
THROTTLED = "EService:Throttled"
WAIT_SECONDS = {
    "EGeneral:Too many requests": RATE_LIMIT_SECONDS,
    THROTTLED: RATE_LIMIT_SECONDS,
    LOCKOUT: LOCKOUT_SECONDS,
}

#: What to do where the error says more than its class.
ADVICE = {
    "EAPI:Invalid key": "Copy the API key again, whole; it may also have been deleted or run out.",
    "EAPI:Invalid signature": "The API secret does not belong to this key: enter both again.",
    "EAPI:Invalid nonce": (
        "Another program uses the same key, or this machine's clock went back: give each program"
        " a key of its own."
    ),
    "EGeneral:Permission denied": "Give this API key the right to do this, at Kraken.",
    LOCKOUT: "Nothing is sent for 15 minutes, because every try makes it longer.",
    "EOrder:Orders limit exceeded": "Cancel open orders of this market first.",
    "EOrder:Post only order": "Its price would have taken liquidity: choose another one.",
    "EService:Deadline elapsed": (
        "It came after its deadline and was not executed; if this goes on, set this machine's"
        " clock by NTP."
    ),
}
