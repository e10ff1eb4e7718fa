"""From Binance's JSON to our nouns; pure, raises msgspec.DecodeError for what it can't read."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import msgspec

from apps.domain.markets import Market
from apps.exchanges.parsing import (
    HUGE,
    LATEST_MS,
    ZERO,
    check_balances,
    check_numbers,
    make_candles,
    moment,
    step_of,
)
from apps.exchanges.ports import Balance, Candles, Fee, Ticker


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
    max_notional: Decimal = ZERO


class _SymbolWire(Wire):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    quote_precision: int
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
    market_lot = rules.get("MARKET_LOT_SIZE", _NO_RULE)
    notional = rules.get("NOTIONAL") or rules.get("MIN_NOTIONAL", _NO_RULE)
    tick_size = rules.get("PRICE_FILTER", _NO_RULE).tick_size
    check_numbers(tick_size, notional.min_notional, notional.max_notional)
    for rule in (lot, market_lot):
        check_numbers(rule.step_size, rule.min_qty, rule.max_qty)
    return Market(
        symbol=f"{wire.base_asset}/{wire.quote_asset}",
        base=wire.base_asset,
        quote=wire.quote_asset,
        tick_size=tick_size,
        step_size=lot.step_size,
        min_quantity=lot.min_qty,
        max_quantity=lot.max_qty,
        min_notional=notional.min_notional,
        max_notional=notional.max_notional,
        market_step_size=market_lot.step_size,
        market_min_quantity=market_lot.min_qty,
        market_max_quantity=market_lot.max_qty,
        quote_step=step_of(wire.quote_precision),
        is_trading=wire.status == "TRADING" and wire.is_spot_trading_allowed,
    )


class _TickerWire(Wire, gc=False):
    symbol: str
    last_price: Decimal
    close_time: int
    # A side of the book that is empty is told as price zero.
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    volume: Decimal | None = None
    quote_volume: Decimal | None = None
    price_change_percent: Decimal | None = None


_ticker = msgspec.json.Decoder(_TickerWire, strict=False)
_tickers = msgspec.json.Decoder(list[_TickerWire], strict=False)


def parse_ticker(body: bytes, symbol: str) -> Ticker:
    """GET /api/v3/ticker/24hr for one symbol."""
    wire = _ticker.decode(body)
    return _to_tickers([wire], {wire.symbol: symbol})[symbol]


def parse_tickers(body: bytes, symbols: Mapping[str, str]) -> dict[str, Ticker]:
    """GET /api/v3/ticker/24hr for many, by canonical symbol; wire symbols not in `symbols` are left out."""
    return _to_tickers(_tickers.decode(body), symbols)


class _NameWire(Wire, gc=False):
    symbol: str


_names = msgspec.json.Decoder(list[_NameWire])


def list_wire_symbols(body: bytes) -> list[str]:
    """The wire symbols of an answer with many tickers."""
    return [wire.symbol for wire in _names.decode(body)]


def _to_tickers(wires: list[_TickerWire], symbols: Mapping[str, str]) -> dict[str, Ticker]:
    """One loop without a call per row: thousands come at once."""
    tickers: dict[str, Ticker] = {}
    for wire in wires:
        symbol = symbols.get(wire.symbol)
        if not symbol:
            continue
        last, bid, ask = wire.last_price, wire.bid_price, wire.ask_price
        high, low, volume = wire.high_price, wire.low_price, wire.volume
        quote_volume, percent = wire.quote_volume, wire.price_change_percent
        numbers = (last, bid, ask, high, low, volume, quote_volume, percent)
        try:
            is_sane = max(numbers) < HUGE and percent > -HUGE  # type: ignore[type-var, operator]
        except (InvalidOperation, TypeError):
            is_sane = False
        if not is_sane:
            check_numbers(*numbers)
        if not 0 <= wire.close_time <= LATEST_MS:
            raise msgspec.ValidationError(f"{wire.close_time} is no time")
        tickers[symbol] = Ticker(
            symbol=symbol,
            last=last,
            bid=bid or None,
            ask=ask or None,
            high=high,
            low=low,
            volume=volume,
            quote_volume=quote_volume,
            change=percent and percent.scaleb(-2),
            at_ms=wire.close_time,
        )
    return tickers


class _KlineRow(msgspec.Struct, array_like=True, gc=False):
    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


_klines = msgspec.json.Decoder(list[_KlineRow], strict=False)


def parse_candles(body: bytes) -> Candles:
    """GET /api/v3/klines; the last one is taken for still running."""
    rows = _klines.decode(body)
    return make_candles(
        [row.open_time for row in rows],
        [row.open for row in rows],
        [row.high for row in rows],
        [row.low for row in rows],
        [row.close for row in rows],
        [row.volume for row in rows],
    )


class _AccountWire(Wire):
    can_trade: bool
    balances: list[Balance]  # written as ours


_account = msgspec.json.Decoder(_AccountWire)


class Account(NamedTuple):
    """Balances, and whether the account (not the key) may trade."""

    can_trade: bool
    balances: list[Balance]


def parse_account(body: bytes) -> Account:
    """GET /api/v3/account."""
    wire = _account.decode(body)
    check_balances(wire.balances)
    return Account(wire.can_trade, wire.balances)


class KeyRights(Wire):
    """What an API key may do."""

    enable_spot_and_margin_trading: bool
    enable_withdrawals: bool
    ip_restrict: bool | None = None
    enable_reading: bool | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What is allowed, in Binance's own words."""
        rights = {
            "enableReading": self.enable_reading,
            "enableSpotAndMarginTrading": self.enable_spot_and_margin_trading,
            "enableWithdrawals": self.enable_withdrawals,
        }
        return tuple(name for name, is_allowed in rights.items() if is_allowed)


def parse_key_rights(body: bytes) -> KeyRights:
    """GET /sapi/v1/account/apiRestrictions."""
    return msgspec.json.decode(body, type=KeyRights)


class _RatesWire(Wire):
    maker: Decimal
    taker: Decimal
    buyer: Decimal = ZERO
    seller: Decimal = ZERO


class _CommissionWire(Wire):
    standard_commission: _RatesWire
    tax_commission: _RatesWire
    special_commission: _RatesWire | None = None


def parse_fees(body: bytes, symbol: str) -> Fee:
    """GET /api/v3/account/commission: the parts that are charged, summed; the dearer of buyer and seller.

    The discount of paying in BNB is not taken off, since nobody can be sure there will be BNB.
    """
    wire = msgspec.json.decode(body, type=_CommissionWire)
    parts = [wire.standard_commission, wire.tax_commission]
    if wire.special_commission is not None:
        parts.append(wire.special_commission)
    for part in parts:
        check_numbers(part.maker, part.taker, part.buyer, part.seller)
    side = max(sum(part.buyer for part in parts), sum(part.seller for part in parts))
    maker = sum((part.maker for part in parts), ZERO) + side
    taker = sum((part.taker for part in parts), ZERO) + side
    return Fee(symbol=symbol, maker=maker, taker=taker)
