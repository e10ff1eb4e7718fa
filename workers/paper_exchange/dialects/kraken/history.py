"""Which orders and fills a request means."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.names import read_id
from workers.paper_exchange.dialects.kraken.order_form import read_userref
from workers.paper_exchange.dialects.kraken.parameters import Parameters
from workers.paper_exchange.orders import Account, Fill, Order

PAGE_ROWS = 50
_Row = TypeVar("_Row", Order, Fill)


def named(orders: Sequence[Order], parameters: Parameters) -> Sequence[Order]:
    """Those of a client order id and a userref, where one is given."""
    client_id, userref = parameters.text("cl_ord_id"), read_userref(parameters)
    if client_id is not None:
        orders = [order for order in orders if order.client_order_id == client_id]
    if userref is not None:
        orders = [order for order in orders if order.labels.get("userref") == str(userref)]
    return orders


def within(
    rows: Sequence[_Row],
    moment: Callable[[_Row], int],
    parameters: Parameters,
    moment_of_id: Callable[[str], int | None],
) -> Sequence[_Row]:
    """Rows after `start`, which is exclusive, up to `end`: seconds or an id."""
    start_ms = _read_bound(parameters, "start", moment_of_id)
    end_ms = _read_bound(parameters, "end", moment_of_id)
    return [
        row
        for row in rows
        if (start_ms is None or moment(row) > start_ms)
        and (end_ms is None or moment(row) <= end_ms)
    ]


def page(rows: Sequence[_Row], moment: Callable[[_Row], int], parameters: Parameters) -> list[_Row]:
    """Fifty rows from `ofs` on, newest first."""
    offset = parameters.integer("ofs") or 0
    if offset < 0:
        raise errors.invalid_arguments("ofs")
    newest_first = sorted(rows, key=moment)
    newest_first.reverse()
    return newest_first[offset : offset + PAGE_ROWS]


def order_of_txid(account: Account, txid: str) -> Order | None:
    """The order of an id; None where the account has none."""
    order_id = read_id("O", txid)
    return None if order_id is None else account.orders.get(order_id)


def _read_bound(
    parameters: Parameters, name: str, moment_of_id: Callable[[str], int | None]
) -> int | None:
    text = parameters.text(name)
    if text is None:
        return None
    found = moment_of_id(text)
    if found is not None:
        return found
    number = parameters.number(name)
    return None if number is None else int(number * 1000)
