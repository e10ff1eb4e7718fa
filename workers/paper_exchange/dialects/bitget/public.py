"""Endpoints that anybody may ask: time, markets, candles, prices."""

from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

from apps.domain.markets import Market
from workers.paper_exchange.dialects.bitget import errors, market_rows, periods
from workers.paper_exchange.dialects.bitget.names import get_market
from workers.paper_exchange.dialects.bitget.parameters import Parameters
from workers.paper_exchange.dialects.bitget.periods import GRANULARITIES, Period
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import DAY_MS
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.markets.live import LiveFeed, UpstreamFailed

_MOST_YOUNG, _MOST_OLD = 1000, 200
_SPAN_MS = 90 * DAY_MS
#: How much the levels of a depth list are merged, in ticks.
_STEPS = {f"step{number}": Decimal(10) ** number for number in range(6)}
_BOOK_LEVELS = 150
#: What the upstream of a live market calls the lengths that it has as well.
_UPSTREAM_WORDS = {
    "1min": "1m",
    "3min": "3m",
    "5min": "5m",
    "15min": "15m",
    "30min": "30m",
    "1h": "1h",
    "4h": "4h",
    "6Hutc": "6h",
    "12Hutc": "12h",
    "1Dutc": "1d",
    "3Dutc": "3d",
    "1Wutc": "1w",
    "1Mutc": "1M",
}


def time(exchange: PaperExchange, _fields: Parameters) -> object:
    """The market's time."""
    return {"serverTime": str(exchange.clock.now_ms())}


def symbols(exchange: PaperExchange, fields: Parameters) -> object:
    """Symbols with their rules."""
    return [
        market_rows.symbol_row(market, is_open=exchange.feed.is_open(market.symbol))
        for market in _chosen_markets(exchange, fields)
    ]


def coins(exchange: PaperExchange, fields: Parameters) -> object:
    """Every coin that is traded, or one of them."""
    wanted = fields.text("coin")
    listed = sorted({a for m in exchange.feed.markets.values() for a in (m.base, m.quote)})
    rows = enumerate(listed, start=1)
    return [
        market_rows.coin_row(number, coin)
        for number, coin in rows
        if wanted is None or coin == wanted.upper()
    ]


def no_margin(_exchange: PaperExchange, _fields: Parameters) -> object:
    """Margin trading has no pair here."""
    return []


def tickers(exchange: PaperExchange, fields: Parameters) -> object:
    """The statistics of one symbol or of all."""
    return [
        market_rows.ticker_row(exchange, market, _quote(exchange, market))
        for market in _chosen_markets(exchange, fields)
    ]


def candles(exchange: PaperExchange, fields: Parameters) -> object:
    """Young candles, oldest first; the running one is the last."""
    word, period = _read_granularity(fields)
    reach_ms = exchange.clock.now_ms() - periods.reach_ms(period)
    return _candles(exchange, fields, word, from_ms=reach_ms, most=_MOST_YOUNG)


def history_candles(exchange: PaperExchange, fields: Parameters) -> object:
    """Candles of any age before a moment."""
    word, _ = _read_granularity(fields)
    fields.required("endTime")
    return _candles(exchange, fields, word, from_ms=0, most=_MOST_OLD)


def order_book(exchange: PaperExchange, fields: Parameters) -> object:
    """The levels around the price."""
    market = get_market(exchange, fields.required("symbol"))
    limit = fields.limit(default=_BOOK_LEVELS, largest=_BOOK_LEVELS)
    step = market.tick_size * fields.choice("type", _STEPS, default="step0")
    quote = _quote(exchange, market)
    return market_rows.book_row(exchange, market, quote, limit=limit, step=step)


def _candles(
    exchange: PaperExchange, fields: Parameters, word: str, *, from_ms: int, most: int
) -> object:
    market = get_market(exchange, fields.required("symbol"))
    start_ms, end_ms = fields.integer("startTime"), fields.integer("endTime")
    limit = fields.limit(default=100, largest=most)
    if start_ms is not None and end_ms is not None and end_ms - start_ms > _SPAN_MS:
        raise errors.plan_span_too_long()
    from_ms = max(from_ms, start_ms or 0)
    if isinstance(exchange.feed, LiveFeed) and word in _UPSTREAM_WORDS:
        # The real market's past goes further back than what we keep of it.
        wanted = {
            "interval": _UPSTREAM_WORDS[word],
            "startTime": from_ms if start_ms is not None else None,
            "endTime": None if end_ms is None else end_ms - 1,
            "limit": limit,
        }
        return _relayed(exchange.feed.upstream.klines(market, wanted))
    now_ms = exchange.clock.now_ms()
    before_ms = now_ms + 1 if end_ms is None else min(end_ms, now_ms + 1)
    series = exchange.feed.series[market.symbol]
    rows = periods.newest(
        series, GRANULARITIES[word], from_ms=from_ms, before_ms=before_ms, limit=limit
    )
    return [market_rows.candle_row(candle) for candle in rows]


async def _relayed(answer: Awaitable[object]) -> object:
    """The rows of the exchange behind a live market; quote volume is their eighth column."""
    try:
        rows: Any = await answer
    except UpstreamFailed as failure:
        raise errors.unavailable() from failure
    if not isinstance(rows, list):
        raise errors.unavailable()
    return [[str(row[0]), *row[1:6], row[7], row[7]] for row in rows]


def _read_granularity(fields: Parameters) -> tuple[str, Period]:
    word = fields.required("granularity")
    if word not in GRANULARITIES:
        raise errors.malformed("granularity")
    return word, GRANULARITIES[word]


def _chosen_markets(exchange: PaperExchange, fields: Parameters) -> list[Market]:
    symbol = fields.text("symbol")
    if symbol is not None:
        return [get_market(exchange, symbol)]
    return list(exchange.feed.markets.values())


def _quote(exchange: PaperExchange, market: Market) -> Quote:
    quote = exchange.feed.quote(market.symbol)
    if quote is None:
        raise errors.unavailable()
    return quote
