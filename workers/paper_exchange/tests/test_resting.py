"""The sorted book of open orders: what a price finds, and in which order."""

from collections.abc import Sequence
from decimal import Decimal

from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.orders import Account, Order, Phase
from workers.paper_exchange.resting import Entry, OpenOrders
from workers.paper_exchange.tests.builders import BTC, KEY

BUY, SELL = OrderSide.BUY, OrderSide.SELL
ACCOUNT = Account(key=KEY, opened_ms=1, updated_ms=1)


def resting(order_id: int, side: OrderSide, price: int) -> Order:
    return _order(order_id, side, OrderType.LIMIT, Phase.BOOK, price=Decimal(price))


def waiting(order_id: int, side: OrderSide, order_type: OrderType, trigger_price: int) -> Order:
    return _order(order_id, side, order_type, Phase.WAITING, trigger_price=Decimal(trigger_price))


def _order(
    order_id: int, side: OrderSide, order_type: OrderType, phase: Phase, **prices: Decimal
) -> Order:
    facts: dict[str, Decimal] = {"price": Decimal(0), "quote_amount": Decimal(0), **prices}
    return Order(
        order_id=order_id,
        client_order_id="",
        symbol=BTC.symbol,
        side=side,
        order_type=order_type,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        status=OrderStatus.OPEN,
        created_ms=1,
        updated_ms=1,
        phase=phase,
        **facts,
    )


def book_of(*orders: Order) -> OpenOrders:
    book = OpenOrders()
    for order in orders:
        book.put(ACCOUNT, order)
    return book


def ids(entries: Sequence[Entry]) -> list[int]:
    return [entry.order.order_id for entry in entries]


def test_takers_find_the_best_price_first_and_then_the_oldest() -> None:
    bids = [resting(1, BUY, 98), resting(2, BUY, 99), resting(3, BUY, 98)]
    asks = [resting(4, SELL, 102), resting(5, SELL, 101), resting(6, SELL, 102)]

    book = book_of(*bids, *asks)

    assert ids(list(book.makers(SELL))) == [2, 1, 3]
    assert ids(list(book.makers(BUY))) == [5, 4, 6]


def test_a_price_passes_what_it_goes_through_and_not_what_it_touches() -> None:
    book = book_of(resting(1, BUY, 98), resting(2, BUY, 99), resting(3, SELL, 101))

    assert ids(book.passed(Decimal(98))) == [2]
    assert ids(book.passed(Decimal("97.99"))) == [2, 1]
    assert ids(book.passed(Decimal("101.01"))) == [3]


def test_a_touch_fires_the_oldest_first() -> None:
    book = book_of(
        waiting(1, SELL, OrderType.STOP_LOSS, 95),
        waiting(2, BUY, OrderType.TAKE_PROFIT, 96),
        waiting(3, BUY, OrderType.STOP_LOSS, 105),
    )

    assert ids(book.may_fire(Decimal(95))) == [1, 2]
    assert ids(book.may_fire(Decimal(105))) == [3]
    assert ids(book.may_fire(Decimal(100))) == []


def test_what_follows_the_price_is_asked_at_every_price_and_what_it_may_set_up_too() -> None:
    trailing = waiting(1, SELL, OrderType.TRAILING_STOP, 0)
    pending = _order(2, SELL, OrderType.LIMIT, Phase.PENDING)

    assert ids(book_of(trailing, pending).may_fire(Decimal(100))) == [1, 2]
    assert ids(book_of(pending).may_fire(Decimal(100))) == []


def test_an_order_is_found_at_its_new_price_and_keeps_its_age() -> None:
    moved, other = resting(1, BUY, 98), resting(2, BUY, 99)
    book = book_of(moved, other)

    moved.price = Decimal(99)
    book.put(ACCOUNT, moved)

    assert ids(list(book.makers(SELL))) == [1, 2]
    assert [order.order_id for _account, order in book] == [1, 2]


def test_a_removed_order_is_found_nowhere() -> None:
    orders = [resting(1, BUY, 98), waiting(2, SELL, OrderType.STOP_LOSS, 95)]
    orders.append(waiting(3, SELL, OrderType.TRAILING_STOP, 0))
    book = book_of(*orders)

    for order in orders:
        order.phase = Phase.DONE
        book.remove(order)
        book.remove(order)

    assert (len(book), list(book.makers(SELL)), book.may_fire(Decimal(1))) == (0, [], [])
    assert book.is_calm(1.0)


def test_it_is_calm_between_the_nearest_prices() -> None:
    bid, ask = resting(1, BUY, 98), resting(2, SELL, 102)
    book = book_of(bid, ask, waiting(3, SELL, OrderType.STOP_LOSS, 97))

    assert [book.is_calm(price) for price in (98.0, 98.01, 101.99, 102.0)] == [0, 1, 1, 0]
    book.remove(bid)
    assert [book.is_calm(price) for price in (97.0, 98.0)] == [0, 1]
    ask.list_id = 1
    book.put(ACCOUNT, ask)
    assert not book.is_calm(100.0)
