"""A stream of signals through the real gate, from somebody who doesn't care what is broken."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from django.db.models import QuerySet

from apps.accounts.services import create_user
from apps.brokers.models import Broker
from apps.brokers.services import open_paper_broker, refresh_balances
from apps.core.venues import paper_environment
from apps.domain.environments import Exchange
from apps.domain.markets import Market
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.markets.models import Symbol
from apps.trading import edits, path
from apps.trading.gate import Signal, place
from apps.trading.models import Book, Order, Position
from workers.bench.chaos.faults import read_prices

#: Kraken answers an account of the lowest tier one question in three seconds: more would only wait.
BOOKS = {Exchange.BINANCE: (4, 4), Exchange.BITGET: (4, 4), Exchange.KRAKEN: (1, 1, 1)}
#: Shares of what a trader does.
LIMITS = 0.3
TWICE = 0.05
#: Shares of what rests, each second; and of the edits that ask for less.
CANCELS = 0.05
EDITS = 0.15
SMALLER = 0.3
#: Prices move meanwhile; the paper exchange sees limits of its own.
LONGEST_REST = timedelta(seconds=12)


@dataclass(eq=False, slots=True)
class Lane:
    """A book in a symbol: one order at a time, in and out again."""

    book: Book
    symbol: Symbol
    signal: Signal | None = None


def open_books(*, now: datetime) -> list[Lane]:
    """A trader with several brokers at each exchange, and where it can be in each of them several books."""
    user, _password = create_user(username="chaos", is_administrator=False)
    lanes: list[Lane] = []
    for exchange, number, books in _brokers():
        broker = open_paper_broker(
            owner=user,
            name=f"{exchange} {number}",
            exchange=exchange,
            environment=paper_environment(),
        )
        refresh_balances(broker_id=broker.pk, now=now)
        for label in range(books):
            book = Book.objects.create(
                owner=user, broker=broker, kind=Book.Kind.ACTIVATION, label=f"Book {label + 1}"
            )
            lanes += [Lane(book, symbol) for symbol in _symbols(broker)]
    return lanes


def _brokers() -> Iterator[tuple[Exchange, int, int]]:
    """Exchange, number and how many books."""
    for exchange, sizes in BOOKS.items():
        for number, books in enumerate(sizes, start=1):
            yield exchange, number, books


def _symbols(broker: Broker) -> list[Symbol]:
    return list(
        Symbol.objects.filter(
            exchange=broker.exchange, environment=broker.environment, is_trading=True
        )
    )


class Traders:
    """Acts once for each call of `trade`; raises DatabaseError when the database is away, after which
    the same signal is given again."""

    def __init__(self, lanes: list[Lane], *, seed: int) -> None:
        self.deeds: Counter[str] = Counter()
        self._lanes = lanes
        self._random = Random(seed)  # noqa: S311  repeatable on purpose
        self._numbers = itertools.count(1)
        self._prices: dict[Exchange, dict[str, Decimal]] = {}

    def look_at_prices(self) -> None:
        """Remember what everything costs now; where an exchange is away, what it cost before."""
        for exchange in Exchange:
            with suppress(OSError):
                prices = read_prices(exchange)
                self._prices[exchange] = {name: Decimal(price) for name, price in prices.items()}

    def trade(self, *, now: datetime) -> None:
        """Give one signal in a lane that has nothing under way, or give an earlier one again."""
        unclear = [lane for lane in self._lanes if lane.signal]
        lane = unclear[0] if unclear else self._find_free_lane()
        if lane is None:
            self.deeds["nothing to do"] += 1
            return
        if lane.signal is None:
            lane.signal = self._make_signal(lane, now)
        else:
            self.deeds["given again, the first time broke off"] += 1
        self._give(lane, lane.signal, now)
        lane.signal = None

    def think_again(self, *, now: datetime) -> None:
        """Wish away what has rested for long enough, and now and then something younger; wish other figures
        for some of what stays."""
        for order in self._list_resting():
            if now - order.created_at > LONGEST_REST or self._random.random() < CANCELS:
                self._cancel(order, now)
            elif self._random.random() < EDITS:
                self._edit(order, now)

    def cancel_everything(self, *, now: datetime) -> None:
        """Wish away whatever rests."""
        for order in self._list_resting():
            self._cancel(order, now)

    def _list_resting(self) -> QuerySet[Order]:
        return Order.objects.select_related("symbol", "broker", "book").filter(
            book__in={lane.book.pk for lane in self._lanes},
            order_type=OrderType.LIMIT,
            cancel_requested_at=None,
            status__in=[OrderStatus.CREATED, OrderStatus.UNKNOWN, *_RESTING],
        )

    def _cancel(self, order: Order, now: datetime) -> None:
        path.request_cancel(order_id=order.pk, now=now, reason="The trader thought better of it.")
        self.deeds["cancel wished"] += 1

    def _edit(self, order: Order, now: datetime) -> None:
        """Another price, and now and then half of what an entry is for."""
        market = order.symbol.to_market()
        price = self._prices[Exchange(order.broker.exchange)][order.symbol.name]
        halves = order.purpose == OrderPurpose.ENTRY and self._random.random() < SMALLER
        try:
            replacement = edits.request_edit(
                order=order,
                quantity=market.round_quantity((order.quantity or Decimal(0)) / 2)
                if halves
                else None,
                price=self._off(market, price, below=order.side == OrderSide.BUY),
                trigger_price=None,
                now=now,
            )
        except edits.NotChangeable:
            self.deeds["edit too late"] += 1
        else:
            code = replacement.denial_code
            self.deeds[f"edit denied: {code}" if code else "edit wished"] += 1

    def _give(self, lane: Lane, signal: Signal, now: datetime) -> None:
        order = place(book=lane.book, symbol=lane.symbol, signal=signal, now=now)
        self.deeds[f"denied: {order.denial_code}" if order.denial_code else "created"] += 1
        if self._random.random() < TWICE:
            self.deeds["given twice"] += 1
            same = place(book=lane.book, symbol=lane.symbol, signal=signal, now=now)
            assert same.pk == order.pk, "one signal, two orders"  # noqa: S101  this is a test

    def _find_free_lane(self) -> Lane | None:
        busy = set(
            Order.objects.filter(is_settled=False)
            .exclude(purpose__in=[OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT])
            .values_list("book_id", "symbol_id")
        )
        free = [lane for lane in self._lanes if (lane.book.pk, lane.symbol.pk) not in busy]
        return self._random.choice(free) if free else None

    def _make_signal(self, lane: Lane, now: datetime) -> Signal:
        held = Position.objects.filter(book=lane.book, symbol=lane.symbol, closed_at=None).first()
        price = self._prices[Exchange(lane.book.broker.exchange)][lane.symbol.name]
        make: Callable[[Lane, Decimal, datetime], Signal] = self._exit if held else self._entry
        return make(lane, price, now)

    def _entry(self, lane: Lane, price: Decimal, now: datetime) -> Signal:
        value = Decimal(self._random.randint(20, 200))
        limit = self._limit(lane, price, below=True)
        if limit is None:
            return self._signal(OrderSide.BUY, price, now, quote_amount=value)
        quantity = lane.symbol.to_market().round_quantity(value / limit)
        return self._signal(OrderSide.BUY, price, now, quantity=quantity, price=limit)

    def _exit(self, lane: Lane, price: Decimal, now: datetime) -> Signal:
        limit = self._limit(lane, price, below=False)
        return self._signal(OrderSide.SELL, price, now, price=limit)

    def _limit(self, lane: Lane, price: Decimal, *, below: bool) -> Decimal | None:
        """A limit, None for an order at market."""
        if self._random.random() >= LIMITS:
            return None
        return self._off(lane.symbol.to_market(), price, below=below)

    def _off(self, market: Market, price: Decimal, *, below: bool) -> Decimal:
        """A little off the price."""
        off = Decimal(self._random.randint(0, 15)) / 10_000
        return market.round_price(price * (1 - off if below else 1 + off))

    def _signal(
        self,
        side: OrderSide,
        reference_price: Decimal,
        now: datetime,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        quote_amount: Decimal | None = None,
    ) -> Signal:
        return Signal(
            side=side,
            order_type=OrderType.LIMIT if price else OrderType.MARKET,
            purpose=OrderPurpose.ENTRY if side is OrderSide.BUY else OrderPurpose.EXIT,
            source=OrderSource.MANUAL,
            dedup_key=f"chaos-{next(self._numbers)}",
            reason="Because of the chaos.",
            reference_price=reference_price,
            valid_until=now + timedelta(minutes=5),
            quantity=quantity,
            quote_amount=quote_amount,
            price=price,
        )


_RESTING = (OrderStatus.SUBMITTED, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
