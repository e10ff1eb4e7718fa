"""What every exchange client takes and gives; symbols are canonical (`BTC/USDT`), times are UTC."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, overload

import msgspec

from apps.domain.candles import EPOCH, Timeframe
from apps.domain.markets import Market
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.errors import InvalidCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One API key; its representation shows nothing of it. Raises InvalidCredentials for what is none."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # They travel in headers; the secret never travels, and may be a key of many lines.
        for what, text in (("API key", self.api_key), ("passphrase", self.passphrase or "")):
            if not (text.isascii() and text.isprintable()):
                raise InvalidCredentials(
                    f"The {what} holds characters that no exchange uses: copy it again, whole."
                )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in any message."""
        return tuple(filter(None, (self.api_key, self.api_secret, self.passphrase)))


class Ticker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Prices of one market, and its last 24 hours; None where the exchange does not tell.

    `volume` is in base, `quote_volume` in quote, `change` a fraction (0.01 is 1 %). A frozen
    struct rather than a dataclass, with its time in milliseconds since 1970: thousands come in one
    answer, and it is built ten times faster.
    """

    symbol: str
    last: Decimal
    bid: Decimal | None
    ask: Decimal | None
    at_ms: int | None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    quote_volume: Decimal | None = None
    change: Decimal | None = None

    @property
    def at(self) -> datetime | None:
        """When these prices held, by the exchange's clock."""
        return None if self.at_ms is None else EPOCH + timedelta(milliseconds=self.at_ms)


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
class Candles(Sequence[Candle]):
    """Candles as columns, oldest first; the first `closed` of them change no more.

    `opened_at_ms` is in milliseconds since 1970, volumes are in the base asset.
    """

    opened_at_ms: Sequence[int]
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]
    closed: int

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    @overload
    def __getitem__(self, index: int) -> Candle: ...
    @overload
    def __getitem__(self, index: slice) -> "list[Candle]": ...
    def __getitem__(self, index: int | slice) -> "Candle | list[Candle]":
        if isinstance(index, slice):
            return [self._row(i) for i in range(len(self))[index]]
        return self._row(range(len(self))[index])

    def __iter__(self) -> Iterator[Candle]:
        return map(self._row, range(len(self)))

    def _row(self, index: int) -> Candle:
        return Candle(
            opened_at=EPOCH + timedelta(milliseconds=self.opened_at_ms[index]),
            open=self.open[index],
            high=self.high[index],
            low=self.low[index],
            close=self.close[index],
            volume=self.volume[index],
            is_closed=index < self.closed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KlineUpdate:
    """The state of one candle as a stream tells it."""

    symbol: str
    timeframe: Timeframe
    candle: Candle


class Balance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an account holds of one asset; `locked` backs resting orders. A struct, as Ticker is."""

    asset: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What trading a market costs this account, as fractions (0.001 is 0.1 %)."""

    symbol: str
    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedExit:
    """A stop loss or take profit that the exchange sets up itself as the entry fills.

    It sells at market once `trigger_price` is reached, or at `price` where one is given.
    """

    trigger_price: Decimal
    price: Decimal | None = None

    def __post_init__(self) -> None:
        _check_positive(self.trigger_price, self.price)


def _check_positive(*numbers: Decimal | None) -> None:
    for number in numbers:
        if number is not None and not (number.is_finite() and number > 0):
            raise ValueError(f"{number} is no amount or price of an order.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to place.

    Its size is a `quantity` of base, or for market orders a `quote_amount` to trade; `price` is
    the limit, `trigger_price` what a conditional order waits for (of a trailing stop: from where
    on it trails, optional), `trailing_share` how far it trails (0.01 is 1 %). `is_exit` tells what
    ends or protects a position: it goes before entries where the exchange's limits are near.
    """

    symbol: str
    side: OrderSide
    order_type: OrderType
    client_order_id: str
    quantity: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trailing_share: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    stop_loss: AttachedExit | None = None
    take_profit: AttachedExit | None = None
    is_exit: bool = False

    def __post_init__(self) -> None:
        _check_positive(self.quantity, self.quote_amount, self.price, self.trigger_price)
        _check_positive(self.trailing_share)
        kind = self.order_type
        if (self.quantity is None) == (self.quote_amount is None):
            raise ValueError("An order needs either a quantity or a quote amount.")
        if self.quote_amount is not None and kind is not OrderType.MARKET:
            raise ValueError(f"A {kind} order is sized by quantity, not by a quote amount.")
        if kind.has_limit_price != (self.price is not None):
            raise ValueError(f"A {kind} order needs {'a' if kind.has_limit_price else 'no'} price.")
        if not kind.is_conditional and self.trigger_price is not None:
            raise ValueError(f"A {kind} order has no trigger price.")
        is_trailing = kind is OrderType.TRAILING_STOP
        if kind.is_conditional and not is_trailing and self.trigger_price is None:
            raise ValueError(f"A {kind} order needs a trigger price.")
        if is_trailing != (self.trailing_share is not None):
            raise ValueError("A trailing stop, and no other order, needs a trailing share.")
        if self.time_in_force is not TimeInForce.GTC and not kind.has_limit_price:
            raise ValueError(f"A {kind} order can't be {self.time_in_force}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """Which order is meant: by our id, or by the exchange's for one that was placed elsewhere.

    `order_type` spares a question where an exchange keeps conditional orders apart, `placed_at`
    prices a cancel where young orders cost more; both are optional.
    """

    symbol: str
    client_order_id: str | None = None
    exchange_order_id: str | None = None
    order_type: OrderType | None = None
    placed_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.client_order_id and not self.exchange_order_id:
            raise ValueError("An order is named by its client order id or the exchange's id.")

    def __str__(self) -> str:
        return self.client_order_id or self.exchange_order_id or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; `trade_id` is unique within its symbol, the fee is in `fee_asset`.

    A rebate is a negative fee.
    """

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

    None stands for what the exchange did not tell: what is filled in a bare acknowledgement, the
    base quantity of an order by quote amount, an order type that only the exchange has.
    """

    symbol: str
    client_order_id: str | None
    exchange_order_id: str
    status: OrderStatus
    exchange_status: str
    side: OrderSide
    order_type: OrderType | None
    quantity: Decimal | None
    filled_quantity: Decimal | None
    filled_quote: Decimal | None
    price: Decimal | None
    quote_amount: Decimal | None = None
    trigger_price: Decimal | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    fills: tuple[Fill, ...] = ()
    raw: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def acknowledged(
        cls,
        request: OrderRequest,
        *,
        exchange_order_id: str,
        at: datetime | None,
        raw: Mapping[str, object],
    ) -> "OrderReport":
        """What is known of an order that the exchange took without telling more."""
        return cls(
            symbol=request.symbol,
            client_order_id=request.client_order_id,
            exchange_order_id=exchange_order_id,
            status=OrderStatus.OPEN,
            exchange_status="",
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            filled_quantity=None,
            filled_quote=None,
            price=request.price,
            quote_amount=request.quote_amount,
            trigger_price=request.trigger_price,
            created_at=at,
            updated_at=at,
            raw=raw,
        )

    @property
    def average_price(self) -> Decimal | None:
        """Quote per base over all fills, None before the first one or where it is not known."""
        if self.filled_quote is None or not self.filled_quantity:
            return None
        return self.filled_quote / self.filled_quantity

    @property
    def ref(self) -> OrderRef:
        """The name of this order."""
        return OrderRef(
            symbol=self.symbol,
            client_order_id=self.client_order_id,
            exchange_order_id=self.exchange_order_id,
            order_type=self.order_type,
            placed_at=self.created_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderListRequest:
    """Orders to place as one, each with its own client order id; the entry of an OTO comes first."""

    kind: OrderListKind
    client_list_id: str
    orders: tuple[OrderRequest, ...]

    def __post_init__(self) -> None:
        wanted = 3 if self.kind is OrderListKind.OTOCO else 2
        if len(self.orders) != wanted:
            raise ValueError(f"An {self.kind.upper()} has {wanted} orders, not {len(self.orders)}.")
        if len({order.symbol for order in self.orders}) != 1:
            raise ValueError("The orders of a list trade the same symbol.")
        legs = self.legs
        if legs and (legs[0].side, legs[0].quantity) != (legs[1].side, legs[1].quantity):
            raise ValueError("The two legs of an OCO have the same side and quantity.")
        if legs and sum(leg.order_type.is_stop for leg in legs) != 1:
            raise ValueError("One leg of an OCO is a stop, the other a limit or a take profit.")

    @property
    def symbol(self) -> str:
        """What all its orders trade."""
        return self.orders[0].symbol

    @property
    def legs(self) -> tuple[OrderRequest, ...]:
        """The two orders of which one cancels the other; none in an OTO."""
        return {
            OrderListKind.OCO: self.orders,
            OrderListKind.OTO: (),
            OrderListKind.OTOCO: self.orders[1:],
        }[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderListReport:
    """An order list as placed, with its orders in the sequence of the request."""

    exchange_list_id: str
    client_list_id: str
    orders: tuple[OrderReport, ...]
    raw: Mapping[str, object] = field(default_factory=dict)


class EditMethod(StrEnum):
    """How an exchange changes an order."""

    AMENDED = "amended"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditReport:
    """A changed order, and how: an amended one kept its ids, a replaced one has new ones."""

    method: EditMethod
    order: OrderReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """What a connection test found, in plain words; None where it could not be learned.

    `server_time_offset` is how many seconds the exchange's clock is ahead of ours, `permissions`
    are the exchange's own words for what the key may do.
    """

    ok: bool
    message: str
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    is_ip_restricted: bool | None = None
    permissions: tuple[str, ...] = ()
    balances: tuple[Balance, ...] = ()
    server_time_offset: float | None = None


class MarketData(Protocol):
    """What an exchange tells anybody; every method may raise RateLimited or ExchangeUnavailable."""

    @property
    def venue(self) -> str:
        """What this client's limits and statistics are kept under."""

    @property
    def capabilities(self) -> Capabilities:
        """What this exchange can do; what it can't is refused with Unsupported before any call."""

    def get_server_time(self) -> datetime:
        """The exchange's clock."""

    def get_markets(self) -> list[Market]:
        """Every market with its rules, those closed for trading included."""

    def get_ticker(self, symbol: str) -> Ticker:
        """Prices of one market; raises UnknownSymbol."""

    def fetch_tickers(self, symbols: Collection[str] | None = None) -> dict[str, Ticker]:
        """Prices by symbol, of all markets or of those named; one that does not exist is left out."""

    def get_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
        as_of: datetime | None = None,
    ) -> Candles:
        """Candles that open from `start` to `end`, both included, oldest first.

        At most `limit`: the oldest of them when `start` is given, else the newest. An exchange
        that keeps too little history gives what it has. `as_of` is what its clock has told before:
        it is not asked again whether candles that had ended by then are closed.
        """


class Broker(Protocol):
    """One account at an exchange.

    Reads may raise ExchangeUnavailable; a write that raises it, or any other error than
    OutcomeUnknown, did nothing. Every write is sent at most once.
    """

    def get_balance(self) -> list[Balance]:
        """Every asset the account holds something of."""

    def get_fees(self, symbol: str) -> Fee:
        """What this account pays in one market."""

    def place_order(self, request: OrderRequest, *, deadline: datetime) -> OrderReport:
        """Send an order once; the exchange itself refuses it when it arrives after `deadline`."""

    def place_order_list(self, request: OrderListRequest, *, deadline: datetime) -> OrderListReport:
        """Send tied orders once, all of them or none; `deadline` as for one order."""

    def cancel_order(self, ref: OrderRef) -> OrderReport | None:
        """The order after its cancel, None where the exchange only takes note: look it up then.

        OutcomeUnknown also when no such order is open any more: it may have been filled.
        """

    def cancel_all_orders(self, symbol: str) -> None:
        """Ask for every resting order of a symbol to be cancelled; what became of them is to be looked up."""

    def edit_order(
        self, current: OrderReport, target: OrderRequest, *, deadline: datetime
    ) -> EditReport:
        """Turn a resting order into `target`: in place where the exchange can, else cancel and replace.

        The target's quantity is what shall still rest, fills not counted. An amended order keeps its
        client order id, a replacement has the target's. OutcomeUnknown also when only one half of a
        replacement was done: look both up.
        """

    def fetch_order(self, ref: OrderRef) -> OrderReport:
        """The order as it stands, without its fills; raises OrderNotFound."""

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Open orders of one symbol, or of all, whoever placed them; conditional ones included."""

    def fetch_closed_orders(self, symbol: str | None, *, since: datetime) -> list[OrderReport]:
        """Orders created from `since` on that rest no more, oldest first; conditional ones included.

        Without a symbol of all, and Unsupported where the exchange tells history by symbol alone.
        """

    def fetch_fills(
        self,
        symbol: str | None,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Fill]:
        """Every fill of a symbol, oldest first, optionally of one order, from `since` on.

        Without a symbol as above.
        """

    def test_connection(self) -> ConnectionReport:
        """Whether the key works and what it may do; raises nothing of the exchange's."""


class ExchangeClient(MarketData, Broker, Protocol):
    """Market data and one account at the same exchange."""


class CandleStream(Protocol):
    """Live candles of many markets; after StreamClosed it has to be connected again."""

    def connect(self) -> None:
        """Open the connection with the current subscriptions."""

    def recv(self) -> KlineUpdate | None:
        """The next update, waited for; None for a frame that carries no candle.

        Where the exchange gives no closed flag, a candle is told closed when a later one begins.
        """

    def set_subscriptions(self, subscriptions: Iterable[tuple[str, Timeframe]]) -> None:
        """Follow exactly these (symbol, timeframe) from now on, without reconnecting."""

    def close(self) -> None:
        """Close the connection; harmless when there is none."""


class OrderStream(Protocol):
    """Changes of one account's orders as they happen; after StreamClosed connect again.

    What happened while it was not connected is not told: `apps.exchanges.feed` asks for it.
    """

    def connect(self) -> None:
        """Open the connection, prove who we are, and subscribe; returns once subscribed."""

    def recv(self) -> OrderReport | None:
        """The next change with its fill, waited for; None for a frame that tells of no order."""

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
