from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.brokers.models import Broker
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderType
from apps.domain.risk import DenialCode
from apps.markets.models import Candle, Symbol
from apps.trading.claims import claim
from apps.trading.gate import Signal, place
from apps.trading.models import Book, BrokerWatch, Order, OrderEvent, Position, RiskScope

MakeSignal = Callable[..., Signal]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Messages that would go out."""
    messages: list[dict[str, object]] = []
    monkeypatch.setattr(
        "apps.trading.gate.enqueue_on_commit",
        lambda task, **ids: messages.append({"task": task, **ids}),
    )
    return messages


def test_a_good_signal_becomes_an_order_on_its_way(
    book: Book,
    symbol: Symbol,
    make_signal: MakeSignal,
    now: datetime,
    sent: list[dict[str, object]],
) -> None:
    order = place(book=book, symbol=symbol, signal=make_signal(), now=now)

    assert (order.status, order.quote_amount, order.quantity) == ("created", 100, None)
    assert len(order.client_order_id) == 32
    assert [(message["task"], message["order_id"]) for message in sent] == [
        ("orders.submit_order", order.pk)
    ]


def test_the_amount_of_a_limit_order_becomes_a_quantity_at_its_price(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime
) -> None:
    signal = make_signal(order_type=OrderType.LIMIT, price=Decimal(99), amount="99")

    order = place(book=book, symbol=symbol, signal=signal, now=now)

    assert (order.status, order.quantity, order.quote_amount) == ("created", 1, None)


def test_a_share_is_of_what_can_be_spent(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime
) -> None:
    signal = make_signal(quote_amount=None, share=Decimal("0.25"))

    assert place(book=book, symbol=symbol, signal=signal, now=now).quote_amount == 250


def test_a_webhook_may_add_to_a_position(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    Broker.objects.update(automation="webhooks")
    signal = make_signal(source=OrderSource.WEBHOOK)

    assert place(book=book, symbol=symbol, signal=signal, now=now).status == "created"


def test_the_same_intent_is_one_order(
    book: Book,
    symbol: Symbol,
    make_signal: MakeSignal,
    now: datetime,
    sent: list[dict[str, object]],
) -> None:
    first = place(book=book, symbol=symbol, signal=make_signal(), now=now)
    second = place(book=book, symbol=symbol, signal=make_signal(), now=now)

    assert first == second
    assert len(sent) == 1


def deny(book: Book, signal: Signal, now: datetime) -> str:
    order = place(book=book, symbol=Symbol.objects.get(), signal=signal, now=now)
    assert order.status == "denied"
    assert order.is_settled
    message = OrderEvent.objects.get(order=order).message
    assert message.startswith(DenialCode(order.denial_code).words)
    return order.denial_code


def test_one_order_at_a_time(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime
) -> None:
    place(book=book, symbol=symbol, signal=make_signal(key="first"), now=now)

    assert deny(book, make_signal(key="second"), now) == "in_flight"


@pytest.mark.parametrize("amount", ["0", "-5", "NaN"])
def test_sizes_that_are_none(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime, amount: str
) -> None:
    assert deny(book, make_signal(amount=amount), now) == "invalid_size"


def test_a_strategy_is_cut_to_what_it_can_pay_with_the_fee(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime
) -> None:
    order = place(book=book, symbol=symbol, signal=make_signal(amount="5000"), now=now)

    assert order.quote_amount == Decimal("999.00099900")


def test_money_that_other_orders_claim_is_not_there_twice(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime
) -> None:
    other = Book.objects.create(owner=book.owner, broker=book.broker, kind="activation", label="2")
    place(book=other, symbol=symbol, signal=make_signal(amount="900", key="first"), now=now)

    order = place(book=book, symbol=symbol, signal=make_signal(amount="900", key="second"), now=now)

    assert order.quote_amount == Decimal("99.90009990")


def test_an_exit_passes_every_switch(
    book: Book,
    symbol: Symbol,
    position: Position,
    make_signal: MakeSignal,
    now: datetime,
) -> None:
    Broker.objects.update(is_active=False, automation="off")

    order = place(book=book, symbol=symbol, signal=make_signal(side=OrderSide.SELL), now=now)

    assert (order.status, order.quantity, order.position) == ("created", 1, position)


def test_of_an_exit_the_exchange_itself_decides_whether_the_market_is_open(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    symbol.is_trading = False

    order = place(book=book, symbol=symbol, signal=make_signal(side=OrderSide.SELL), now=now)

    assert order.status == "created"


def test_an_exit_of_dust_is_denied(
    book: Book, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    Position.objects.update(quantity=Decimal("0.01"))

    assert deny(book, make_signal(side=OrderSide.SELL), now) == "below_minimum"


def test_a_foreign_broker_row_is_never_touched(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime
) -> None:
    order = place(book=book, symbol=symbol, signal=make_signal(), now=now)

    assert {order.owner_id, order.broker.owner_id} == {book.owner_id}


def test_query_budget(
    book: Book,
    symbol: Symbol,
    make_signal: MakeSignal,
    add_candle: Callable[..., Candle],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    now = timezone.now()  # the database's clock judges the claim
    add_candle(received_at=now)
    BrokerWatch.objects.update(polled_at=now)
    RiskScope.objects.create(owner=book.owner, max_open_positions=2, max_orders_per_minute=2)
    signal = make_signal(valid_until=now + timedelta(minutes=1))

    # the lock, the standing, the scopes, the order, its event; and the claim with its event
    with django_assert_max_num_queries(6):
        order = place(book=book, symbol=symbol, signal=signal, now=now)
        assert claim(order_id=order.pk)


def stop_loss(make_signal: MakeSignal, key: str = "leg", **values: object) -> Signal:
    return make_signal(
        side=OrderSide.SELL,
        purpose=OrderPurpose.STOP_LOSS,
        source=OrderSource.PROTECTION,
        order_type=OrderType.STOP_LOSS,
        trigger_price=Decimal(95),
        key=key,
        **values,
    )


def test_a_leg_belongs_to_its_position_and_has_no_age(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    leg = place(book=book, symbol=symbol, signal=stop_loss(make_signal, valid_until=now), now=now)

    assert (leg.status, leg.position, leg.trigger_price) == ("created", position, 95)


def test_one_leg_of_a_kind(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    place(book=book, symbol=symbol, signal=stop_loss(make_signal), now=now)

    assert deny(book, stop_loss(make_signal, "again"), now) == "in_flight"


def test_an_exit_waits_for_the_leg_that_locks_the_coins(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    leg = place(book=book, symbol=symbol, signal=stop_loss(make_signal), now=now)

    order = place(book=book, symbol=symbol, signal=make_signal(side=OrderSide.SELL), now=now)

    assert (order.status, order.replaces) == ("created", leg)


def test_one_exit_at_a_time(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    place(book=book, symbol=symbol, signal=make_signal(side=OrderSide.SELL), now=now)

    assert deny(book, make_signal(side=OrderSide.SELL, key="again"), now) == "in_flight"
    assert deny(book, stop_loss(make_signal), now) == "in_flight"


def test_a_replacement_is_not_held_up_by_what_it_replaces(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    leg = place(book=book, symbol=symbol, signal=stop_loss(make_signal), now=now)

    new = place(
        book=book, symbol=symbol, signal=stop_loss(make_signal, "new", replaces=leg), now=now
    )

    assert (new.status, new.replaces) == ("created", leg)
    assert deny(book, stop_loss(make_signal, "newer", replaces=leg), now) == "in_flight"


def test_a_decision_about_another_state_of_the_position(
    book: Book, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    signal = make_signal(side=OrderSide.SELL, position_version=position.version + 1)

    assert deny(book, signal, now) == "position_changed"


def test_a_person_may_add_to_a_position(
    book: Book, symbol: Symbol, position: Position, make_signal: MakeSignal, now: datetime
) -> None:
    place(book=book, symbol=symbol, signal=stop_loss(make_signal), now=now)

    order = place(book=book, symbol=symbol, signal=make_signal(source=OrderSource.MANUAL), now=now)

    assert order.status == "created"


def test_what_the_gate_returns_is_the_row_that_it_wrote(
    book: Book, symbol: Symbol, make_signal: MakeSignal, now: datetime
) -> None:
    order = place(book=book, symbol=symbol, signal=make_signal(), now=now)

    row = Order.objects.get(pk=order.pk)
    names = [field.attname for field in Order._meta.concrete_fields]
    assert [getattr(order, name) for name in names] == [getattr(row, name) for name in names]
    assert not order._state.adding
