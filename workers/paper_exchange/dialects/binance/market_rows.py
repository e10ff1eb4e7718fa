"""Markets, candles and prices as Binance's JSON; numbers that matter are strings."""

from apps.domain.markets import Market
from workers.paper_exchange.dialects.binance.books import Best
from workers.paper_exchange.dialects.binance.filters import Row, plain, render_filters
from workers.paper_exchange.dialects.binance.names import (
    ORDER_TYPES,
    SELF_TRADE_MODES,
    wire_symbol,
)
from workers.paper_exchange.dialects.binance.parameters import PRECISION
from workers.paper_exchange.markets.candles import Candle
from workers.paper_exchange.markets.feed import Quote

#: What one trade of a busy market is worth: turns volume into a plausible number of trades.
_TRADE_NOTIONAL = 2000


def symbol_row(market: Market, *, is_open: bool) -> Row:
    """A symbol in exchangeInfo."""
    return {
        "symbol": wire_symbol(market),
        "status": "TRADING" if is_open else "BREAK",
        "baseAsset": market.base,
        "baseAssetPrecision": PRECISION,
        "quoteAsset": market.quote,
        "quotePrecision": PRECISION,
        "quoteAssetPrecision": PRECISION,
        "baseCommissionPrecision": PRECISION,
        "quoteCommissionPrecision": PRECISION,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": render_filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": list(SELF_TRADE_MODES),
    }


def trade_count(candle: Candle) -> int:
    """How many trades such a volume is likely to have had."""
    return int(candle.volume * candle.close / _TRADE_NOTIONAL) + (1 if candle.volume else 0)


def quote_volume(candle: Candle) -> float:
    """The candle's volume in quote, at its average price."""
    return candle.volume * (candle.open + candle.high + candle.low + candle.close) / 4


def kline_row(candle: Candle, timeframe_ms: int) -> list[object]:
    """A row of klines."""
    quoted = quote_volume(candle)
    return [
        candle.opened_ms,
        *(f"{price:.8f}" for price in candle[1:5]),
        f"{candle.volume:.8f}",
        candle.opened_ms + timeframe_ms - 1,
        f"{quoted:.8f}",
        trade_count(candle),
        f"{candle.volume / 2:.8f}",
        f"{quoted / 2:.8f}",
        "0",
    ]


def ticker_row(market: Market, day: Candle, quote: Quote, best: Best, now_ms: int) -> Row:
    """The statistics of the last 24 hours, which are given as one candle."""
    change = day.close - day.open
    average = quote_volume(day) / day.volume if day.volume else day.close
    return {
        "symbol": wire_symbol(market),
        "priceChange": f"{change:.8f}",
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": f"{average:.8f}",
        "prevClosePrice": f"{day.open:.8f}",
        "lastPrice": plain(quote.price),
        "lastQty": plain(market.min_quantity),
        **book_ticker_row(market, best),
        **mini_ticker_row(market, day, now_ms),
    }


def mini_ticker_row(market: Market, day: Candle, now_ms: int) -> Row:
    """The shorter statistics of the last 24 hours."""
    return {
        "symbol": wire_symbol(market),
        "openPrice": f"{day.open:.8f}",
        "highPrice": f"{day.high:.8f}",
        "lowPrice": f"{day.low:.8f}",
        "lastPrice": f"{day.close:.8f}",
        "volume": f"{day.volume:.8f}",
        "quoteVolume": f"{quote_volume(day):.8f}",
        "openTime": day.opened_ms,
        "closeTime": now_ms,
        "firstId": 0,
        "lastId": trade_count(day),
        "count": trade_count(day),
    }


def price_row(market: Market, quote: Quote) -> Row:
    """The last price."""
    return {"symbol": wire_symbol(market), "price": plain(quote.price)}


def book_ticker_row(market: Market, best: Best) -> Row:
    """The best bid and ask."""
    return {
        "symbol": wire_symbol(market),
        "bidPrice": plain(best.bid.price),
        "bidQty": plain(best.bid.quantity),
        "askPrice": plain(best.ask.price),
        "askQty": plain(best.ask.quantity),
    }
