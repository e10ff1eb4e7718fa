"""Kraken's names for our nouns, and back: assets, pairs, ids."""

import re
from decimal import Decimal
from functools import lru_cache

from apps.domain.markets import Market
from apps.domain.orders import OrderType
from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.exchange import PaperExchange

#: Old assets have a code with a prefix; all others go by the name the world uses.
_CODES = {
    "BTC": "XXBT",
    "DOGE": "XXDG",
    "ETC": "XETC",
    "ETH": "XETH",
    "LTC": "XLTC",
    "MLN": "XMLN",
    "REP": "XREP",
    "XLM": "XXLM",
    "XMR": "XXMR",
    "XRP": "XXRP",
    "ZEC": "XZEC",
    "AUD": "ZAUD",
    "CAD": "ZCAD",
    "EUR": "ZEUR",
    "GBP": "ZGBP",
    "JPY": "ZJPY",
    "USD": "ZUSD",
}
_ALTNAMES = {"BTC": "XBT", "DOGE": "XDG"}
ORDER_WORDS = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_LOSS: "stop-loss",
    OrderType.STOP_LOSS_LIMIT: "stop-loss-limit",
    OrderType.TAKE_PROFIT: "take-profit",
    OrderType.TAKE_PROFIT_LIMIT: "take-profit-limit",
    OrderType.TRAILING_STOP: "trailing-stop",
}
ORDER_TYPES = {word: order_type for order_type, word in ORDER_WORDS.items()}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SPACE = 1 << 80
#: Odd, so that it can be undone: neighbours in number look like strangers.
_FACTOR = 0x9E37_79B9_7F4A_7C15_F39D
_UNDO = pow(_FACTOR, -1, _SPACE)
_ID = re.compile(r"[A-Z][A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}")


def asset_code(asset: str) -> str:
    """XXBT for BTC."""
    return _CODES.get(asset, asset)


def asset_altname(asset: str) -> str:
    """XBT for BTC."""
    return _ALTNAMES.get(asset, asset)


def pair_altname(market: Market) -> str:
    """XBTUSDT for BTC/USDT."""
    return asset_altname(market.base) + asset_altname(market.quote)


def pair_id(market: Market) -> str:
    """XXBTZUSD for BTC/USD, but XBTUSDT: a pair has the prefixes when both its assets do."""
    return _pair_id(market.base, market.quote)


def pair_wsname(market: Market) -> str:
    """XBT/USDT for BTC/USDT: the name in WebSocket v1."""
    return f"{asset_altname(market.base)}/{asset_altname(market.quote)}"


def get_market(exchange: PaperExchange, name: str) -> Market:
    """The market that a client names in any of Kraken's ways; raises KrakenError."""
    upper = name.upper()
    for market in exchange.feed.markets.values():
        if upper in _names(market.base, market.quote):
            return market
    raise errors.unknown_pair()


def _pair_id(base: str, quote: str) -> str:
    if base in _CODES and quote in _CODES:
        return _CODES[base] + _CODES[quote]
    return asset_altname(base) + asset_altname(quote)


@lru_cache(maxsize=1000)
def _names(base: str, quote: str) -> frozenset[str]:
    altnames = (asset_altname(base), asset_altname(quote))
    return frozenset(
        {
            _pair_id(base, quote),
            "".join(altnames),
            "/".join(altnames),
            base + quote,
            f"{base}/{quote}",
        }
    )


def digits(step: Decimal) -> int:
    """Decimals of a number on this grid."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def cost_digits(market: Market) -> int:
    """Decimals of a price times a quantity: told whole, so that it can be added up."""
    return min(10, digits(market.tick_size) + digits(market.step_size))


def make_id(letter: str, number: int) -> str:
    """OABCDE-FGHIJ-KLMNOP for a number; what it stands for is told by the letter."""
    mixed = number * _FACTOR % _SPACE
    text = "".join(_ALPHABET[mixed >> shift & 31] for shift in range(75, -1, -5))
    return f"{letter}{text[:5]}-{text[5:10]}-{text[10:]}"


def read_id(letter: str, text: str) -> int | None:
    """The number behind an id, None for what is no id of this kind."""
    if not _ID.fullmatch(text) or text[0] != letter:
        return None
    mixed = 0
    for character in text[1:].replace("-", ""):
        mixed = mixed << 5 | _ALPHABET.index(character)
    return mixed * _UNDO % _SPACE


def order_txid(order_id: int) -> str:
    """The id of an order."""
    return make_id("O", order_id)


def trade_txid(trade_id: int) -> str:
    """The id of an execution."""
    return make_id("T", trade_id)
