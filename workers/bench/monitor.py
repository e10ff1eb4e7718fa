"""The monitor at its limits: many brokers, many open orders, and exchanges in memory that count what
every question costs."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.core.tasks import TaskName
from apps.domain.environments import Environment, Exchange
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges import errors, ports
from apps.exchanges.binance import constants as binance
from apps.exchanges.bitget import constants as bitget
from apps.exchanges.kraken import constants as kraken
from apps.exchanges.limits import (
    Budget,
    Charge,
    LimitStore,
    MemoryLimitStore,
    ModestStore,
    Priority,
    Refusal,
    Spending,
    Throttle,
)
from apps.markets.models import Symbol
from apps.trading import monitor, sync
from apps.trading.models import Book, BrokerWatch, Order, new_client_order_id

#: How many brokers at which exchange.
CROWD = {Exchange.BINANCE: 20, Exchange.BITGET: 15, Exchange.KRAKEN: 15}
ORDERS = 2000
SYMBOLS = 10
CASH = Decimal(100_000)
#: One order changes every so many seconds.
CHANGE_EVERY = 3
#: Seconds at the beginning and the end without changes: before the first polls no interval is announced,
#: and what changes last could not be seen any more.
QUIET = 120
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Prices:
    """What a client of an exchange is charged for each question."""

    open_orders: tuple[Charge, ...]
    open_orders_of_all: tuple[Charge, ...]
    order: tuple[Charge, ...]
    fills_of_order: tuple[Charge, ...]
    history: tuple[Charge, ...]
    balance: tuple[Charge, ...]
    time: tuple[Charge, ...]


_BITGET_OPEN = (
    *bitget.OPEN_ORDERS.charges,
    *bitget.OPEN_ORDERS.charges,
    *bitget.OPEN_PLANS.charges,
)
PRICES = {
    Exchange.BINANCE: Prices(
        open_orders=binance.OPEN_ORDERS.charges,
        open_orders_of_all=binance.OPEN_ORDERS_ALL.charges,
        order=binance.ORDER.charges,
        fills_of_order=binance.MY_TRADES_OF_ORDER.charges,
        history=(*binance.ALL_ORDERS.charges, *binance.MY_TRADES.charges),
        balance=binance.ACCOUNT.charges,
        time=binance.TIME.charges,
    ),
    Exchange.BITGET: Prices(
        open_orders=_BITGET_OPEN,
        open_orders_of_all=_BITGET_OPEN,
        order=bitget.ORDER_INFO.charges,
        fills_of_order=bitget.FILLS.charges,
        history=(
            *bitget.ORDER_HISTORY.charges,
            *bitget.ORDER_HISTORY.charges,
            *bitget.PLAN_HISTORY.charges,
            *bitget.FILLS.charges,
        ),
        balance=bitget.ASSETS.charges,
        time=bitget.TIME.charges,
    ),
    Exchange.KRAKEN: Prices(
        open_orders=kraken.OPEN_ORDERS.charges,
        open_orders_of_all=kraken.OPEN_ORDERS.charges,
        order=kraken.QUERY_ORDERS.charges,
        fills_of_order=(*kraken.QUERY_ORDERS.charges, *kraken.QUERY_TRADES.charges),
        history=(
            *kraken.CLOSED_ORDERS.charges,
            *kraken.TRADES_HISTORY.charges,
            *kraken.QUERY_ORDERS.charges,
        ),
        balance=kraken.BALANCE.charges,
        time=kraken.TIME.charges,
    ),
}


class Clock:
    """The time of the simulation."""

    def __init__(self) -> None:
        self.seconds = START.timestamp()

    def now(self) -> float:
        """Seconds since 1970."""
        return self.seconds

    def moment(self) -> datetime:
        """The same as a datetime."""
        return datetime.fromtimestamp(self.seconds, tz=UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass; less than a millisecond would be lost in the digits of so large a number."""
        self.seconds += max(seconds, 0.001)


class Meter(MemoryLimitStore):
    """Limits as all clients keep them, and beside them a count of its own of what was really spent."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(now=clock.now)
        self._clock = clock
        self._levels_seen: dict[str, tuple[float, float]] = {}
        self.highest: dict[tuple[str, str], float] = defaultdict(float)
        self.refusals = 0

    def spend(
        self, spendings: Sequence[Spending], *, share: float, stops: Sequence[str]
    ) -> Refusal | None:
        """As any store, and counted."""
        refusal = super().spend(spendings, share=share, stops=stops)
        if refusal:
            self.refusals += 1
            return refusal
        for key, budget, amount in spendings:
            level, at = self._levels_seen.get(key, (0.0, 0.0))
            level = self._left(budget, level, at) + amount
            self._levels_seen[key] = level, self._clock.now()
            venue = key.partition("@")[0]
            kind = budget.name if len(budget.name) < 30 else budget.name.rpartition("/")[2]
            used = level / budget.capacity
            self.highest[venue, kind] = max(self.highest[venue, kind], used)
        return None

    def _left(self, budget: Budget, level: float, at: float) -> float:
        now = self._clock.now()
        if budget.refills:
            return max(0.0, level - (now - at) * budget.capacity / budget.seconds)
        return level if at // budget.seconds == now // budget.seconds else 0.0


@dataclass
class Account:
    """One broker's orders at its exchange; charges as the real client is charged."""

    exchange: Exchange
    throttle: Throttle
    clock: Clock
    orders: dict[str, ports.OrderReport] = field(default_factory=dict)
    fills: list[ports.Fill] = field(default_factory=list)

    def get_server_time(self) -> datetime:
        """The clock of the simulation."""
        self._pay(PRICES[self.exchange].time)
        return self.clock.moment()

    def get_balance(self) -> list[ports.Balance]:
        """What its fills, which are all purchases, have left of the cash it began with, and brought."""
        self._pay(PRICES[self.exchange].balance)
        amounts = defaultdict(Decimal, USDT=CASH)
        for fill in self.fills:
            amounts["USDT"] -= fill.quantity * fill.price
            amounts[fill.symbol.partition("/")[0]] += fill.quantity
        return [
            ports.Balance(asset=asset, free=amount, locked=Decimal(0))
            for asset, amount in amounts.items()
        ]

    def fetch_open_orders(self, symbol: str | None = None) -> list[ports.OrderReport]:
        """What rests."""
        prices = PRICES[self.exchange]
        self._pay(prices.open_orders if symbol else prices.open_orders_of_all)
        return [
            report
            for report in self.orders.values()
            if not report.status.is_terminal and symbol in {None, report.symbol}
        ]

    def fetch_order(self, ref: ports.OrderRef) -> ports.OrderReport:
        """By its name here, which is ours."""
        self._pay(PRICES[self.exchange].order, Priority.PROTECT)
        name = ref.exchange_order_id or ""
        if name not in self.orders:
            raise errors.OrderNotFound(f"no order {ref}")
        return self.orders[name]

    def fetch_closed_orders(
        self, symbol: str | None, *, since: datetime
    ) -> list[ports.OrderReport]:
        """What ended; paid together with its fills."""
        self._pay(PRICES[self.exchange].history)
        return [
            report
            for report in self.orders.values()
            if report.status.is_terminal
            and symbol in {None, report.symbol}
            and report.updated_at is not None
            and report.updated_at >= since
        ]

    def fetch_fills(
        self,
        symbol: str | None,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[ports.Fill]:
        """Of one order, or since a moment."""
        if exchange_order_id:
            self._pay(PRICES[self.exchange].fills_of_order)
        return [
            fill
            for fill in self.fills
            if symbol in {None, fill.symbol}
            and exchange_order_id in {None, fill.exchange_order_id}
            and (since is None or fill.executed_at >= since)
        ]

    def end(self, name: str, *, is_filled: bool) -> None:
        """An order is filled, or cancelled by somebody else."""
        order, now = self.orders[name], self.clock.moment()
        if not is_filled:
            ended = replace(order, status=OrderStatus.CANCELLED, updated_at=now)
        else:
            size = order.quantity or Decimal(0)
            self.fills.append(
                ports.Fill(
                    trade_id=order.exchange_order_id,
                    exchange_order_id=order.exchange_order_id,
                    symbol=order.symbol,
                    side=order.side,
                    quantity=size,
                    price=Decimal(100),
                    fee=Decimal(0),
                    fee_asset="USDT",
                    is_maker=True,
                    executed_at=now,
                )
            )
            ended = replace(
                order,
                status=OrderStatus.FILLED,
                filled_quantity=size,
                filled_quote=size * 100,
                updated_at=now,
            )
        self.orders[name] = ended

    def _pay(self, charges: Sequence[Charge], priority: Priority = Priority.READ) -> None:
        self.throttle.admit(charges, priority)


@dataclass
class Outcome:
    """What an hour, or less, has shown."""

    simulated_seconds: float
    cpu_seconds: float
    polls: int
    changes: int
    delays: dict[Exchange, list[float]]
    late: int
    unseen: int
    intervals: dict[Exchange, float]
    highest: dict[tuple[str, str], float]
    refusals: int
    entries_waited: float
    swept_ago: dict[Exchange, float]

    @property
    def is_good(self) -> bool:
        """No limit broken, every change seen in time."""
        return max(self.highest.values()) <= 1 and not self.late and not self.unseen

    def describe(self) -> Iterator[str]:
        """For a terminal."""
        yield (
            f"{sum(CROWD.values())} brokers, {ORDERS:,} open orders, {self.simulated_seconds / 60:.0f}"
            f" simulated minutes: {self.polls:,} polls, {self.changes:,} changes"
        )
        yield f"entries of all brokers were free {self.entries_waited:.0f} s after the start"
        for exchange, seconds in self.swept_ago.items():
            yield f"{exchange:<8} between two full sweeps of a broker at most {seconds:.0f} s"
        for exchange, delays in self.delays.items():
            ordered = sorted(delays)
            yield (
                f"{exchange:<8} announced {self.intervals[exchange]:5.1f} s; changes seen after"
                f" p50 {ordered[len(ordered) // 2]:5.1f} s, at most {ordered[-1]:5.1f} s"
            )
        for (venue, budget), share in sorted(self.highest.items()):
            yield f"{venue:<8} {budget:<28} at most {share:6.1%} of its limit"
        yield f"asked to wait by our own throttle: {self.refusals}"
        yield f"seen later than announced: {self.late}; not seen: {self.unseen}"
        share = self.cpu_seconds / self.simulated_seconds
        yield f"CPU of the workers: {self.cpu_seconds:.0f} s, {share:.1%} of one core (without PostgreSQL)"


class Watching:
    """The monitor's own code, run second by second; what a task would do is done at once, one after the
    other."""

    def __init__(self, *, seed: int) -> None:
        self.clock = Clock()
        self.meter = Meter(self.clock)
        self.accounts = _make_world(self.meter, self.clock)
        self.polls = self.changes = self.late = 0
        self.delays: dict[Exchange, list[float]] = defaultdict(list)
        self.intervals: dict[Exchange, float] = dict.fromkeys(CROWD, 0.0)
        #: Orders that have ended at the exchange: whose, when, and what interval was announced then.
        self.pending: dict[int, tuple[int, float, float]] = {}
        #: When the entries of all brokers were free, and the longest time between two full sweeps of one.
        self.ready_at: float | None = None
        self.swept_ago: dict[Exchange, float] = dict.fromkeys(CROWD, 0.0)
        self._swept_at = dict.fromkeys(self.accounts, self.clock.now())
        #: Whose balances are to be read after a change.
        self._changed: list[int] = []
        self._chance = random.Random(seed)  # noqa: S311  a plan, not a secret

    def run(self, minutes: float) -> None:
        """Let time pass."""
        begin = self.clock.now()
        for second in range(int(60 * minutes)):
            # A call that had to wait has moved the clock already.
            self.clock.seconds = max(self.clock.seconds, begin + second)
            monitor.poll_brokers(now=self.clock.moment())
            while self._changed:
                sync.refresh_balances(broker_id=self._changed.pop(), now=self.clock.moment())
            if (
                self.ready_at is None
                and not BrokerWatch.objects.filter(reconciled_at=None).exists()
            ):
                self.ready_at = self.clock.now()
            if QUIET <= second < 60 * minutes - QUIET and second % CHANGE_EVERY == 0:
                self._change_one()

    def connect(self, broker: Broker, *, share: float = 1.0) -> Account:
        """The account of a broker, paid from so much of its limits."""
        account = self.accounts[broker.pk]
        if share == 1:
            return account
        # Nothing runs beside it here, so it waits for nothing: it ends, and goes on at its next turn.
        store = ModestStore(self.meter, share, patience=0)
        throttle = _make_throttle(store, self.clock, account.exchange, broker)
        return replace(account, throttle=throttle)

    def send(self, task: TaskName, *, broker_id: int) -> None:
        """In the place of a message to a worker."""
        if task is TaskName.SWEEP_BROKER:
            self._sweep(broker_id)
        else:
            self._poll(broker_id)

    def note_change(self, task: TaskName, **ids: int) -> None:
        """In the place of what follows an order's end; of that only the balances cost a question here."""
        if task is TaskName.REFRESH_BALANCES:
            self._changed.append(ids["broker_id"])

    def _sweep(self, broker_id: int) -> None:
        monitor.sweep_broker(broker_id=broker_id, now=self.clock.moment())
        swept_at = BrokerWatch.objects.get(pk=broker_id).swept_at
        if swept_at and swept_at.timestamp() > self._swept_at[broker_id]:
            exchange = self.accounts[broker_id].exchange
            ago = swept_at.timestamp() - self._swept_at[broker_id]
            self.swept_ago[exchange] = max(self.swept_ago[exchange], ago)
            self._swept_at[broker_id] = swept_at.timestamp()

    def _poll(self, broker_id: int) -> None:
        self.polls += 1
        monitor.poll_broker(broker_id=broker_id, now=self.clock.moment())
        mine = [order for order, (owner, *_rest) in self.pending.items() if owner == broker_id]
        ended = Order.objects.filter(pk__in=mine, is_settled=True).values_list("pk", flat=True)
        for order_id in ended:
            _owner, at, announced = self.pending.pop(order_id)
            delay = self.clock.now() - at
            self.delays[self.accounts[broker_id].exchange].append(delay)
            # A turn is taken within the second in which it comes.
            self.late += delay > announced + 1

    def _change_one(self) -> None:
        """End one order at its exchange, and let another one rest in its place."""
        broker_id = self._chance.choice(list(self.accounts))
        account = self.accounts[broker_id]
        resting = [name for name, report in account.orders.items() if not report.status.is_terminal]
        name = self._chance.choice(resting)
        account.end(name, is_filled=self._chance.choice([True, False]))
        order = Order.objects.select_related("book", "symbol").get(
            broker_id=broker_id, client_order_id=name
        )
        _place(account, order.book, order.symbol)
        announced = BrokerWatch.objects.get(pk=broker_id).interval_seconds
        self.intervals[account.exchange] = max(self.intervals[account.exchange], announced)
        self.pending[order.pk] = broker_id, self.clock.now(), announced
        self.changes += 1


def measure(*, minutes: float, seed: int, say: Callable[[str], None]) -> Outcome:
    """Watch 50 brokers for so many simulated minutes."""
    say("Making brokers and orders ...")
    watching = Watching(seed=seed)
    say("Watching ...")
    started = time.process_time()
    with ExitStack() as stack:
        for module in ("monitor", "sync"):
            stack.enter_context(patch(f"apps.trading.{module}.connect", watching.connect))
        stack.enter_context(patch("apps.trading.monitor.send", watching.send))
        stack.enter_context(patch("apps.trading.path.enqueue_on_commit", watching.note_change))
        watching.run(minutes)
    return Outcome(
        simulated_seconds=60 * minutes,
        cpu_seconds=time.process_time() - started,
        polls=watching.polls,
        changes=watching.changes,
        delays=watching.delays,
        late=watching.late,
        unseen=len(watching.pending),
        intervals=watching.intervals,
        highest=dict(watching.meter.highest),
        refusals=watching.meter.refusals,
        entries_waited=(watching.ready_at or watching.clock.now()) - START.timestamp(),
        swept_ago=watching.swept_ago,
    )


def _make_world(meter: Meter, clock: Clock) -> dict[int, Account]:
    owner = User.objects.create_user("bench")
    accounts: dict[int, Account] = {}
    for exchange, count in CROWD.items():
        symbols = [_make_symbol(exchange, number) for number in range(SYMBOLS)]
        for number in range(count):
            broker = Broker.objects.create(
                owner=owner,
                name=f"{exchange} {number}",
                exchange=exchange,
                environment=Environment.LIVE,
            )
            throttle = _make_throttle(meter, clock, exchange, broker)
            account = Account(exchange=exchange, throttle=throttle, clock=clock)
            book = Book.objects.create(
                owner=owner, broker=broker, kind=Book.Kind.MANUAL, label="bench"
            )
            for index in range(ORDERS // sum(CROWD.values())):
                _place(account, book, symbols[index % SYMBOLS], is_first=True)
            accounts[broker.pk] = account
    Broker.objects.update(created_at=START - timedelta(days=1))
    return accounts


def _make_throttle(store: LimitStore, clock: Clock, exchange: Exchange, broker: Broker) -> Throttle:
    return Throttle(
        store,
        venue=f"{exchange}@simulated",
        api_key=str(broker.pk),
        sleep=clock.sleep,
        monotonic=clock.now,
        now=clock.now,
    )


def _make_symbol(exchange: Exchange, number: int) -> Symbol:
    return Symbol.objects.create(
        exchange=exchange,
        environment=Environment.LIVE,
        name=f"C{number}/USDT",
        base=f"C{number}",
        quote="USDT",
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        min_notional=Decimal(5),
    )


def _place(account: Account, book: Book, symbol: Symbol, *, is_first: bool = False) -> None:
    name, moment = new_client_order_id(), account.clock.moment()
    order = Order.objects.create(
        owner_id=book.owner_id,
        book=book,
        broker_id=book.broker_id,
        symbol=symbol,
        client_order_id=name,
        exchange_order_id=name,
        dedup_key=name,
        # Of its own orders a book has one entry in flight; of those placed elsewhere any number.
        source="external",
        purpose="entry",
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        quantity=1,
        price=100,
        reference_price=100,
        status=OrderStatus.OPEN,
        valid_until=moment,
        submitted_at=moment,
        send_deadline=moment,
    )
    age = timedelta(hours=2 if is_first else 0)
    account.orders[name] = ports.OrderReport(
        symbol=symbol.name,
        client_order_id=name,
        exchange_order_id=name,
        status=OrderStatus.OPEN,
        exchange_status="NEW",
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal(order.quantity or 0),
        filled_quantity=Decimal(0),
        filled_quote=Decimal(0),
        price=Decimal(100),
        created_at=moment - age,
        updated_at=moment - age,
    )
