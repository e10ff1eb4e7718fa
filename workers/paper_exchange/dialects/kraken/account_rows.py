"""Orders and fills as Kraken's JSON; times in seconds of market time."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from apps.domain.markets import Market
from apps.domain.orders import OrderStatus, OrderType
from workers.paper_exchange.dialects.kraken.names import (
    ORDER_WORDS,
    cost_digits,
    digits,
    make_id,
    order_txid,
    pair_altname,
    pair_id,
    trade_txid,
)
from workers.paper_exchange.orders import (
    ZERO,
    Account,
    EndReason,
    ExitTemplate,
    Fill,
    NewOrder,
    Order,
    Phase,
)
from workers.paper_exchange.triggers import trailing_stop

Row = dict[str, object]
VOLUME_DIGITS = FEE_DIGITS = 8
#: Counterparties have ids too, which nobody can look up.
_STRANGERS = 1 << 60
_REASONS = {
    EndReason.USER: "User requested",
    EndReason.POST_ONLY: "Post only order",
    EndReason.NO_FUNDS: "Insufficient funds",
    EndReason.SELF_TRADE: "Self trade prevention",
    EndReason.EXCHANGE: "Canceled by exchange",
}


def fixed(number: Decimal, decimals: int) -> str:
    """A number with so many decimals."""
    return f"{number:.{decimals}f}"


def exact(number: Decimal, decimals: int) -> str:
    """A number with so many decimals, or all it has: a fill stays true when its market's steps change."""
    return fixed(number, max(decimals, digits(number)))


def seconds(milliseconds: int) -> float:
    """A time as Kraken tells it."""
    return milliseconds / 1000


def volume_of(order: NewOrder | Order) -> Decimal:
    """Base, or quote for an order that is sized in it."""
    return order.quote_amount or order.quantity


def type_word(order: NewOrder | Order) -> str:
    """The type as the client gave it."""
    return order.labels.get("ordertype") or ORDER_WORDS[order.order_type]


def status_word(order: Order) -> str:
    """Where the order is; only what ran out of time expires."""
    if order.phase is Phase.PENDING:
        return "pending"
    if order.is_open:
        return "open"
    if order.status is OrderStatus.FILLED:
        return "closed"
    return "expired" if has_expired(order) else "canceled"


def has_expired(order: Order) -> bool:
    """Whether it ended because its time was over."""
    return order.end_reason is EndReason.EXCHANGE and "expiretm" in order.labels


def flags_of(order: NewOrder | Order) -> str:
    """The order's flags; one that the exchange placed itself has the default."""
    return order.labels.get("oflags") or "fciq"


def prices_of(order: NewOrder | Order, market: Market) -> tuple[str, str]:
    """The two prices of a description: of a conditional order trigger and limit."""
    decimals = digits(market.tick_size)
    if "price" in order.labels:
        return order.labels["price"], order.labels.get("price2", "0")
    first, second = order.price, ZERO
    if order.order_type.is_conditional:
        first, second = order.trigger_price, order.price
    return (
        exact(first, decimals) if first else "0",
        exact(second, decimals) if second else "0",
    )


def description(order: NewOrder | Order, market: Market) -> str:
    """The order in a line of words."""
    prices = [price for price in prices_of(order, market) if price != "0"]
    words = " ".join([type_word(order).removesuffix("-limit").replace("-", " "), *prices[:1]])
    if prices[1:]:
        words += f" -> limit {prices[1]}"
    volume = fixed(volume_of(order), VOLUME_DIGITS)
    return f"{order.side} {volume} {pair_altname(market)} @ {words}"


def closing_words(exits: Sequence[ExitTemplate], market: Market) -> str:
    """The attached order in a line of words, empty where there is none."""
    if not exits:
        return ""
    decimals, closing = digits(market.tick_size), exits[0]
    word = ORDER_WORDS[closing.order_type].removesuffix("-limit").replace("-", " ")
    prices = [fixed(p, decimals) for p in (closing.trigger_price, closing.price) if p]
    return f"close position @ {word} {' -> limit '.join(prices)}"


def short_description(order: NewOrder | Order, market: Market) -> Row:
    """What the answer to a new order says of it."""
    row: Row = {"order": description(order, market)}
    close = closing_words(order.exits, market)
    return {**row, "close": close} if close else row


def order_row(
    order: Order, market: Market, fills: Sequence[Fill], *, with_trades: bool = False
) -> Row:
    """An order as look-ups and lists give it; `price` is what it was filled at on average."""
    decimals, first = cost_digits(market), prices_of(order, market)
    average = order.filled_quote / order.filled_quantity if order.filled_quantity else ZERO
    row: Row = {
        "refid": _parent(order),
        "userref": _userref(order),
        "status": status_word(order),
        "opentm": seconds(order.created_ms),
        "starttm": 0,
        "expiretm": int(order.labels.get("expiretm", "0")),
        "descr": {
            "pair": pair_altname(market),
            "aclass": "forex",
            "type": order.side.value,
            "ordertype": type_word(order),
            "price": first[0],
            "price2": first[1],
            "leverage": "none",
            "order": description(order, market),
            "close": closing_words(order.exits, market),
        },
        "vol": fixed(volume_of(order), VOLUME_DIGITS),
        "vol_exec": fixed(order.filled_quantity, VOLUME_DIGITS),
        "cost": fixed(order.filled_quote, decimals),
        "fee": fixed(sum((fill.fee for fill in fills), ZERO), FEE_DIGITS),
        "price": fixed(average, decimals),
        "stopprice": fixed(stop_price(order), decimals),
        "limitprice": fixed(order.price if order.triggered_ms else ZERO, decimals),
        "misc": "",
        "oflags": flags_of(order),
    }
    if order.order_type.is_conditional:
        row["trigger"] = order.labels.get("trigger", "last")
    if has_client_id(order):
        row["cl_ord_id"] = order.client_order_id
    if with_trades and fills:
        row["trades"] = [trade_txid(fill.trade_id) for fill in fills]
    if not order.is_open:
        row["closetm"] = seconds(order.updated_ms)
        row["reason"] = reason_of(order)
    return row


def trade_row(fill: Fill, order: Order, market: Market) -> Row:
    """One execution; its fee is a figure without a currency."""
    decimals = cost_digits(market)
    return {
        "ordertxid": order_txid(fill.order_id),
        "postxid": make_id("T", _STRANGERS + fill.trade_id),
        "pair": pair_id(market),
        "aclass": "forex",
        "time": seconds(fill.filled_ms),
        "type": fill.side.value,
        "ordertype": type_word(order),
        "price": exact(fill.price, digits(market.tick_size)),
        "cost": exact(fill.price * fill.quantity, decimals),
        "fee": fixed(fill.fee, FEE_DIGITS),
        "vol": fixed(fill.quantity, VOLUME_DIGITS),
        "margin": fixed(ZERO, decimals),
        "leverage": "0",
        "misc": "",
        "trade_id": fill.trade_id,
        "maker": fill.is_maker,
    }


def stop_price(order: Order) -> Decimal:
    """Where a trailing stop stands, what a fired order fired at; zero for all others."""
    if order.order_type is OrderType.TRAILING_STOP and order.best_price:
        return trailing_stop(order)
    return order.trigger_price if order.triggered_ms else ZERO


def reason_of(order: Order) -> str | None:
    """Why an order ended that was not filled."""
    if order.status is OrderStatus.FILLED or order.end_reason is None:
        return None
    if has_expired(order):
        return "Order expired"
    return _REASONS.get(order.end_reason, "Insufficient liquidity")


def has_client_id(order: Order) -> bool:
    """Whether a client named it; the exchange's own closing orders have an inner name only."""
    return bool(order.client_order_id) and "attached_to" not in order.labels


def fills_of(account: Account, orders: Iterable[Order]) -> Mapping[int, list[Fill]]:
    """The fills of these orders by order id, in one pass."""
    listed = list(orders)
    found: dict[int, list[Fill]] = {order.order_id: [] for order in listed}
    if any(order.filled_quantity for order in listed):
        for fill in account.fills:
            if fill.order_id in found:
                found[fill.order_id].append(fill)
    return found


def _userref(order: Order) -> int | None:
    userref = order.labels.get("userref")
    return None if userref is None else int(userref)


def _parent(order: Order) -> str | None:
    parent = order.labels.get("attached_to")
    return None if parent is None else order_txid(int(parent))
