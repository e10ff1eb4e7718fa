"""Orders that trade while a full sweep compares balances: what they moved is never taken for something that
was there before."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.domain.orders import OrderSide, OrderType
from apps.exchanges import ports
from apps.markets.models import Symbol
from apps.trading import path
from apps.trading.models import Book, Lot, Order, Transfer, new_client_order_id
from apps.trading.settling import look_at_orders
from apps.trading.sync import sweep
from apps.trading.tests.model_exchange import CASH, PRICE, ModelExchange

MINUTE = timedelta(minutes=1)
ONE = Decimal(1)


@dataclass
class BusyExchange(ModelExchange):
    """Something may happen before it answers a question, and before the answer is read."""

    meanwhile: Callable[[str], None] = lambda _moment: None

    def fetch_open_orders(self, symbol: str | None = None) -> list[ports.OrderReport]:
        self.meanwhile("before fetch_open_orders")
        answer = super().fetch_open_orders(symbol)
        self.meanwhile("after fetch_open_orders")
        return answer

    def fetch_fills(self, symbol: str, **which: object) -> list[ports.Fill]:
        self.meanwhile("before fetch_fills")
        answer = super().fetch_fills(symbol, **which)  # type: ignore[arg-type]
        self.meanwhile("after fetch_fills")
        return answer

    def get_balance(self) -> list[ports.Balance]:
        self.meanwhile("before get_balance")
        answer = self.tell_balances()
        self.meanwhile("after get_balance")
        return answer


@dataclass
class Account:
    """One broker, and all that may happen to it while it is swept."""

    book: Book
    symbol: Symbol
    exchange: BusyExchange = field(default_factory=BusyExchange)

    def sweep(self) -> None:
        """A full one, a minute after the one before."""
        self.exchange.now += MINUTE
        assert sweep(broker=self.book.broker, client=self.exchange, now=self.exchange.now)

    def poll(self) -> None:
        look_at_orders(broker=self.book.broker, client=self.exchange, now=self.exchange.now)

    def do(self, deed: str) -> None:
        """Once, and as often as it is called again."""
        getattr(self, deed)()

    # What may happen.

    def nothing(self) -> None:
        pass

    def buy_and_book(self) -> None:
        self._book(self._send("buy"))

    def sell_and_book(self) -> None:
        if self._has_bought_some():
            self._book(self._send("sell"))

    def buy_and_book_later(self) -> None:
        self._send("buy")

    def have_it_told_later(self) -> None:
        order = self._send("buy", price=PRICE)
        self._book(order)
        placed = self.exchange.book[order.client_order_id]
        self.exchange.fill(placed, ONE, told_after=MINUTE / 4)

    def fill_what_rests(self) -> None:
        for placed in self.exchange.resting()[:1]:
            self.exchange.fill(placed, placed.quantity - placed.filled)

    def fill_a_part_of_what_rests(self) -> None:
        for placed in self.exchange.resting()[:1]:
            self.exchange.fill(placed, (placed.quantity - placed.filled) / 2)

    def let_rest(self) -> None:
        self._book(self._send("buy", price=PRICE))

    def buy_elsewhere(self) -> None:
        self._arrive("buy", f"web-{len(self.exchange.book)}")

    def sell_elsewhere(self) -> None:
        if self._has_bought_some():
            self._arrive("sell", f"web-{len(self.exchange.book)}")

    def deposit(self) -> None:
        self.exchange.deposited += 1

    def wait(self) -> None:
        self.exchange.now += timedelta(seconds=20)

    def _has_bought_some(self) -> bool:
        """Whether coins are left besides those that were there before."""
        coins = {balance.asset: balance.free for balance in self.exchange.tell_balances()}
        return coins["BTC"] - self.exchange.deposited >= 1

    def _send(self, side: str, *, price: Decimal | None = None) -> Order:
        """An order of ours, sent and not answered yet; from a book of its own, which has one at a time."""
        book = Book.objects.create(
            owner=self.book.owner, broker=self.book.broker, kind="activation", label="Another"
        )
        order = Order.objects.create(
            owner=book.owner,
            book=book,
            broker=book.broker,
            symbol=self.symbol,
            dedup_key=new_client_order_id(),
            source="strategy",
            purpose="entry" if side == "buy" else "exit",
            side=side,
            order_type="limit" if price else "market",
            quantity=ONE,
            price=price,
            reference_price=PRICE,
            status="submitted",
            valid_until=self.exchange.now + MINUTE,
            submitted_at=self.exchange.now,
            send_deadline=self.exchange.now + MINUTE / 12,
        )
        self._arrive(side, order.client_order_id, price=price)
        return order

    def _arrive(self, side: str, name: str, *, price: Decimal | None = None) -> None:
        request = ports.OrderRequest(
            symbol=self.symbol.name,
            side=OrderSide(side),
            order_type=OrderType.LIMIT if price else OrderType.MARKET,
            client_order_id=name,
            quantity=ONE,
            price=price,
        )
        self.exchange.arrive(request, self.exchange.now)

    def _book(self, order: Order) -> None:
        report = self.exchange.report_of(order.client_order_id)
        path.apply_report(order_id=order.pk, report=report, now=self.exchange.now)


@pytest.fixture
def account(book: Book, symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Of a broker that is to be looked at for the first time."""
    monkeypatch.setattr("apps.trading.path.enqueue_on_commit", lambda *_a, **_k: None)
    return Account(book, symbol)


def begin(account: Account) -> None:
    """With two coins that nobody knows of, one that was bought, and an order that rests."""
    account.exchange = BusyExchange()
    account.exchange.deposited = Decimal(2)
    account.buy_and_book()
    account.let_rest()


def come_to_rest(account: Account) -> None:
    """Whoever sent something is gone; the monitor finds out what became of it, and sweeps."""
    account.exchange.meanwhile = lambda _moment: None
    Order.objects.filter(status="submitted").update(status="unknown")
    for _ in range(3):
        account.poll()
        account.sweep()


def check(account: Account) -> None:
    """What the account has is what the ledger has, and what was adopted is what was never bought."""
    free = {balance.asset: balance.free for balance in account.exchange.tell_balances()}
    adopted = Transfer.objects.order_by("asset").values_list("asset").annotate(Sum("quantity"))
    held = Lot.objects.filter(asset="BTC").aggregate(held=Sum("remaining"))["held"]
    assert held == free["BTC"]
    assert dict(adopted) == {"BTC": account.exchange.deposited, "USDT": CASH}
    assert not Transfer.objects.filter(quantity__lt=0).exists()


DEEDS = [
    "buy_and_book",
    "sell_and_book",
    "buy_and_book_later",
    "have_it_told_later",
    "fill_what_rests",
    "fill_a_part_of_what_rests",
    "let_rest",
    "buy_elsewhere",
    "sell_elsewhere",
    "deposit",
    "poll",
    "wait",
]


def test_what_was_there_before_is_adopted_while_an_order_rests(account: Account) -> None:
    begin(account)

    account.sweep()
    account.sweep()

    check(account)


@pytest.mark.parametrize(
    ("moment", "deed"),
    [
        # An order placed in the middle of a long sweep, and filled before the balances are asked for.
        ("after fetch_fills", "buy_and_book_later"),
        ("before get_balance", "buy_and_book"),
        # One that trades between the balances and their comparison.
        ("after get_balance", "buy_and_book"),
        ("after get_balance", "sell_and_book"),
        # One that rests by our rows, and has filled, or fills meanwhile.
        ("before get_balance", "fill_what_rests"),
        ("after get_balance", "fill_what_rests"),
        ("before get_balance", "fill_a_part_of_what_rests"),
        # A fill that the exchange tells late.
        ("before get_balance", "have_it_told_later"),
        # Somebody else's hands.
        ("before get_balance", "buy_elsewhere"),
        ("before get_balance", "sell_elsewhere"),
    ],
)
def test_what_is_traded_meanwhile_is_not_adopted(account: Account, moment: str, deed: str) -> None:
    begin(account)
    account.exchange.meanwhile = lambda now: account.do(deed if now == moment else "nothing")

    for _ in range(3):
        account.sweep()

    come_to_rest(account)
    check(account)


@given(script=st.lists(st.sampled_from(DEEDS), max_size=16), calm=st.integers(0, 5))
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_trades_while_a_first_look_goes_on_the_lots_are_the_balance(
    account: Account, script: list[str], calm: int
) -> None:
    """One deed after every so many moments of calm."""
    with transaction.atomic():
        begin(account)
        steps = (step for deed in script for step in [*["nothing"] * calm, deed])
        account.exchange.meanwhile = lambda _moment: account.do(next(steps, "nothing"))
        for _ in range(4):
            account.sweep()
        come_to_rest(account)
        check(account)
        transaction.set_rollback(True)
