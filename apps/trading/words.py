"""What an order's state means and what a person can do about it, in plain words."""

from decimal import Decimal

from apps.domain.orders import OrderStatus
from apps.trading.models import Order

_S = OrderStatus
_WORDS = {
    _S.CREATED: "It waits for a worker to send it, which takes a moment. If it stays like this, look at the"
    " worker orders in the task monitor; what is not sent in time expires and is never sent.",
    _S.SUBMITTED: "It is on its way: the exchange answers within seconds.",
    _S.UNKNOWN: "The exchange gave no clear answer, so nobody knows yet whether it has this order. It is"
    " looked up every 10 seconds by its client order id, and never sent again. Wait, and don't place"
    " it again by hand: you might have it twice. If this lasts for minutes, test the broker's connection"
    " and look for the id at the exchange.",
    _S.OPEN: "It rests at the exchange. Nothing to do; you can cancel or edit it.",
    _S.PARTIALLY_FILLED: "A part is filled, the rest waits at the exchange. You can cancel or edit the rest.",
    _S.FILLED: "All done.",
    _S.CANCELLED: "It was cancelled; what had been filled by then stays yours. Nothing to do.",
    _S.REJECTED: "The exchange did not take it, so nothing was traded. Its reason is the last line of the"
    " history below. Change what it names and place a new order.",
    _S.EXPIRED: "It was not sent, or not filled, in time. Nothing to do: place a new order if you still"
    " want it.",
}
#: Of a change of another order, which never rests or fills itself.
_AMENDMENT_WORDS = {
    _S.CREATED: "The exchange is to change order {order} where it rests. It waits for a worker to send it.",
    _S.SUBMITTED: "The exchange has been asked to change order {order} where it rests.",
    _S.UNKNOWN: "The exchange gave no clear answer whether it changed order {order}. That one is looked at"
    " until it shows the new figures, or it is certain that it will not; nothing is asked twice.",
    _S.CANCELLED: "It was no order of its own but a change of order {order}: the last line of the history"
    " below tells whether it was made.",
    _S.REJECTED: "The exchange did not change order {order}, which stands as it was. Its reason is the last"
    " line of the history below. You can still cancel that order and place a new one.",
}


def explain(order: Order) -> str:
    """The state of an order in a few sentences."""
    status = OrderStatus(order.status)
    if status is OrderStatus.DENIED:
        return order.denial_words
    if status is OrderStatus.CREATED and order.replaces_id and not order.is_amendment:
        return f"It waits until order {order.replaces_id} is settled, whose place it takes."
    if order.is_amendment and status is not OrderStatus.EXPIRED:
        return _AMENDMENT_WORDS[status].format(order=order.replaces_id)
    words = _WORDS[status]
    if not status.is_terminal and order.cancel_requested_at:
        return f"It is being cancelled; that is certain when the exchange confirms. {words}"
    if status.is_terminal and not order.is_settled:
        return f"{words} Its fills are still being read."
    return words


def shown_price(order: Order) -> tuple[Decimal | None, str]:
    """The most telling price of an order and what it is: what was paid, else what it waits for, else its
    limit, else the last price when it was decided."""
    candidates = (
        (order.average_price, "average"),
        (order.trigger_price, "trigger"),
        (order.price, "limit"),
        (order.reference_price, "last price then"),
    )
    return next(pair for pair in candidates if pair[0] is not None)
