"""From Example's JSON to our nouns; pure, raises msgspec.DecodeError for what it can't read."""

from datetime import datetime
from decimal import Decimal

import msgspec

from apps.domain.markets import ZERO, Market
from apps.exchanges.parsing import LATEST_MS, check_balances, check_numbers, make_candles, moment
from apps.exchanges.ports import Balance, Candles, Ticker

#: When it opens; open, high, low, close; volume.
CandleRow = tuple[int, float, float, float, float, float]


def wire_symbol(symbol: str) -> str:
    """`BTC/USDT` as Example writes it."""
    return symbol.replace("/", "-")


def canonical_symbol(wire: str) -> str:
    """The other way round."""
    # Decide: a name without a separator can't be split; the market list has to be asked (see Binance).
    return wire.replace("-", "/")


class _TimeWire(msgspec.Struct):
    now: int


def parse_server_time(body: bytes) -> datetime:
    """GET /time."""
    return moment(msgspec.json.decode(body, type=_TimeWire).now)


class _MarketWire(msgspec.Struct):
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    status: str


def parse_markets(body: bytes) -> list[Market]:
    """GET /markets; zero is no rule."""
    wires = msgspec.json.decode(body, type=list[_MarketWire])
    for wire in wires:
        check_numbers(wire.tick, wire.step, wire.min_quantity, wire.min_notional)
    return [
        Market(
            symbol=f"{wire.base}/{wire.quote}",
            base=wire.base,
            quote=wire.quote,
            tick_size=wire.tick,
            step_size=wire.step,
            min_quantity=wire.min_quantity,
            max_quantity=ZERO,
            min_notional=wire.min_notional,
            is_trading=wire.status == "open",
        )
        for wire in wires
    ]


class _TickerWire(msgspec.Struct):
    symbol: str
    last: Decimal
    bid: Decimal | None
    ask: Decimal | None
    at: int


def parse_tickers(body: bytes) -> dict[str, Ticker]:
    """GET /tickers, by canonical symbol."""
    tickers: dict[str, Ticker] = {}
    for wire in msgspec.json.decode(body, type=list[_TickerWire]):
        check_numbers(wire.last, wire.bid, wire.ask)
        if not 0 <= wire.at <= LATEST_MS:
            raise msgspec.ValidationError(f"{wire.at} is no time")
        symbol = canonical_symbol(wire.symbol)
        tickers[symbol] = Ticker(
            symbol=symbol, last=wire.last, bid=wire.bid, ask=wire.ask, at_ms=wire.at
        )
    return tickers


def parse_candles(body: bytes) -> Candles:
    """GET /candles; the last one is taken for still running."""
    rows = msgspec.json.decode(body, type=list[CandleRow])
    return make_candles(*(zip(*rows, strict=True) if rows else [()] * 6))


class Account(msgspec.Struct):
    """What the account of a key holds and pays, and what the key may do."""

    balances: list[Balance]  # written as ours
    maker: Decimal
    taker: Decimal
    rights: tuple[str, ...]


def parse_account(body: bytes) -> Account:
    """GET /account."""
    account = msgspec.json.decode(body, type=Account)
    check_balances(account.balances)
    check_numbers(account.maker, account.taker)
    return account
