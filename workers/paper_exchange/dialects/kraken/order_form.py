"""What a client says about an order, read and checked."""

import re
from decimal import Decimal
from typing import NamedTuple

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderType, TimeInForce
from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.gateway import Caller, Gateway
from workers.paper_exchange.dialects.kraken.limits import LARGEST_OPEN_ORDERS
from workers.paper_exchange.dialects.kraken.names import ORDER_TYPES, digits, get_market
from workers.paper_exchange.dialects.kraken.parameters import Parameters, read_moment
from workers.paper_exchange.dialects.kraken.prices import check_price, read_offset, read_price
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import ZERO, Account, ExitTemplate, NewOrder, SelfTrade

_CLIENT_ID = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[!-~]{1,18}"
)
_FLAGS = {"post", "fcib", "fciq", "nompp", "viqc"}
_TIMES_IN_FORCE = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTC,
}
_SELF_TRADES = {
    "cancel-newest": SelfTrade.END_TAKER,
    "cancel-oldest": SelfTrade.END_MAKER,
    "cancel-both": SelfTrade.END_BOTH,
}
_CLOSING_TYPES = {
    OrderType.LIMIT,
    OrderType.STOP_LOSS,
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
}
_ICEBERG, _SETTLE, _TRAILING_LIMIT = "iceberg", "settle-position", "trailing-stop-limit"
#: Types that the engine knows as others, with a label that says more.
_LABELLED = {_ICEBERG: OrderType.LIMIT, _TRAILING_LIMIT: OrderType.TRAILING_STOP}
#: An iceberg shows at least this part of itself.
_SMALLEST_SHOWN = 15
_LARGEST_USERREF = 2**31 - 1


class _Prices(NamedTuple):
    price: Decimal = ZERO
    trigger_price: Decimal = ZERO
    trailing_share: Decimal = ZERO
    trailing_amount: Decimal = ZERO
    #: As orders are described where the price is a distance.
    text: str = ""


def read_order(gateway: Gateway, parameters: Parameters, pair: str) -> tuple[NewOrder, Market]:
    """An order that keeps to the form and to its pair's rules."""
    market = get_market(gateway.exchange, pair)
    side = _read_side(parameters)
    word = parameters.required("ordertype")
    order_type = _LABELLED.get(word) or ORDER_TYPES.get(word)
    if word == _SETTLE:
        raise errors.no_position()
    if order_type is None:
        raise errors.invalid_arguments("ordertype")
    quote = gateway.quote(market.symbol)
    flags = _read_flags(parameters)
    volume = parameters.number("volume")
    if not volume:
        raise errors.invalid_arguments("volume")
    prices = _read_prices(parameters, market, side, order_type, quote)
    is_quoted = "viqc" in flags
    if is_quoted and (order_type is not OrderType.MARKET or side is not OrderSide.BUY):
        raise errors.invalid_arguments("viqc")
    labels = {"oflags": ",".join(sorted(flags | ({"fciq"} if "fcib" not in flags else set())))}
    labels |= _read_labels(gateway, parameters, word, volume)
    if prices.text:
        labels["price"] = prices.text
    if word == _TRAILING_LIMIT:
        labels |= {"ordertype": word, "price2": _read_limit_offset(parameters)}
    _refuse_margin(parameters)
    wanted = NewOrder(
        client_order_id=_read_client_id(parameters),
        symbol=market.symbol,
        side=side,
        order_type=order_type,
        time_in_force=_read_time_in_force(parameters, flags, order_type),
        quantity=ZERO if is_quoted else volume,
        quote_amount=volume if is_quoted else ZERO,
        price=prices.price,
        trigger_price=prices.trigger_price,
        trailing_share=prices.trailing_share,
        trailing_amount=prices.trailing_amount,
        self_trade=_read_self_trade(parameters),
        exits=_read_close(parameters, market, side, prices.price or quote.price),
        fee_in=market.base if "fcib" in flags else "",
        labels=labels,
    )
    check_size(wanted, market, quote)
    return wanted, market


def check_size(wanted: NewOrder, market: Market, quote: Quote) -> None:
    """Raise KrakenError for an order that is too small, or finer than its pair's lots."""
    if wanted.quote_amount:
        quantity, cost = wanted.quote_amount / quote.ask, wanted.quote_amount
    else:
        quantity = wanted.quantity
        cost = quantity * (wanted.price or wanted.trigger_price or quote.price)
        if digits(quantity) > digits(market.step_size):
            raise errors.invalid_arguments("volume")
    if quantity < market.min_quantity:
        raise errors.below_order_minimum()
    if cost < market.min_notional:
        raise errors.below_cost_minimum()


def check_funds(gateway: Gateway, account: Account, wanted: NewOrder, market: Market) -> None:
    """Raise KrakenError when a market order is for more than there is, whatever the book offers."""
    if wanted.order_type is not OrderType.MARKET:
        return
    fee = gateway.engine.venue.taker_fee
    if wanted.side is OrderSide.BUY:
        asset = market.quote
        need = wanted.quote_amount or wanted.quantity * gateway.quote(market.symbol).ask
        need *= 1 if wanted.fee_in else 1 + fee
    else:
        asset = market.base
        need = wanted.quantity * (1 + fee if wanted.fee_in else 1)
    if account.free.get(asset, ZERO) < need:
        raise errors.insufficient_funds()


def check_count(caller: Caller, market: Market) -> None:
    """Raise KrakenError when the pair has as many open orders as it may."""
    resting = sum(order.symbol == market.symbol for order in caller.account.open_orders())
    if resting >= LARGEST_OPEN_ORDERS:
        raise errors.too_many_orders()


def read_deadline(parameters: Parameters) -> int | None:
    """The moment after which an order is not wanted any more, in milliseconds."""
    text = parameters.text("deadline")
    return None if text is None else read_moment(text, "deadline")


def read_userref(parameters: Parameters) -> int | None:
    """A client's number for a group of orders."""
    userref = parameters.integer("userref")
    if userref is not None and abs(userref) > _LARGEST_USERREF:
        raise errors.invalid_arguments("userref")
    return userref


def _read_side(parameters: Parameters) -> OrderSide:
    word = parameters.required("type")
    if word not in {"buy", "sell"}:
        raise errors.invalid_arguments("type")
    return OrderSide(word)


def _read_flags(parameters: Parameters) -> set[str]:
    flags = set(parameters.names("oflags"))
    if flags - _FLAGS or {"fcib", "fciq"} <= flags:
        raise errors.invalid_arguments("oflags")
    return flags


def _read_prices(
    parameters: Parameters, market: Market, side: OrderSide, order_type: OrderType, quote: Quote
) -> _Prices:
    """Of a conditional order the trigger is the first price, and its limit the second."""
    if order_type is OrderType.MARKET:
        for name in ("price", "price2"):
            if parameters.number(name):
                raise errors.invalid_arguments(name)
        return _Prices()
    text = parameters.required("price")
    is_sell = side is OrderSide.SELL
    if order_type is OrderType.TRAILING_STOP:
        return _read_trailing(text)
    has_second = order_type.is_conditional and order_type.has_limit_price
    if not has_second and parameters.text("price2") not in {None, "0"}:
        raise errors.invalid_arguments("price2")
    if not order_type.is_conditional:
        return _Prices(read_price(text, "price", market, quote.price, is_below=not is_sell))
    is_below = is_sell == order_type.is_stop
    trigger_price = read_price(text, "price", market, quote.price, is_below=is_below)
    if not has_second:
        return _Prices(trigger_price=trigger_price)
    second = parameters.required("price2")
    price = read_price(second, "price2", market, trigger_price, is_below=is_sell)
    return _Prices(price, trigger_price)


def _read_trailing(text: str) -> _Prices:
    offset = read_offset(text, "price")
    if offset is None or offset.sign != "+" or not offset.amount + offset.share < 10**9:
        raise errors.invalid_arguments("price")
    if not offset.amount and not 0 < offset.share < 1:
        raise errors.invalid_arguments("price")
    shown = f"+{offset.share * 100:.4f}%" if offset.share else f"+{offset.amount}"
    return _Prices(trailing_share=offset.share, trailing_amount=offset.amount, text=shown)


def _read_limit_offset(parameters: Parameters) -> str:
    """How far from where a trailing stop fires its limit lies."""
    text = parameters.required("price2")
    if read_offset(text, "price2") is None:
        raise errors.invalid_arguments("price2")
    return text


def _read_time_in_force(
    parameters: Parameters, flags: set[str], order_type: OrderType
) -> TimeInForce:
    word = (parameters.text("timeinforce") or "GTC").upper()
    time_in_force = _TIMES_IN_FORCE.get(word)
    if time_in_force is None or (word == "GTD" and "expiretm" not in parameters):
        raise errors.invalid_arguments("timeinforce")
    if word == "FOK" and order_type is not OrderType.LIMIT:
        raise errors.invalid_arguments("timeinforce")
    if "post" in flags:
        if order_type is not OrderType.LIMIT or time_in_force is not TimeInForce.GTC:
            raise errors.invalid_arguments("oflags")
        return TimeInForce.POST_ONLY
    return time_in_force


def _read_labels(
    gateway: Gateway, parameters: Parameters, word: str, volume: Decimal
) -> dict[str, str]:
    labels: dict[str, str] = {}
    userref = read_userref(parameters)
    if userref is not None:
        labels["userref"] = str(userref)
    trigger = parameters.text("trigger")
    if trigger is not None:
        if trigger not in {"last", "index"}:
            raise errors.invalid_arguments("trigger")
        labels["trigger"] = trigger
    if parameters.text("starttm") not in {None, "0", "+0"}:
        raise errors.invalid_arguments("starttm")
    expires = _read_expiry(gateway, parameters)
    if expires:
        labels["expiretm"] = str(expires)
    return labels | _read_shown(parameters, word, volume)


def _read_shown(parameters: Parameters, word: str, volume: Decimal) -> dict[str, str]:
    """What an iceberg shows of itself."""
    shown = parameters.number("displayvol")
    if (word == _ICEBERG) != (shown is not None):
        raise errors.invalid_arguments("displayvol")
    if shown is None:
        return {}
    if not volume / _SMALLEST_SHOWN <= shown <= volume:
        raise errors.invalid_arguments("displayvol")
    return {"ordertype": word, "displayvol": str(shown)}


def _read_expiry(gateway: Gateway, parameters: Parameters) -> int:
    """When the order expires, in seconds of market time; 0 for never."""
    text = parameters.text("expiretm") or "0"
    if not re.fullmatch(r"\+?[0-9]{1,12}(\.[0-9]{1,9})?", text, re.ASCII):
        raise errors.invalid_arguments("expiretm")
    seconds = int(float(text))
    if text.startswith("+"):
        return gateway.now_ms // 1000 + seconds if seconds else 0
    if seconds and seconds * 1000 <= gateway.now_ms:
        raise errors.invalid_arguments("expiretm")
    return seconds


def _read_client_id(parameters: Parameters) -> str:
    client_id = parameters.text("cl_ord_id")
    if client_id is None:
        return ""
    if "userref" in parameters or not _CLIENT_ID.fullmatch(client_id):
        raise errors.invalid_arguments("cl_ord_id")
    return client_id


def _read_self_trade(parameters: Parameters) -> SelfTrade:
    word = parameters.text("stptype") or "cancel-newest"
    if word not in _SELF_TRADES:
        raise errors.invalid_arguments("stptype")
    return _SELF_TRADES[word]


def _refuse_margin(parameters: Parameters) -> None:
    if parameters.text("leverage") not in {None, "none", "0", "1", "1:1"}:
        raise errors.invalid_arguments("leverage")
    if parameters.flag("reduce_only"):
        raise errors.no_position()


def _read_close(
    parameters: Parameters, market: Market, side: OrderSide, reference: Decimal
) -> tuple[ExitTemplate, ...]:
    """The one order that is placed for what this one gets."""
    word = parameters.text("close[ordertype]")
    if word is None:
        return ()
    order_type = ORDER_TYPES.get(word)
    if order_type is None or order_type not in _CLOSING_TYPES:
        raise errors.invalid_arguments("close[ordertype]")
    # It goes the other way: what stops a purchase sells below it.
    closes_below = (side is OrderSide.BUY) == order_type.is_stop
    text = parameters.required("close[price]")
    first = read_price(text, "close[price]", market, reference, is_below=closes_below)
    if order_type is OrderType.LIMIT:
        return (ExitTemplate(order_type=order_type, trigger_price=ZERO, price=first),)
    price = ZERO
    if order_type.has_limit_price:
        second = parameters.required("close[price2]")
        is_below = side is OrderSide.BUY
        price = read_price(second, "close[price2]", market, first, is_below=is_below)
    check_price(first, market)
    return (ExitTemplate(order_type=order_type, trigger_price=first, price=price),)
