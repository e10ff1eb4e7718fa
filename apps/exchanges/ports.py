"""What every exchange client takes and gives; symbols are canonical (`BTC/USDT`), times are UTC."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from apps.domain.candles import Timeframe
from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderStatus, OrderType


class TimeInForce(StrEnum):
    """How long a limit order stands: until cancelled, what fills at once, at once and whole."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One API key; its representation shows nothing of it."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Last price and best prices of one market; None where the book's side is empty."""

    symbol: str
    last: Decimal
    bid: Decimal | None
    ask: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One candle; volume is in the base asset, a closed candle changes no more."""

    opened_at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KlineUpdate:
    """The state of one candle as a stream tells it."""

    symbol: str
    timeframe: Timeframe
    candle: Candle


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds of one asset; `locked` backs resting orders."""

    asset: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to place; a market order by base `quantity` or by the `quote_amount` to trade."""

    symbol: str
    side: OrderSide
    order_type: OrderType
    client_order_id: str
    quantity: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC

    def __post_init__(self) -> None:
        if (self.quantity is None) == (self.quote_amount is None):
            raise ValueError("An order needs either a quantity or a quote amount.")
        is_limit = self.order_type is OrderType.LIMIT
        if is_limit != (self.price is not None) or (is_limit and self.quantity is None):
            raise ValueError("A limit order needs quantity and price; a market order has no price.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; `trade_id` is unique within its symbol, the fee is in `fee_asset`."""

    trade_id: str
    exchange_order_id: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    executed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """The state of one order; `fills` holds those told with it, `raw` the answer without secrets.

    None stands for what is not known: an order type that only the exchange has, a filled quote
    that it no longer keeps, the price of a market order.
    """

    symbol: str
    client_order_id: str
    exchange_order_id: str
    status: OrderStatus
    exchange_status: str
    side: OrderSide
    order_type: OrderType | None
    quantity: Decimal
    filled_quantity: Decimal
    filled_quote: Decimal | None
    price: Decimal | None
    updated_at: datetime
    fills: tuple[Fill, ...] = ()
    raw: Mapping[str, object] = field(default_factory=dict)

    @property
    def average_price(self) -> Decimal | None:
        """Quote per base over all fills, None before the first one or where it is not known."""
        if self.filled_quote is None or not self.filled_quantity:
            return None
        return self.filled_quote / self.filled_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """What a connection test found, in plain words; None where it could not be learned.

    `server_time_offset` is how many seconds the exchange's clock is ahead of ours.
    """

    ok: bool
    message: str
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    balances: tuple[Balance, ...] = ()
    server_time_offset: float | None = None


class MarketData(Protocol):
    """What an exchange tells anybody; every method may raise RateLimited or ExchangeUnavailable."""

    def get_server_time(self) -> datetime:
        """The exchange's clock."""

    def get_markets(self) -> list[Market]:
        """Every market with its rules, those closed for trading included."""

    def get_ticker(self, symbol: str) -> Ticker:
        """Last, bid and ask; raises UnknownSymbol."""

    def get_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
    ) -> list[Candle]:
        """Candles that open from `start` to `end`, both included, oldest first.

        At most `limit`: the oldest of them when `start` is given, else the newest.
        """


class Broker(Protocol):
    """One account at an exchange.

    Reads may raise ExchangeUnavailable; a write that raises it, or any other error than
    OutcomeUnknown, did nothing.
    """

    def get_balance(self) -> list[Balance]:
        """Every asset the account holds something of."""

    def place_order(self, request: OrderRequest, *, deadline: datetime) -> OrderReport:
        """Send an order once; the exchange itself refuses it when it arrives after `deadline`."""

    def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order after its cancel; OutcomeUnknown also when no such order is open any more."""

    def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order as it stands, without its fills; raises OrderNotFound."""

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Open orders of one symbol, or of all, whoever placed them."""

    def fetch_fills(
        self,
        symbol: str,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Fill]:
        """Every fill of a symbol, oldest first, optionally of one order, from `since` on."""

    def test_connection(self) -> ConnectionReport:
        """Whether the key works and what it may do; raises nothing of the exchange's."""


class ExchangeClient(MarketData, Broker, Protocol):
    """Market data and one account at the same exchange."""


class CandleStream(Protocol):
    """Live candles of many markets; after StreamClosed it has to be connected again."""

    def connect(self) -> None:
        """Open the connection with the current subscriptions."""

    def recv(self) -> KlineUpdate | None:
        """The next frame, waited for; None for a frame that carries no candle."""

    def set_subscriptions(self, subscriptions: Iterable[tuple[str, Timeframe]]) -> None:
        """Follow exactly these (symbol, timeframe) from now on, without reconnecting."""

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
