"""From Kraken's JSON to our nouns; pure, raises msgspec.DecodeError for what it can't read."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec

from apps.domain.markets import Market
from apps.exchanges.kraken.constants import LEGACY_ASSETS, PAIR_ASSETS, SPENDABLE_SUFFIXES
from apps.exchanges.parsing import (
    HUGE,
    ZERO,
    check_numbers,
    make_candles,
    milliseconds,
    moment,
)
from apps.exchanges.ports import Balance, Candles, Fee, Ticker

Result = TypeVar("Result")
#: Digits after the decimal point.
Digits = Annotated[int, msgspec.Meta(ge=0, le=30)]


class Answer(msgspec.Struct, Generic[Result]):
    """What every answer is wrapped in; errors have been read before."""

    error: tuple[str, ...]
    result: Result


def asset_name(code: str) -> str:
    """`BTC` for `XXBT`; only known names are translated, `XTZ` and `ZRX` are whole as they are."""
    return LEGACY_ASSETS.get(code, code)


def wire_symbol(symbol: str) -> str:
    """`BTC/USD` as Kraken's short name of the pair: `XBTUSD`."""
    return "".join(PAIR_ASSETS.get(asset, asset) for asset in symbol.split("/"))


def only(result: Mapping[str, Result]) -> Result:
    """The one value of an answer about one pair, which is keyed by a name of Kraken's choice."""
    if len(result) != 1:
        raise msgspec.ValidationError(f"{len(result)} pairs in an answer about one")
    return next(iter(result.values()))


class _TimeWire(msgspec.Struct):
    unixtime: int


_time = msgspec.json.Decoder(Answer[_TimeWire])


def parse_server_time(body: bytes) -> datetime:
    """Time: whole seconds, rounded down."""
    return moment(_time.decode(body).result.unixtime * 1000)


class _PairWire(msgspec.Struct, gc=False):
    altname: str
    base: str
    quote: str
    pair_decimals: Digits
    lot_decimals: Digits
    wsname: str = ""
    cost_decimals: Digits | None = None
    ordermin: Decimal = ZERO
    costmin: Decimal = ZERO
    tick_size: Decimal | None = None
    status: str = ""


_pairs = msgspec.json.Decoder(Answer[dict[str, _PairWire]])


class Listing(NamedTuple):
    """A market and the names that Kraken uses for it in answers."""

    names: tuple[str, ...]
    market: Market


def parse_markets(body: bytes) -> list[Listing]:
    """AssetPairs; pairs without a WebSocket name (dark pools) are left out.

    A pair whose status is not told counts as closed for trading.
    """
    pairs = _pairs.decode(body).result
    return [
        Listing((name, wire.altname, wire.wsname), _market(wire))
        for name, wire in pairs.items()
        if wire.wsname
    ]


def _market(wire: _PairWire) -> Market:
    base, slash, quote = wire.wsname.partition("/")
    if not slash:
        raise msgspec.ValidationError(f"{wire.wsname} is no pair")
    check_numbers(wire.ordermin, wire.costmin, wire.tick_size)
    base, quote = asset_name(base), asset_name(quote)
    return Market(
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        tick_size=_step(wire.pair_decimals) if wire.tick_size is None else wire.tick_size,
        step_size=_step(wire.lot_decimals),
        min_quantity=wire.ordermin,
        max_quantity=ZERO,
        min_notional=wire.costmin,
        quote_step=ZERO if wire.cost_decimals is None else _step(wire.cost_decimals),
        is_trading=wire.status == "online",
    )


def _step(digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits)


class _Price(msgspec.Struct, array_like=True, gc=False):
    price: Decimal


class _Windows(msgspec.Struct, array_like=True, gc=False):
    """A figure of today, which nobody reads as a number, and of the last 24 hours."""

    today: str
    day: Decimal


class TickerWire(msgspec.Struct, gc=False):
    """Prices of one pair."""

    a: _Price
    b: _Price
    c: _Price
    v: _Windows
    h: _Windows
    l: _Windows  # noqa: E741  the exchange's own name for the low


_tickers = msgspec.json.Decoder(Answer[dict[str, TickerWire]])


def parse_ticker(body: bytes, symbol: str) -> Ticker:
    """Ticker of one pair."""
    return to_ticker(symbol, only(parse_tickers(body)))


def parse_tickers(body: bytes) -> dict[str, TickerWire]:
    """Ticker of many pairs, by Kraken's own names."""
    wires = _tickers.decode(body).result
    for wire in wires.values():
        numbers = (
            *(wire.c.price, wire.b.price, wire.a.price),
            *(wire.h.day, wire.l.day, wire.v.day),
        )
        # check_numbers is five times slower, and there are a thousand tickers.
        if not all([number.is_finite() and number < HUGE for number in numbers]):  # noqa: C419
            check_numbers(*numbers)
    return wires


def to_ticker(symbol: str, wire: TickerWire) -> Ticker:
    """Kraken tells no time, and no price of 24 hours ago: its open is that of the day."""
    return Ticker(
        symbol=symbol,
        last=wire.c.price,
        # A side of the book that is empty, and a day without a trade, are told as zero.
        bid=wire.b.price or None,
        ask=wire.a.price or None,
        high=wire.h.day or None,
        low=wire.l.day or None,
        volume=wire.v.day,
        at_ms=None,
    )


class _CandleRow(msgspec.Struct, array_like=True, gc=False):
    time: int
    open: float
    high: float
    low: float
    close: float
    vwap: float
    volume: float


_candles = msgspec.json.Decoder(Answer[dict[str, list[_CandleRow] | int]], strict=False)


def parse_candles(body: bytes) -> Candles:
    """OHLC, oldest first; the last row is the running candle."""
    result = _candles.decode(body).result
    rows = only({name: rows for name, rows in result.items() if isinstance(rows, list)})
    return make_candles(
        [row.time * 1000 for row in rows],
        [row.open for row in rows],
        [row.high for row in rows],
        [row.low for row in rows],
        [row.close for row in rows],
        [row.volume for row in rows],
    )


def cut_candles(
    candles: Candles, start: datetime | None, end: datetime | None, limit: int
) -> Candles:
    """Those from `start` to `end`: the oldest `limit` of them if there is a start, else the newest."""
    times = candles.opened_at_ms
    first = 0 if start is None else bisect_left(times, milliseconds(start))
    last = len(times) if end is None else bisect_right(times, milliseconds(end))
    if start is None:
        first = max(first, last - limit)
    last = min(last, first + limit)
    return replace(
        candles,
        opened_at_ms=times[first:last],
        open=candles.open[first:last],
        high=candles.high[first:last],
        low=candles.low[first:last],
        close=candles.close[first:last],
        volume=candles.volume[first:last],
        closed=min(max(0, candles.closed - first), max(0, last - first)),
    )


class _BalanceWire(msgspec.Struct, gc=False):
    balance: Decimal
    hold_trade: Decimal
    credit: Decimal = ZERO
    credit_used: Decimal = ZERO


_balances = msgspec.json.Decoder(Answer[dict[str, _BalanceWire]])


def parse_balances(body: bytes) -> list[Balance]:
    """BalanceEx: what can be traded, per asset.

    What earns by itself (`.F`) can be, so it counts with the plain asset. Holdings with another
    suffix can't (staked `.S`, opt-in rewards `.M`, bonded `.B`, parachains `.P`, `.T`, `.HOLD`) and
    are left out, like assets of which there is nothing.
    """
    free: dict[str, Decimal] = {}
    locked: dict[str, Decimal] = {}
    for code, wire in _balances.decode(body).result.items():
        plain, _, suffix = code.partition(".")
        if suffix in SPENDABLE_SUFFIXES:
            asset = asset_name(plain)
            # Before the sums, which take a number that is none for an error of ours.
            check_numbers(wire.balance, wire.hold_trade, wire.credit, wire.credit_used)
            spendable = wire.balance - wire.hold_trade
            if wire.credit or wire.credit_used:
                spendable += wire.credit - wire.credit_used
            free[asset] = free[asset] + spendable if asset in free else spendable
            locked[asset] = locked.get(asset, ZERO) + wire.hold_trade
    return [
        Balance(asset=asset, free=amount, locked=locked[asset])
        for asset, amount in free.items()
        if amount or locked[asset]
    ]


class _RateWire(msgspec.Struct):
    fee: Decimal


class _VolumeWire(msgspec.Struct):
    fees: dict[str, _RateWire]
    fees_maker: dict[str, _RateWire] = {}


_volume = msgspec.json.Decoder(Answer[_VolumeWire])


def parse_fees(body: bytes, symbol: str) -> Fee:
    """TradeVolume of one pair, in percent; a pair without a maker's schedule has one fee for both."""
    wire = _volume.decode(body).result
    taker = only(wire.fees).fee
    maker = only(wire.fees_maker).fee if wire.fees_maker else taker
    check_numbers(taker, maker)
    return Fee(symbol=symbol, maker=maker.scaleb(-2), taker=taker.scaleb(-2))


class KeyRights(msgspec.Struct):
    """What an API key may do, in Kraken's words, and from where."""

    permissions: tuple[str, ...]
    ip_allowlist: tuple[str, ...] | None = None

    @property
    def is_ip_restricted(self) -> bool | None:
        """Whether only listed addresses may use it; an empty entry is no address."""
        return None if self.ip_allowlist is None else any(self.ip_allowlist)


_key_rights = msgspec.json.Decoder(Answer[KeyRights])


def parse_key_rights(body: bytes) -> KeyRights:
    """GetApiKeyInfo."""
    return _key_rights.decode(body).result


class _TokenWire(msgspec.Struct):
    token: str


_token = msgspec.json.Decoder(Answer[_TokenWire])


def parse_stream_token(body: bytes) -> str:
    """GetWebSocketsToken: opens one private stream within 15 minutes."""
    return _token.decode(body).result.token
