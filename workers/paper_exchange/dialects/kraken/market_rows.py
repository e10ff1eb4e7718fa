"""Assets, pairs, candles and prices as Kraken's JSON; numbers that matter are strings."""

from decimal import Decimal

from apps.domain.markets import Market
from workers.paper_exchange.book import Level
from workers.paper_exchange.dialects.kraken.account_rows import Row, fixed
from workers.paper_exchange.dialects.kraken.names import (
    asset_altname,
    asset_code,
    cost_digits,
    digits,
    pair_altname,
    pair_wsname,
)
from workers.paper_exchange.dialects.kraken.tape import PublicTrade
from workers.paper_exchange.markets.candles import Candle
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.venues import Venue

#: What one trade of a busy market is worth: turns volume into a plausible number of trades.
_TRADE_NOTIONAL = 2000
_DOLLARS = frozenset({"USDT", "USDC"})
_FIAT = frozenset({"AUD", "CAD", "EUR", "GBP", "JPY", "USD"})


def asset_decimals(asset: str) -> int:
    """Decimals in which amounts of an asset are kept; never fewer than fees have."""
    return 8 if asset in _DOLLARS | _FIAT else 10


def asset_row(asset: str) -> Row:
    """An asset in Assets."""
    return {
        "aclass": "currency",
        "altname": asset_altname(asset),
        "decimals": asset_decimals(asset),
        "display_decimals": 5,
        "status": "enabled",
    }


def pair_row(market: Market, venue: Venue, *, is_open: bool) -> Row:
    """A pair in AssetPairs."""
    return {
        "altname": pair_altname(market),
        "wsname": pair_wsname(market),
        "aclass_base": "currency",
        "base": asset_code(market.base),
        "aclass_quote": "currency",
        "quote": asset_code(market.quote),
        "lot": "unit",
        "cost_decimals": cost_digits(market),
        "pair_decimals": digits(market.tick_size),
        "lot_decimals": digits(market.step_size),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, float(venue.taker_fee * 100)]],
        "fees_maker": [[0, float(venue.maker_fee * 100)]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": _short(market.min_quantity),
        "costmin": _short(market.min_notional),
        "tick_size": _short(market.tick_size),
        "status": "online" if is_open else "cancel_only",
    }


def trade_count(candle: Candle) -> int:
    """How many trades such a volume is likely to have had."""
    return int(candle.volume * candle.close / _TRADE_NOTIONAL) + (1 if candle.volume else 0)


def average_price(candle: Candle) -> float:
    """What its volume traded at, about."""
    return (candle.open + candle.high + candle.low + candle.close) / 4 if candle.volume else 0.0


def ohlc_row(candle: Candle, market: Market) -> list[object]:
    """A row of OHLC."""
    decimals = digits(market.tick_size)
    return [
        candle.opened_ms // 1000,
        *(f"{price:.{decimals}f}" for price in candle[1:5]),
        f"{average_price(candle):.{decimals}f}",
        f"{candle.volume:.8f}",
        trade_count(candle),
    ]


def ticker_row(
    market: Market, quote: Quote, best: tuple[Level, Level], windows: tuple[Candle, Candle]
) -> Row:
    """Prices of a pair: best bid and ask, today and the last 24 hours as one candle each."""
    decimals = digits(market.tick_size)
    bid, ask = best
    return {
        "a": _best(ask, decimals),
        "b": _best(bid, decimals),
        "c": [fixed(quote.price, decimals), fixed(market.step_size, 8)],
        "v": [f"{window.volume:.8f}" for window in windows],
        "p": [f"{average_price(window):.{decimals}f}" for window in windows],
        "t": [trade_count(window) for window in windows],
        "l": [f"{window.low:.{decimals}f}" for window in windows],
        "h": [f"{window.high:.{decimals}f}" for window in windows],
        "o": f"{windows[0].open:.{decimals}f}",
    }


def depth_row(level: Level, market: Market, at_ms: int) -> list[object]:
    """A level of Depth."""
    decimals = digits(market.tick_size)
    return [fixed(level.price, decimals), fixed(level.quantity, 8), at_ms // 1000]


def public_trade_row(trade: PublicTrade, market: Market) -> list[object]:
    """A row of Trades."""
    return [
        fixed(trade.price, digits(market.tick_size)),
        fixed(trade.quantity, 8),
        trade.at_ms / 1000,
        "b" if trade.is_buy else "s",
        "m",
        "",
        trade.trade_id,
    ]


def spread_row(trade: PublicTrade, market: Market) -> list[object]:
    """A row of Spread."""
    decimals = digits(market.tick_size)
    return [trade.at_ms // 1000, fixed(trade.bid, decimals), fixed(trade.ask, decimals)]


def _best(level: Level, decimals: int) -> list[object]:
    return [fixed(level.price, decimals), str(int(level.quantity)), fixed(level.quantity, 3)]


def _short(number: Decimal) -> str:
    return f"{number.normalize():f}"
