"""Endpoints that anybody may ask: markets, candles, prices."""

import json
from collections.abc import Awaitable

from apps.domain.markets import Market
from workers.paper_exchange.dialects.binance import errors, market_rows
from workers.paper_exchange.dialects.binance.books import Best, book_of
from workers.paper_exchange.dialects.binance.limits import limit_rows
from workers.paper_exchange.dialects.binance.names import INTERVALS, get_market
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, Candle
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.markets.live import LiveFeed

_INTERVAL = r"^[0-9]{1,2}[smhdwM]$"
Rows = dict[str, object] | list[dict[str, object]]


def ping(_exchange: PaperExchange, parameters: Parameters) -> Rows:
    """Nothing, to show that the exchange is there."""
    parameters.finish()
    return {}


def time(exchange: PaperExchange, parameters: Parameters) -> Rows:
    """The market's time."""
    parameters.finish()
    return {"serverTime": exchange.clock.now_ms()}


def exchange_info(exchange: PaperExchange, parameters: Parameters) -> Rows:
    """Symbols with their rules, and the rate limits."""
    markets = _chosen_markets(exchange, parameters)
    parameters.flag("showPermissionSets")
    parameters.text("permissions")
    status = parameters.text("symbolStatus")
    parameters.finish()
    rows = [
        market_rows.symbol_row(market, is_open=exchange.feed.is_open(market.symbol))
        for market in markets
    ]
    return {
        "timezone": "UTC",
        "serverTime": exchange.clock.now_ms(),
        "rateLimits": limit_rows(),
        "exchangeFilters": [],
        "symbols": [row for row in rows if status in {None, row["status"]}],
    }


def klines(
    exchange: PaperExchange, parameters: Parameters
) -> list[list[object]] | Awaitable[object]:
    """Candles, oldest first; the running one is the last."""
    market = get_market(exchange, parameters.required_symbol())
    interval = parameters.required("interval", _INTERVAL)
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    limit = parameters.limit(default=500, largest=1000)
    if parameters.text("timeZone") not in {None, "0"}:
        raise errors.invalid_data("timeZone")
    parameters.finish()
    series = exchange.feed.series[market.symbol]
    timeframe_ms = INTERVALS.get(interval)
    if timeframe_ms is None or not series.serves(timeframe_ms):
        raise errors.invalid_interval()
    if isinstance(exchange.feed, LiveFeed):
        # The real exchange's past goes further back than what we keep of it.
        wanted = {"interval": interval, "startTime": start_ms, "endTime": end_ms, "limit": limit}
        return _relayed(exchange.feed.upstream.klines(market, wanted))
    if start_ms is None:
        rows = series.newest(timeframe_ms, until_ms=end_ms, limit=limit)
    else:
        rows = series.oldest(timeframe_ms, from_ms=start_ms, until_ms=end_ms, limit=limit)
    return [market_rows.kline_row(candle, timeframe_ms) for candle in rows]


def ticker_24hr(exchange: PaperExchange, parameters: Parameters) -> Rows:
    """The statistics of the last 24 hours."""
    markets = _chosen_markets(exchange, parameters)
    kind = parameters.text("type") or "FULL"
    is_single = parameters.peek("symbol") is not None
    parameters.finish()
    if kind not in {"FULL", "MINI"}:
        raise errors.invalid_ticker_type()
    now_ms = exchange.clock.now_ms()
    rows = [
        market_rows.ticker_row(market, day, quote, _best(exchange, market), now_ms)
        if kind == "FULL"
        else market_rows.mini_ticker_row(market, day, now_ms)
        for market in markets
        for quote, day in [(_quote(exchange, market), _since(exchange, market, DAY_MS))]
    ]
    return rows[0] if is_single else rows


def ticker_price(exchange: PaperExchange, parameters: Parameters) -> Rows:
    """Last prices."""
    markets = _chosen_markets(exchange, parameters)
    is_single = parameters.peek("symbol") is not None
    parameters.finish()
    rows = [market_rows.price_row(market, _quote(exchange, market)) for market in markets]
    return rows[0] if is_single else rows


def book_ticker(exchange: PaperExchange, parameters: Parameters) -> Rows:
    """Best bids and asks."""
    markets = _chosen_markets(exchange, parameters)
    is_single = parameters.peek("symbol") is not None
    parameters.finish()
    rows = [market_rows.book_ticker_row(market, _best(exchange, market)) for market in markets]
    return rows[0] if is_single else rows


def average_price(exchange: PaperExchange, parameters: Parameters) -> Rows:
    """The average of the last five minutes."""
    market = get_market(exchange, parameters.required_symbol())
    parameters.finish()
    recent = _since(exchange, market, 5 * MINUTE_MS)
    average = market_rows.quote_volume(recent) / recent.volume if recent.volume else recent.close
    return {"mins": 5, "price": f"{average:.8f}", "closeTime": exchange.clock.now_ms()}


def depth(exchange: PaperExchange, parameters: Parameters) -> Rows:
    """The levels around the price."""
    market = get_market(exchange, parameters.required_symbol())
    limit = parameters.limit(default=100, largest=5000)
    parameters.finish()
    book = book_of(exchange, market, _quote(exchange, market))
    return {"lastUpdateId": exchange.clock.now_ms(), **book.rows(limit)}


def _chosen_markets(exchange: PaperExchange, parameters: Parameters) -> list[Market]:
    """The markets of `symbol` or `symbols`; all of them when neither was sent."""
    symbol, symbols = parameters.symbol(), parameters.text("symbols")
    if symbol and symbols:
        raise errors.bad_combination()
    if symbol:
        return [get_market(exchange, symbol)]
    if symbols is None:
        return list(exchange.feed.markets.values())
    try:
        names = json.loads(symbols)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names:
        raise errors.illegal_characters(
            "symbols", r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$'
        )
    return [get_market(exchange, str(name)) for name in names]


async def _relayed(answer: Awaitable[object]) -> object:
    """The real exchange's answer, its refusals included."""
    reply = await answer
    if isinstance(reply, dict) and "code" in reply:
        raise errors.BinanceError(reply["code"], reply["msg"])
    return reply


def _quote(exchange: PaperExchange, market: Market) -> Quote:
    quote = exchange.feed.quote(market.symbol)
    if quote is None:
        raise errors.unavailable()
    return quote


def _best(exchange: PaperExchange, market: Market) -> Best:
    return book_of(exchange, market, _quote(exchange, market)).best


def _since(exchange: PaperExchange, market: Market, age_ms: int) -> Candle:
    """Everything of the last `age_ms` as one candle; the last candle when that is nothing."""
    series = exchange.feed.series[market.symbol]
    candle = series.since(exchange.clock.now_ms() - age_ms) or series.last
    if candle is None:
        raise errors.unavailable()
    return candle
