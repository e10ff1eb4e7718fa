"""Every rule of the gate: what it takes to break it, and what a person reads then."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import User
from apps.brokers.models import Balance, Broker
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderType
from apps.domain.risk import DenialCode
from apps.markets.models import Candle, Symbol
from apps.trading.gate import Signal, place
from apps.trading.models import Book, BrokerWatch, Order, Position, RiskScope
from apps.trading.standing import lock_and_read

SELL = {"side": OrderSide.SELL, "purpose": OrderPurpose.EXIT, "quote_amount": None}
MANUAL = {"source": OrderSource.MANUAL}
LATER = timedelta(minutes=4)


@dataclass(frozen=True, kw_only=True)
class World:
    """What a rule may be broken in."""

    book: Book
    symbol: Symbol
    stranger: User
    now: datetime
    add_candle: Callable[..., Candle]
    make_order: Callable[..., Order]

    def limit(self, **limits: object) -> None:
        """Limits for the owner of the book."""
        RiskScope.objects.create(owner=self.book.owner, **limits)

    def hold(self) -> None:
        """One bitcoin at 100."""
        Position.objects.create(
            owner=self.book.owner,
            book=self.book,
            symbol=self.symbol,
            quantity=1,
            cost=100,
            opened_at=self.now,
        )

    def hold_elsewhere(self) -> None:
        """One bitcoin at 100 in another book of the same broker."""
        other = Book.objects.create(
            owner=self.book.owner, broker=self.book.broker, kind="activation", label="other"
        )
        Position.objects.create(
            owner=other.owner,
            book=other,
            symbol=self.symbol,
            quantity=1,
            cost=100,
            opened_at=self.now,
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How it is broken: by the world, by the signal, or by both; and the figures that are named."""

    world: Callable[[World], Any] = lambda _: None
    signal: dict[str, Any] = field(default_factory=dict)
    figures: str = ""


def halt(state: str) -> Callable[[World], Any]:
    return lambda world: world.limit(state=state, reason="A bad day.")


RULES = {
    DenialCode.NOT_OWNED: Rule(world=lambda w: Broker.objects.update(owner=w.stranger)),
    DenialCode.OTHER_MARKET: Rule(world=lambda _: Broker.objects.update(exchange="kraken")),
    DenialCode.BROKER_INACTIVE: Rule(world=lambda _: Broker.objects.update(is_active=False)),
    DenialCode.AUTOMATION_OFF: Rule(world=lambda _: Broker.objects.update(automation="off")),
    DenialCode.REDUCE_ONLY: Rule(world=halt("reduce_only"), figures="For you: A bad day."),
    DenialCode.HALTED: Rule(world=halt("halted"), figures="For you: A bad day."),
    DenialCode.STALE: Rule(
        signal={"valid_until": datetime.fromisoformat("2026-01-01T11:59:50Z")}, figures="10 s ago"
    ),
    DenialCode.IN_FLIGHT: Rule(world=lambda w: w.make_order()),
    DenialCode.NO_POSITION: Rule(signal=SELL),
    DenialCode.POSITION_CHANGED: Rule(
        world=lambda w: w.hold(), signal={**SELL, "position_version": 7}
    ),
    DenialCode.POSITION_OPEN: Rule(world=lambda w: w.hold()),
    DenialCode.MARKET_CLOSED: Rule(world=lambda w: setattr(w.symbol, "is_trading", False)),
    DenialCode.NOT_RECONCILED: Rule(world=lambda _: BrokerWatch.objects.update(reconciled_at=None)),
    DenialCode.STALE_DATA: Rule(
        world=lambda w: w.add_candle(received_at=w.now - LATER),
        figures="The last candle of 1m came 240 s ago.",
    ),
    DenialCode.PRICE_OFF: Rule(
        world=lambda w: w.add_candle(close=120.0), figures="100 is more than 10% from 120."
    ),
    DenialCode.UNKNOWN_BALANCE: Rule(world=lambda _: Broker.objects.update(balances_as_of=None)),
    DenialCode.INSUFFICIENT_BALANCE: Rule(
        signal={**MANUAL, "quote_amount": Decimal(1000)},
        figures="It needs 1,001 USDT with the fee; 1,000 can be spent.",
    ),
    DenialCode.BELOW_MINIMUM: Rule(signal={"quote_amount": Decimal("4.9")}),
    DenialCode.ABOVE_MAXIMUM: Rule(
        world=lambda w: setattr(w.symbol, "max_quantity", Decimal("0.5"))
    ),
    DenialCode.NOT_SELLABLE: Rule(
        signal={"quote_amount": Decimal("5.5"), "stop_loss": Decimal("0.2")}
    ),
    DenialCode.INVALID_SIZE: Rule(signal={"quote_amount": Decimal("NaN")}),
    DenialCode.ORDER_TOO_LARGE: Rule(
        world=lambda w: w.limit(max_order_value=Decimal(99)),
        figures="It would be 100, the limit is 99. (Limit for you.)",
    ),
    DenialCode.POSITION_TOO_LARGE: Rule(
        world=lambda w: (w.hold_elsewhere(), w.limit(max_position_value=Decimal(150))),
        figures="It would be 200, the limit is 150.",
    ),
    DenialCode.TOO_MANY_POSITIONS: Rule(
        world=lambda w: (w.hold_elsewhere(), w.limit(max_open_positions=1)),
        figures="It would be 2, the limit is 1.",
    ),
    DenialCode.TOO_MANY_ORDERS: Rule(
        world=lambda w: (
            w.make_order(status="filled", is_settled=True),
            w.limit(max_orders_per_minute=1),
        ),
        figures="It would be 2, the limit is 1.",
    ),
}


@pytest.fixture
def world(
    book: Book,
    symbol: Symbol,
    bob: User,
    now: datetime,
    add_candle: Callable[..., Candle],
    make_order: Callable[..., Order],
) -> World:
    return World(
        book=book,
        symbol=symbol,
        stranger=bob,
        now=now,
        add_candle=add_candle,
        make_order=make_order,
    )


@pytest.mark.parametrize("code", DenialCode)
def test_every_rule_says_no_in_words(
    world: World, code: DenialCode, make_signal: Callable[..., Signal]
) -> None:
    rule = RULES[code]
    rule.world(world)

    order = place(
        book=world.book, symbol=world.symbol, signal=make_signal(**rule.signal), now=world.now
    )

    assert (order.status, order.denial_code, order.is_settled) == ("denied", code, True)
    words = order.events.get().message
    assert words.startswith(code.words)
    assert rule.figures in words


@pytest.mark.parametrize(
    ("polled", "streamed", "status"),
    [(61, None, "denied"), (60, None, "created"), (300, 5, "created")],
)
def test_entries_wait_for_a_monitor_that_has_looked_lately(
    world: World,
    make_signal: Callable[..., Signal],
    polled: int,
    streamed: int | None,
    status: str,
) -> None:
    BrokerWatch.objects.update(
        polled_at=world.now - timedelta(seconds=polled),
        stream_alive_at=None if streamed is None else world.now - timedelta(seconds=streamed),
    )

    order = place(book=world.book, symbol=world.symbol, signal=make_signal(), now=world.now)

    assert order.status == status


def test_a_wish_of_somebody_else_is_denied(
    world: World, make_signal: Callable[..., Signal]
) -> None:
    signal = make_signal(owner_id=world.stranger.pk)

    order = place(book=world.book, symbol=world.symbol, signal=signal, now=world.now)

    assert order.denial_code == "not_owned"


@pytest.mark.parametrize(
    "code", [DenialCode.REDUCE_ONLY, DenialCode.HALTED, DenialCode.TOO_MANY_ORDERS]
)
def test_what_reduces_passes_every_state_and_limit(
    world: World, code: DenialCode, make_signal: Callable[..., Signal]
) -> None:
    RULES[code].world(world)
    world.hold()
    Symbol.objects.update(is_trading=False)
    BrokerWatch.objects.all().delete()
    signal = make_signal(**SELL, valid_until=world.now - timedelta(days=1))

    order = place(book=world.book, symbol=world.symbol, signal=signal, now=world.now)

    assert order.status == "created"


def test_the_scope_of_somebody_else_is_nobody_s_business(
    world: World, make_signal: Callable[..., Signal]
) -> None:
    RiskScope.objects.create(owner=world.stranger, state="halted")

    order = place(book=world.book, symbol=world.symbol, signal=make_signal(), now=world.now)

    assert order.status == "created"


def limit_everybody(**limits: object) -> None:
    RiskScope.objects.update_or_create(owner=None, broker=None, book=None, defaults=limits)


def test_a_limit_of_all_users_holds_for_each_by_himself(
    world: World, make_signal: Callable[..., Signal]
) -> None:
    limit_everybody(max_open_positions=1)
    world.hold_elsewhere()
    mine = place(book=world.book, symbol=world.symbol, signal=make_signal(), now=world.now)
    Position.objects.update(owner=world.stranger)

    with_another_s = place(
        book=world.book, symbol=world.symbol, signal=make_signal(key="2"), now=world.now
    )

    assert (mine.denial_code, with_another_s.status) == ("too_many_positions", "created")


@pytest.mark.parametrize(("everybody_s", "own"), [(50, 1000), (1000, 50)])
def test_of_a_limit_of_all_users_and_one_s_own_the_tighter_counts(
    world: World, make_signal: Callable[..., Signal], everybody_s: int, own: int
) -> None:
    limit_everybody(max_order_value=everybody_s)
    world.limit(max_order_value=own)

    order = place(book=world.book, symbol=world.symbol, signal=make_signal(), now=world.now)

    assert "the limit is 50" in order.denial_words


def test_a_limit_price_is_what_an_order_claims(
    world: World, make_signal: Callable[..., Signal]
) -> None:
    signal = make_signal(
        quote_amount=None, quantity=Decimal(1), price=Decimal(95), order_type=OrderType.LIMIT
    )
    place(book=world.book, symbol=world.symbol, signal=signal, now=world.now)

    standing = lock_and_read(book=world.book, symbol=world.symbol, dedup_key="other", replaces=None)

    assert standing.available == 905


def test_a_limit_far_from_the_market_is_a_mistake(
    world: World, make_signal: Callable[..., Signal]
) -> None:
    world.add_candle()
    signal = make_signal(
        quote_amount=None, quantity=Decimal(1), price=Decimal(89), order_type=OrderType.LIMIT
    )

    order = place(book=world.book, symbol=world.symbol, signal=signal, now=world.now)

    assert order.denial_code == "price_off"


def test_what_an_order_replaces_claims_nothing_beside_it(
    world: World, make_signal: Callable[..., Signal]
) -> None:
    resting = {"quote_amount": None, "order_type": OrderType.LIMIT, "quantity": Decimal(9)}
    first = place(
        book=world.book,
        symbol=world.symbol,
        signal=make_signal(**resting, price=Decimal(100)),
        now=world.now,
    )
    signal = make_signal(**resting, key="edit", price=Decimal(101), replaces=first)

    order = place(book=world.book, symbol=world.symbol, signal=signal, now=world.now)

    assert order.status == "created"


def test_a_book_spends_its_own_cash(world: World, make_signal: Callable[..., Signal]) -> None:
    Book.objects.update(capital=300)
    Position.objects.create(
        owner=world.book.owner,
        book=world.book,
        symbol=world.symbol,
        quantity=0,
        cost=0,
        realized_pnl=-60,
        opened_at=world.now,
        closed_at=world.now,
    )

    order = place(
        book=world.book, symbol=world.symbol, signal=make_signal(amount="1000"), now=world.now
    )

    assert order.quote_amount == Decimal("239.76023976")


def test_the_cash_of_a_book_knows_what_is_booked_and_what_is_not(
    world: World, make_signal: Callable[..., Signal]
) -> None:
    Book.objects.update(capital=300)
    world.hold()
    world.make_order(
        status="open",
        order_type="limit",
        quote_amount=None,
        quantity=2,
        price=50,
        submitted_at=world.now - LATER,
    )

    standing = lock_and_read(book=world.book, symbol=world.symbol, dedup_key="other", replaces=None)

    assert standing.available == 100
    assert Balance.objects.get().free == 1000
