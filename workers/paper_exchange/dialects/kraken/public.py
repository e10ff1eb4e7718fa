"""Endpoints that anybody may ask: markets, candles, prices."""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from apps.domain.markets import Market
from apps.domain.orders import OrderSide
from workers.paper_exchange.book import Level
from workers.paper_exchange.dialects.kraken import errors, market_rows
from workers.paper_exchange.dialects.kraken.account_rows import Row
from workers.paper_exchange.dialects.kraken.gateway import Gateway
from workers.paper_exchange.dialects.kraken.names import (
    asset_altname,
    asset_code,
    get_market,
    pair_id,
)
from workers.paper_exchange.dialects.kraken.parameters import Parameters
from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, Candle
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.markets.live import LiveFeed, UpstreamFailed

#: Minutes of a candle, and how the upstream of a live market calls it.
INTERVALS = {
    1: "1m",
    5: "5m",
    15: "15m",
    30: "30m",
    60: "1h",
    240: "4h",
    1440: "1d",
    10080: "1w",
    21600: "",
}
MOST_CANDLES = 720
_MOST_LEVELS, _MOST_TRADES = 500, 1000


def time(gateway: Gateway, _parameters: Parameters) -> Row:
    """The market's time, in whole seconds."""
    now = datetime.fromtimestamp(gateway.now_ms // 1000, UTC)
    return {"unixtime": int(now.timestamp()), "rfc1123": format_datetime(now)}


def system_status(gateway: Gateway, _parameters: Parameters) -> Row:
    """Whether the exchange trades."""
    now = datetime.fromtimestamp(gateway.now_ms // 1000, UTC)
    return {"status": "online", "timestamp": now.isoformat().replace("+00:00", "Z")}


def assets(gateway: Gateway, parameters: Parameters) -> Row:
    """What is traded, by Kraken's codes."""
    known = {a for m in gateway.exchange.feed.markets.values() for a in (m.base, m.quote)}
    wanted = parameters.names("asset")
    if wanted:
        names = {n: a for a in known for n in (a, asset_code(a), asset_altname(a))}
        if set(wanted) - names.keys():
            raise errors.unknown_asset()
        known = {names[name] for name in wanted}
    return {asset_code(asset): market_rows.asset_row(asset) for asset in sorted(known)}


def asset_pairs(gateway: Gateway, parameters: Parameters) -> Row:
    """Pairs with their rules."""
    if (parameters.text("info") or "info") not in {"info", "leverage", "fees", "margin"}:
        raise errors.invalid_arguments("info")
    feed, venue = gateway.exchange.feed, gateway.engine.venue
    return {
        pair_id(market): market_rows.pair_row(market, venue, is_open=feed.is_open(market.symbol))
        for market in _chosen_markets(gateway, parameters)
    }


def ticker(gateway: Gateway, parameters: Parameters) -> Row:
    """Prices of the named pairs, or of all."""
    return {
        pair_id(market): _ticker(gateway, market) for market in _chosen_markets(gateway, parameters)
    }


def ohlc(gateway: Gateway, parameters: Parameters) -> Row | Awaitable[Row]:
    """The newest 720 candles after `since`, the running one last; the past is not to be had."""
    market = get_market(gateway.exchange, parameters.required("pair"))
    minutes = parameters.integer("interval") or 1
    since = parameters.number("since")
    since_ms = None if since is None else int(since * 1000)
    timeframe_ms = minutes * MINUTE_MS
    series = gateway.exchange.feed.series[market.symbol]
    if minutes not in INTERVALS or not series.serves(timeframe_ms):
        raise errors.invalid_arguments("interval")
    if isinstance(gateway.exchange.feed, LiveFeed) and INTERVALS[minutes]:
        # The real exchange's past goes further back than what we keep of it.
        wanted = {"interval": INTERVALS[minutes], "limit": MOST_CANDLES}
        answer = gateway.exchange.feed.upstream.klines(market, wanted)
        return _relayed(answer, market, since_ms)
    rows = series.newest(timeframe_ms, until_ms=None, limit=MOST_CANDLES)
    return _ohlc_answer(rows, market, since_ms)


def depth(gateway: Gateway, parameters: Parameters) -> Row:
    """The book around the price."""
    market = get_market(gateway.exchange, parameters.required("pair"))
    count = _count(parameters, default=100, largest=_MOST_LEVELS)
    now_ms = gateway.now_ms
    sides = book(gateway, market, count)
    return {
        pair_id(market): {
            name: [market_rows.depth_row(level, market, now_ms) for level in levels]
            for name, levels in zip(("bids", "asks"), sides, strict=True)
        }
    }


def trades(gateway: Gateway, parameters: Parameters) -> Row:
    """The last trades, oldest first; `since` is the `last` of an earlier answer."""
    market = get_market(gateway.exchange, parameters.required("pair"))
    count = _count(parameters, default=_MOST_TRADES, largest=_MOST_TRADES)
    since_ms = _since_ms(parameters)
    rows = [t for t in gateway.tape.trades(market.symbol) if t.at_ms > since_ms]
    rows = rows[:count] if since_ms else rows[-count:]
    last_ms = rows[-1].at_ms if rows else since_ms
    listed = [market_rows.public_trade_row(trade, market) for trade in rows]
    return {pair_id(market): listed, "last": str(last_ms * 1_000_000)}


def spread(gateway: Gateway, parameters: Parameters) -> Row:
    """How bid and ask have been, oldest first."""
    market = get_market(gateway.exchange, parameters.required("pair"))
    since_ms = _since_ms(parameters)
    rows = [t for t in gateway.tape.trades(market.symbol)[-200:] if t.at_ms > since_ms]
    listed = [market_rows.spread_row(trade, market) for trade in rows]
    return {pair_id(market): listed, "last": gateway.now_ms // 1000}


def book(gateway: Gateway, market: Market, count: int) -> tuple[list[Level], list[Level]]:
    """Bids and asks of the market itself."""
    quote = gateway.quote(market.symbol)
    liquidity = gateway.engine.liquidity(market.symbol, quote)
    bids, asks = liquidity.shown(OrderSide.SELL), liquidity.shown(OrderSide.BUY)
    if bids[0].price >= asks[0].price:
        # Fills keep to the candle, which at its first price is a point; a book shows a spread.
        bids[0], asks[0] = Level(quote.bid, bids[0].quantity), Level(quote.ask, asks[0].quantity)
    return bids[:count], asks[:count]


def windows(gateway: Gateway, market: Market, quote: Quote) -> tuple[Candle, Candle]:
    """Today and the last 24 hours, as one candle each."""
    series, now_ms = gateway.exchange.feed.series[market.symbol], gateway.now_ms
    price = float(quote.price)
    nothing = Candle(now_ms, price, price, price, price, 0.0)
    last = series.last or nothing
    return (
        series.since(now_ms // DAY_MS * DAY_MS) or last,
        series.since(now_ms - DAY_MS) or last,
    )


def _ticker(gateway: Gateway, market: Market) -> Row:
    quote = gateway.quote(market.symbol)
    bids, asks = book(gateway, market, 1)
    best = (bids[0], asks[0])
    return market_rows.ticker_row(market, quote, best, windows(gateway, market, quote))


def _chosen_markets(gateway: Gateway, parameters: Parameters) -> list[Market]:
    names = parameters.names("pair")
    if not names:
        return list(gateway.exchange.feed.markets.values())
    return [get_market(gateway.exchange, name) for name in names]


async def _relayed(answer: Awaitable[object], market: Market, since_ms: int | None) -> Row:
    """The real exchange's candles; its refusals are nothing that a client here could help."""
    try:
        rows: Any = await answer
        candles = [Candle(int(r[0]), *(float(value) for value in r[1:6])) for r in rows]
    except (UpstreamFailed, TypeError, ValueError, LookupError) as failure:
        raise errors.unavailable() from failure
    return _ohlc_answer(candles, market, since_ms)


def _ohlc_answer(candles: Sequence[Candle], market: Market, since_ms: int | None) -> Row:
    rows = [c for c in candles if since_ms is None or c.opened_ms > since_ms]
    # For the next question: the last candle that is closed.
    closed = candles[:-1] or candles
    last = closed[-1].opened_ms // 1000 if closed else 0
    return {pair_id(market): [market_rows.ohlc_row(c, market) for c in rows], "last": last}


def _count(parameters: Parameters, *, default: int, largest: int) -> int:
    count = parameters.integer("count")
    if count is not None and not 1 <= count <= largest:
        raise errors.invalid_arguments("count")
    return count or default


def _since_ms(parameters: Parameters) -> int:
    """Seconds, or the nanoseconds that `last` is told in."""
    since = parameters.number("since")
    if since is None:
        return 0
    return int(since // 1_000_000 if since > 10**14 else since * 1000)
