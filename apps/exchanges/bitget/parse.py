"""From Bitget's JSON to our nouns; pure, raises msgspec.DecodeError for what it can't read."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec

from apps.domain.markets import Market
from apps.exchanges.parsing import (
    HUGE,
    LATEST_MS,
    ZERO,
    check_numbers,
    make_candles,
    moment,
)
from apps.exchanges.ports import Balance, Candles, Fee, Ticker

Data = TypeVar("Data")

_Digits = Annotated[int, msgspec.Meta(ge=0, le=30)]
#: NaN and infinity are none of these.
_Number = Annotated[float, msgspec.Meta(ge=0, le=1e24)]
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
#: Minimum values are told in it, whatever the quote.
_VALUE_ASSET = "USDT"
_ONLINE = "online"
_CAN_TRADE = frozenset({"stow", "trade"})
_CAN_WITHDRAW = frozenset({"wwow", "withdraw"})


class Wire(msgspec.Struct, rename="camel"):
    """Names as in the JSON but in snake case; fields we don't name are skipped."""


class Answer(Wire, Generic[Data]):
    """What every good answer is wrapped in; `request_time` is the exchange's clock."""

    data: Data
    request_time: _Milliseconds | None = None


def untold(body: bytes) -> bytes:
    """JSON in which empty strings, Bitget's word for nothing, are null."""
    return body.replace(b':""', b":null")


class _TimeWire(Wire):
    server_time: int


_time = msgspec.json.Decoder(Answer[_TimeWire], strict=False)


def parse_server_time(body: bytes) -> datetime:
    """GET /api/v2/public/time."""
    return moment(_time.decode(body).data.server_time)


class _SymbolWire(
    msgspec.Struct,
    gc=False,
    rename={
        "base": "baseCoin",
        "quote": "quoteCoin",
        "price_digits": "pricePrecision",
        "quantity_digits": "quantityPrecision",
        "quote_digits": "quotePrecision",
        "min_quantity": "minTradeAmount",
        "max_quantity": "maxTradeAmount",
        "min_value": "minTradeUSDT",
    },
):
    symbol: str
    base: str
    quote: str
    price_digits: _Digits
    quantity_digits: _Digits
    quote_digits: _Digits
    status: str
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    min_value: Decimal | None = None


_symbols = msgspec.json.Decoder(Answer[list[_SymbolWire]], strict=False)


def parse_markets(body: bytes) -> dict[str, Market]:
    """GET /api/v2/spot/public/symbols, by wire symbol."""
    return {wire.symbol: _market(wire) for wire in _symbols.decode(untold(body)).data}


def _market(wire: _SymbolWire) -> Market:
    check_numbers(wire.min_quantity, wire.max_quantity, wire.min_value)
    base, quote = wire.base.upper(), wire.quote.upper()
    return Market(
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        tick_size=_step(wire.price_digits),
        step_size=_step(wire.quantity_digits),
        min_quantity=wire.min_quantity or ZERO,
        max_quantity=wire.max_quantity or ZERO,
        # In another quote the exchange alone knows what it comes to.
        min_notional=(wire.min_value or ZERO) if quote == _VALUE_ASSET else ZERO,
        quote_step=_step(wire.quote_digits),
        is_trading=wire.status == _ONLINE,
    )


def _step(digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits)


class _TickerWire(
    msgspec.Struct,
    gc=False,
    rename={
        "at_ms": "ts",
        "last": "lastPr",
        "bid": "bidPr",
        "ask": "askPr",
        "high": "high24h",
        "low": "low24h",
        "volume": "baseVolume",
        "quote_volume": "quoteVolume",
        "change": "change24h",
    },
):
    symbol: str
    at_ms: _Milliseconds
    last: Decimal | None
    # A side of the book that is empty is told as price zero.
    bid: Decimal | None = None
    ask: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    quote_volume: Decimal | None = None
    change: Decimal | None = None


_tickers = msgspec.json.Decoder(Answer[list[_TickerWire]], strict=False)


def parse_tickers(body: bytes, symbols: Mapping[str, str]) -> dict[str, Ticker]:
    """GET /api/v2/spot/market/tickers, by canonical symbol.

    Left out are wire symbols not in `symbols`, and markets that have never traded.
    """
    tickers: dict[str, Ticker] = {}
    # One loop without a call per row: thousands come at once.
    for wire in _tickers.decode(untold(body)).data:
        symbol, last = symbols.get(wire.symbol), wire.last
        if symbol is None or last is None:
            continue
        bid, ask, high, low = wire.bid, wire.ask, wire.high, wire.low
        volume, quote_volume, change = wire.volume, wire.quote_volume, wire.change
        numbers = (last, bid, ask, high, low, volume, quote_volume, change)
        try:
            is_sane = min(numbers) > -HUGE and max(numbers) < HUGE  # type: ignore[type-var, operator]
        except (InvalidOperation, TypeError):
            is_sane = False
        if not is_sane:
            check_numbers(*numbers)
        tickers[symbol] = Ticker(
            symbol=symbol,
            last=last,
            bid=bid or None,
            ask=ask or None,
            high=high,
            low=low,
            volume=volume,
            quote_volume=quote_volume,
            change=change,
            at_ms=wire.at_ms,
        )
    return tickers


def parse_ticker(body: bytes, symbol: str, wire_symbol: str) -> Ticker:
    """GET /api/v2/spot/market/tickers for one symbol."""
    tickers = parse_tickers(body, {wire_symbol: symbol})
    if symbol not in tickers:
        raise msgspec.ValidationError(f"it tells no last price of {symbol}")
    return tickers[symbol]


class KlineRow(msgspec.Struct, array_like=True, gc=False):
    """One candle over REST and in a stream; the volume is in base."""

    opened_at_ms: _Milliseconds
    open: _Number
    high: _Number
    low: _Number
    close: _Number
    volume: _Number


_klines = msgspec.json.Decoder(Answer[list[KlineRow] | None], strict=False)


def parse_klines(body: bytes) -> list[KlineRow]:
    """GET /api/v2/spot/market/candles and history-candles, in the order told."""
    return _klines.decode(body).data or []


def to_candles(rows: Iterable[KlineRow]) -> Candles:
    """Rows of any order as columns, oldest first; of one time the row told last counts.

    The last candle is taken for still running.
    """
    by_time = {row.opened_at_ms: row for row in rows}
    ordered = [by_time[at] for at in sorted(by_time)]
    return make_candles(
        [row.opened_at_ms for row in ordered],
        [row.open for row in ordered],
        [row.high for row in ordered],
        [row.low for row in ordered],
        [row.close for row in ordered],
        [row.volume for row in ordered],
    )


class _AssetWire(Wire, gc=False):
    coin: str
    available: Decimal
    frozen: Decimal
    locked: Decimal


_assets = msgspec.json.Decoder(Answer[list[_AssetWire]], strict=False)


def parse_balances(body: bytes) -> list[Balance]:
    """GET /api/v2/spot/account/assets: what the account holds something of."""
    balances: list[Balance] = []
    for wire in _assets.decode(body).data:
        check_numbers(wire.available, wire.frozen, wire.locked)
        # Frozen backs orders, locked is held for other products: neither can be spent.
        locked = wire.frozen + wire.locked
        if wire.available or locked:
            balances.append(Balance(asset=wire.coin.upper(), free=wire.available, locked=locked))
    return balances


class _RatesWire(Wire):
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal


_rates = msgspec.json.Decoder(Answer[_RatesWire], strict=False)


def parse_fees(body: bytes, symbol: str) -> Fee:
    """GET /api/v2/common/trade-rate."""
    wire = _rates.decode(body).data
    check_numbers(wire.maker_fee_rate, wire.taker_fee_rate)
    return Fee(symbol=symbol, maker=wire.maker_fee_rate, taker=wire.taker_fee_rate)


class _AccountWire(Wire):
    authorities: tuple[str, ...]
    ips: str | None = None


_account = msgspec.json.Decoder(Answer[_AccountWire], strict=False)


class KeyRights(NamedTuple):
    """What an API key may do, and its own words for it."""

    can_trade: bool
    can_withdraw: bool
    is_ip_restricted: bool | None
    words: tuple[str, ...]


def parse_key_rights(body: bytes) -> KeyRights:
    """GET /api/v2/spot/account/info; rights are told as codes or as plain words."""
    wire = _account.decode(body).data
    return KeyRights(
        can_trade=not _CAN_TRADE.isdisjoint(wire.authorities),
        can_withdraw=not _CAN_WITHDRAW.isdisjoint(wire.authorities),
        is_ip_restricted=None if wire.ips is None else bool(wire.ips),
        words=wire.authorities,
    )
