"""An exchange in memory that keeps an honest book, whatever its network does."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial

from apps.domain.orders import OrderStatus
from apps.exchanges import errors, ports

PRICE = Decimal(100)
CASH = Decimal(10**6)


class Crash(BaseException):
    """The process died at this line; nothing catches it but the test."""


class Fate(Enum):
    """What becomes of the one request that places an order."""

    ANSWERED = "taken and answered"
    ACKNOWLEDGED = "taken, and nothing told but its id"
    ANSWER_LOST = "taken, and the answer lost"
    LOST = "lost on the way"
    DELAYED = "arrives when nobody waits for it any more"
    REFUSED = "a definite no"
    DIED_BEFORE = "its sender died before sending it"
    DIED_AFTER = "its sender died when it had arrived"


@dataclass(slots=True)
class Placed:
    """An order as the exchange has it."""

    request: ports.OrderRequest
    exchange_order_id: str
    status: OrderStatus
    placed_at: datetime
    visible_at: datetime
    fills: list[ports.Fill] = field(default_factory=list)

    @property
    def quantity(self) -> Decimal:
        """Of base."""
        return self.request.quantity or (self.request.quote_amount or Decimal(0)) / PRICE

    @property
    def filled(self) -> Decimal:
        """How much of it."""
        return sum((fill.quantity for fill in self.fills), Decimal(0))


@dataclass
class ModelExchange:
    """Takes each order that arrives in time, once. `fate`, and what happens meanwhile, are set before an
    order is sent; an order may be hidden, and its fills told late. `deposited` coins were never bought."""

    now: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)
    fate: Fate = Fate.ANSWERED
    hidden_for: timedelta = timedelta(0)
    before_arrival: Callable[[], None] = lambda: None
    before_answer: Callable[[], None] = lambda: None
    is_reachable: bool = True
    deposited: Decimal = Decimal(0)
    book: dict[str, Placed] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    travelling: list[Callable[[], object]] = field(default_factory=list)
    fills_told_from: dict[str, datetime] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    # What the order path and the monitor ask.

    def place_order(self, request: ports.OrderRequest, *, deadline: datetime) -> ports.OrderReport:
        fate = self.fate
        if fate is Fate.DIED_BEFORE:
            raise Crash
        self.sent[request.client_order_id] += 1
        self.before_arrival()
        if fate is Fate.REFUSED:
            raise errors.InsufficientFunds("too little money")
        if fate is Fate.DELAYED:
            self.travelling.append(partial(self.arrive, request, deadline))
        if fate in {Fate.LOST, Fate.DELAYED}:
            raise errors.OutcomeUnknown("no answer")
        if not self.arrive(request, deadline):
            raise errors.Rejected("too late")
        self.before_answer()
        return self._answer(self.book[request.client_order_id], fate)

    def cancel_order(self, ref: ports.OrderRef) -> ports.OrderReport | None:
        self._check_reachable()
        placed = self.book.get(ref.client_order_id or "")
        if placed is None or placed.status.is_terminal:
            raise errors.OutcomeUnknown("no such order is open")
        placed.status = OrderStatus.CANCELLED
        return None

    def edit_order(
        self, current: ports.OrderReport, target: ports.OrderRequest, *, deadline: datetime
    ) -> ports.EditReport:
        fate = self.fate
        if fate is Fate.DIED_BEFORE:
            raise Crash
        self.sent[target.client_order_id] += 1
        self.before_arrival()
        if fate is Fate.REFUSED:
            raise errors.InsufficientFunds("too little money")
        if fate is Fate.DELAYED:
            self.travelling.append(partial(self.amend, current, target, deadline))
        if fate in {Fate.LOST, Fate.DELAYED}:
            raise errors.OutcomeUnknown("no answer")
        if not self.amend(current, target, deadline):
            raise errors.InvalidOrder("not any more")
        self.before_answer()
        order = self._answer(self.book[current.client_order_id or ""], fate)
        return ports.EditReport(method=ports.EditMethod.AMENDED, order=order)

    def fetch_order(self, ref: ports.OrderRef) -> ports.OrderReport:
        self._check_reachable()
        for placed in self._visible():
            names = {placed.request.client_order_id, placed.exchange_order_id}
            if names & {ref.client_order_id, ref.exchange_order_id}:
                return self._report(placed)
        raise errors.OrderNotFound("unknown order")

    def fetch_open_orders(self, symbol: str | None = None) -> list[ports.OrderReport]:
        self._check_reachable()
        return [self._report(each) for each in self._visible() if not each.status.is_terminal]

    def fetch_closed_orders(self, symbol: str, *, since: datetime) -> list[ports.OrderReport]:
        self._check_reachable()
        return [self._report(each) for each in self._visible() if each.status.is_terminal]

    def fetch_fills(
        self,
        symbol: str,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[ports.Fill]:
        self._check_reachable()
        return [
            fill
            for placed in self._visible()
            for fill in placed.fills
            if exchange_order_id in {None, placed.exchange_order_id}
            and self.fills_told_from[fill.trade_id] <= self.now
        ]

    def get_balance(self) -> list[ports.Balance]:
        self._check_reachable()
        return self.tell_balances()

    def tell_balances(self) -> list[ports.Balance]:
        """What there is, whoever asks."""
        coins, cash = self.deposited, CASH
        for fill in [fill for placed in self.book.values() for fill in placed.fills]:
            bought = fill.quantity if fill.side == "buy" else -fill.quantity
            coins += bought
            cash -= bought * fill.price
        return [
            ports.Balance(asset="USDT", free=cash, locked=Decimal(0)),
            ports.Balance(asset="BTC", free=coins, locked=Decimal(0)),
        ]

    def get_server_time(self) -> datetime:
        return self.now

    # What happens at it.

    def arrive(self, request: ports.OrderRequest, deadline: datetime) -> bool:
        """Take an order, unless it comes too late."""
        if self.now > deadline:
            return False
        assert request.client_order_id not in self.book, "the same order arrived twice"
        placed = Placed(
            request=request,
            exchange_order_id=str(next(self._numbers)),
            status=OrderStatus.OPEN,
            placed_at=self.now,
            visible_at=self.now + self.hidden_for,
        )
        self.book[request.client_order_id] = placed
        if request.price is None:
            self.fill(placed, placed.quantity)
        return True

    def amend(
        self, current: ports.OrderReport, target: ports.OrderRequest, deadline: datetime
    ) -> bool:
        """Change an order that rests, unless it is too late or has filled too far."""
        placed = self.book[current.client_order_id or ""]
        total = (target.quantity or Decimal(0)) + (current.filled_quantity or Decimal(0))
        if placed.status.is_terminal or self.now > deadline or total <= placed.filled:
            return False
        placed.request = replace(placed.request, quantity=total, price=target.price)
        return True

    def fill(
        self, placed: Placed, quantity: Decimal, *, told_after: timedelta = timedelta(0)
    ) -> None:
        """Execute some of an order; it shows at once, and is in the list of fills later."""
        fill = ports.Fill(
            trade_id=str(next(self._numbers)),
            exchange_order_id=placed.exchange_order_id,
            symbol=placed.request.symbol,
            side=placed.request.side,
            quantity=quantity,
            price=PRICE,
            fee=Decimal(0),
            fee_asset="USDT",
            is_maker=False,
            executed_at=self.now,
        )
        placed.fills.append(fill)
        self.fills_told_from[fill.trade_id] = self.now + told_after
        is_done = placed.filled == placed.quantity
        placed.status = OrderStatus.FILLED if is_done else OrderStatus.PARTIALLY_FILLED

    def resting(self) -> list[Placed]:
        """Orders that may still trade."""
        return [placed for placed in self.book.values() if not placed.status.is_terminal]

    def report_of(self, client_order_id: str) -> ports.OrderReport:
        """What the exchange would say of an order now, its fills included."""
        placed = self.book[client_order_id]
        return replace(self._report(placed), fills=tuple(placed.fills))

    def _answer(self, placed: Placed, fate: Fate) -> ports.OrderReport:
        if fate is Fate.DIED_AFTER:
            raise Crash
        if fate is Fate.ANSWER_LOST:
            raise errors.OutcomeUnknown("no answer")
        if fate is Fate.ACKNOWLEDGED:
            return ports.OrderReport.acknowledged(
                placed.request, exchange_order_id=placed.exchange_order_id, at=self.now, raw={}
            )
        return replace(self._report(placed), fills=tuple(placed.fills))

    def _visible(self) -> list[Placed]:
        return [placed for placed in self.book.values() if placed.visible_at <= self.now]

    def _check_reachable(self) -> None:
        if not self.is_reachable:
            raise errors.ExchangeUnavailable("down")

    def _report(self, placed: Placed) -> ports.OrderReport:
        request = placed.request
        return ports.OrderReport(
            symbol=request.symbol,
            client_order_id=request.client_order_id,
            exchange_order_id=placed.exchange_order_id,
            status=placed.status,
            exchange_status=placed.status.upper(),
            side=request.side,
            order_type=request.order_type,
            quantity=placed.quantity,
            filled_quantity=placed.filled,
            filled_quote=placed.filled * PRICE,
            price=request.price,
            quote_amount=request.quote_amount,
            created_at=placed.placed_at,
            updated_at=self.now,
            raw={"orderId": placed.exchange_order_id},
        )
