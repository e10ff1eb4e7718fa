"""Markets, candles and prices as Bitget's JSON; numbers are text."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from apps.domain.environments import Exchange
from apps.domain.markets import Market, ceil_to, floor_to
from apps.domain.orders import OrderSide
from workers.paper_exchange.book import Level, Liquidity
from workers.paper_exchange.dialects.bitget import rules
from workers.paper_exchange.dialects.bitget.names import digits_of, plain, wire_symbol
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import DAY_MS, Candle
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.venues import VENUES

Row = dict[str, object]
_VENUE = VENUES[Exchange.BITGET]


def symbol_row(market: Market, *, is_open: bool) -> Row:
    """A symbol with its rules."""
    return {
        "symbol": wire_symbol(market.symbol),
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "minTradeAmount": plain(market.min_quantity),
        "maxTradeAmount": plain(market.max_quantity),
        "takerFeeRate": plain(_VENUE.taker_fee),
        "makerFeeRate": plain(_VENUE.maker_fee),
        "pricePrecision": str(digits_of(market.tick_size)),
        "quantityPrecision": str(digits_of(market.step_size)),
        "quotePrecision": str(rules.QUOTE_DIGITS),
        "status": "online" if is_open else "halt",
        "minTradeUSDT": plain(market.min_notional),
        "buyLimitPriceRatio": plain(rules.PRICE_RATIO),
        "sellLimitPriceRatio": plain(rules.PRICE_RATIO),
        "areaSymbol": "no",
        "orderQuantity": str(rules.LARGEST_ORDER_COUNT),
        "openTime": "1532454360000",
        "offTime": "",
    }


def coin_row(number: int, coin: str) -> Row:
    """A coin: none can be moved in or out."""
    chain = {
        "chain": coin,
        "needTag": "false",
        "withdrawable": "false",
        "rechargeable": "false",
        "withdrawFee": "0",
        "extraWithdrawFee": "0",
        "depositConfirm": "1",
        "withdrawConfirm": "1",
        "minDepositAmount": "0",
        "minWithdrawAmount": "0",
        "browserUrl": "",
        "contractAddress": "",
        "withdrawStep": "0",
        "withdrawMinScale": "8",
        "congestion": "normal",
    }
    return {
        "coinId": str(number),
        "coin": coin,
        "transfer": "true",
        "chains": [chain],
        "areaCoin": "no",
    }


def candle_row(candle: Candle) -> list[str]:
    """A row of candles, over REST and in the streams."""
    quoted = number(quote_volume(candle))
    prices = [number(price) for price in candle[1:5]]
    return [str(candle.opened_ms), *prices, number(candle.volume), quoted, quoted]


def ticker_row(exchange: PaperExchange, market: Market, quote: Quote) -> Row:
    """The statistics of the last 24 hours and of the day; changes are fractions."""
    now_ms = exchange.clock.now_ms()
    series = exchange.feed.series[market.symbol]
    day = series.since(now_ms - DAY_MS) or series.last
    today = series.since(now_ms // DAY_MS * DAY_MS) or day
    if day is None or today is None:
        raise ValueError(f"{market.symbol} has a price but no candle")
    bids, asks = book_of(market, quote)
    last = float(quote.price)
    quoted = number(quote_volume(day))
    return {
        "open": number(day.open),
        "symbol": wire_symbol(market.symbol),
        "high24h": number(day.high),
        "low24h": number(day.low),
        "lastPr": plain(quote.price),
        "quoteVolume": quoted,
        "baseVolume": number(day.volume),
        "usdtVolume": quoted,
        "ts": str(now_ms),
        "bidPr": plain(bids[0].price),
        "askPr": plain(asks[0].price),
        "bidSz": plain(bids[0].quantity),
        "askSz": plain(asks[0].quantity),
        "openUtc": number(today.open),
        "changeUtc24h": f"{last / today.open - 1:.5f}",
        "change24h": f"{last / day.open - 1:.5f}",
    }


def pushed_ticker_row(exchange: PaperExchange, market: Market, quote: Quote) -> Row:
    """A ticker as the stream tells it: two names differ."""
    row = ticker_row(exchange, market, quote)
    return {"instId": row.pop("symbol"), "open24h": row.pop("open"), **row}


def book_of(market: Market, quote: Quote) -> tuple[Sequence[Level], Sequence[Level]]:
    """Bids and asks, best first; shown with their spread even while a candle has just begun."""
    wide = replace(quote, low=market.tick_size, high=quote.price * 2)
    liquidity = Liquidity(wide, step_size=market.step_size, has_depth=True)
    return liquidity.shown(OrderSide.SELL), liquidity.shown(OrderSide.BUY)


def book_row(
    exchange: PaperExchange, market: Market, quote: Quote, *, limit: int, step: Decimal
) -> Row:
    """A depth list whose prices are merged to multiples of `step`."""
    bids, asks = book_of(market, quote)
    return {
        "asks": _merged([(ceil_to(each.price, step), each.quantity) for each in asks])[:limit],
        "bids": _merged([(floor_to(each.price, step), each.quantity) for each in bids])[:limit],
        "ts": str(exchange.clock.now_ms()),
    }


def quote_volume(candle: Candle) -> float:
    """The candle's volume in quote, at its average price."""
    return candle.volume * (candle.open + candle.high + candle.low + candle.close) / 4


def number(value: float) -> str:
    """A number of a candle without an exponent."""
    return f"{value:.8f}".rstrip("0").rstrip(".")


def _merged(levels: Sequence[tuple[Decimal, Decimal]]) -> list[list[str]]:
    sums: dict[Decimal, Decimal] = {}
    for price, quantity in levels:
        sums[price] = sums.get(price, Decimal(0)) + quantity
    return [[plain(price), plain(quantity)] for price, quantity in sums.items() if price]
