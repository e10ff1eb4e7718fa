"""Prices as clients write them: absolute, or relative to another one."""

import re
from decimal import Decimal
from typing import NamedTuple

from apps.domain.markets import Market
from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.names import digits
from workers.paper_exchange.dialects.kraken.parameters import read_number

_RELATIVE = re.compile(r"([+\-#])([0-9.]{1,30})(%?)", re.ASCII)


class Offset(NamedTuple):
    """A distance from another price: an amount of quote, or a share of that price."""

    sign: str
    amount: Decimal
    share: Decimal


def read_offset(text: str, name: str) -> Offset | None:
    """`+50`, `-2%` or `#5`; None for an absolute price."""
    match = _RELATIVE.fullmatch(text)
    if match is None:
        return None
    number = read_number(match[2], errors.invalid_arguments(name))
    if match[3]:
        return Offset(match[1], Decimal(0), number / 100)
    return Offset(match[1], number, Decimal(0))


def read_price(
    text: str, name: str, market: Market, reference: Decimal, *, is_below: bool
) -> Decimal:
    """A price on the market's grid; `#` lies on the side of `reference` that makes sense."""
    offset = read_offset(text, name)
    if offset is None:
        price = read_number(text, errors.invalid_arguments(name))
        check_price(price, market)
        return price
    distance = offset.amount or reference * offset.share
    subtracts = offset.sign == "-" or (offset.sign == "#" and is_below)
    price = market.round_price(reference - distance if subtracts else reference + distance)
    if price <= 0:
        raise errors.invalid_price()
    return price


def check_price(price: Decimal, market: Market) -> None:
    """Raise KrakenError for a price that is not on the market's grid."""
    if price <= 0:
        raise errors.invalid_arguments("price")
    decimals = digits(market.tick_size)
    if digits(price) > decimals:
        raise errors.invalid_price(
            f"{market.symbol} price can only be specified up to {decimals} decimals."
        )
    if price % market.tick_size:
        raise errors.off_tick()
