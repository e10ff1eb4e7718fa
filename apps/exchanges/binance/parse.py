"""From Binance's JSON to our nouns; pure, raises msgspec.DecodeError for what it can't read."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from apps.domain.candles import EPOCH
from apps.domain.markets import Market
from apps.exchanges.ports import Balance, Candle, Ticker

ZERO = Decimal(0)


def moment(milliseconds: int) -> datetime:
    """A UTC time from Binance's milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros, which count as too much precision."""
    return format(value.normalize(), "f")


class Wire(msgspec.Struct, rename="camel"):
    """Names as in the JSON but in snake case; fields we don't name are skipped."""


class _TimeWire(Wire):
    server_time: int


def parse_server_time(body: bytes) -> datetime:
    """GET /api/v3/time."""
    return moment(msgspec.json.decode(body, type=_TimeWire).server_time)


class _FilterWire(Wire):
    filter_type: str
    tick_size: Decimal = ZERO
    step_size: Decimal = ZERO
    min_qty: Decimal = ZERO
    max_qty: Decimal = ZERO
    min_notional: Decimal = ZERO


class _SymbolWire(Wire):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    is_spot_trading_allowed: bool
    filters: tuple[_FilterWire, ...]


class _ExchangeInfoWire(Wire):
    symbols: tuple[_SymbolWire, ...]


_NO_RULE = _FilterWire(filter_type="")


def parse_markets(body: bytes) -> dict[str, Market]:
    """GET /api/v3/exchangeInfo, by wire symbol."""
    wire = msgspec.json.decode(body, type=_ExchangeInfoWire)
    return {symbol.symbol: _market(symbol) for symbol in wire.symbols}


def _market(wire: _SymbolWire) -> Market:
    rules = {rule.filter_type: rule for rule in wire.filters}
    lot = rules.get("LOT_SIZE", _NO_RULE)
    # One market has one lot here, so the stricter of the two applies; without a step
    # Binance lets LOT_SIZE alone count.
    lots = [lot]
    if (market_lot := rules.get("MARKET_LOT_SIZE", _NO_RULE)).step_size:
        lots.append(market_lot)
    notional = rules.get("NOTIONAL") or rules.get("MIN_NOTIONAL", _NO_RULE)
    return Market(
        symbol=f"{wire.base_asset}/{wire.quote_asset}",
        base=wire.base_asset,
        quote=wire.quote_asset,
        tick_size=rules.get("PRICE_FILTER", _NO_RULE).tick_size,
        step_size=max(rule.step_size for rule in lots),
        min_quantity=max(rule.min_qty for rule in lots),
        max_quantity=min((rule.max_qty for rule in lots if rule.max_qty), default=ZERO),
        min_notional=notional.min_notional,
        is_trading=wire.status == "TRADING" and wire.is_spot_trading_allowed,
    )


class _TickerWire(Wire):
    last_price: Decimal
    close_time: int
    bid_price: Decimal = ZERO
    ask_price: Decimal = ZERO


def parse_ticker(body: bytes, symbol: str) -> Ticker:
    """GET /api/v3/ticker/24hr for one symbol; an empty side of the book is told as price zero."""
    wire = msgspec.json.decode(body, type=_TickerWire, strict=False)
    return Ticker(
        symbol=symbol,
        last=wire.last_price,
        bid=wire.bid_price or None,
        ask=wire.ask_price or None,
        at=moment(wire.close_time),
    )


class _KlineRow(msgspec.Struct, array_like=True, gc=False):
    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_time: int


_klines = msgspec.json.Decoder(list[_KlineRow], strict=False)


def parse_candles(body: bytes, now: datetime) -> list[Candle]:
    """GET /api/v3/klines; closed are those that had ended by `now` on the exchange's clock."""
    now_ms = milliseconds(now)
    return [
        Candle(
            opened_at=moment(row.open_time),
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
            is_closed=row.close_time < now_ms,
        )
        for row in _klines.decode(body)
    ]


class _BalanceWire(Wire):
    asset: str
    free: Decimal
    locked: Decimal


class _AccountWire(Wire):
    can_trade: bool
    balances: tuple[_BalanceWire, ...]


class Account(NamedTuple):
    """Balances, and whether the account (not the key) may trade."""

    can_trade: bool
    balances: list[Balance]


def parse_account(body: bytes) -> Account:
    """GET /api/v3/account."""
    wire = msgspec.json.decode(body, type=_AccountWire)
    balances = [Balance(asset=b.asset, free=b.free, locked=b.locked) for b in wire.balances]
    return Account(wire.can_trade, balances)


class KeyRights(Wire):
    """What an API key may do."""

    enable_spot_and_margin_trading: bool
    enable_withdrawals: bool


def parse_key_rights(body: bytes) -> KeyRights:
    """GET /sapi/v1/account/apiRestrictions."""
    return msgspec.json.decode(body, type=KeyRights)
