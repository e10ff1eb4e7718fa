from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges import errors
from apps.exchanges.clients import capabilities_of
from apps.markets.models import Candle
from apps.trading import protection
from apps.trading.models import Book, Order, Position
from apps.trading.path import apply_report, move, submit_order
from apps.trading.prices import Prices
from apps.trading.protection import (
    PositionClosed,
    guard_broker,
    guard_position,
    set_exit_prices,
    watch_candle,
)
from apps.trading.tests.fakes import FakeExchange, failing, make_fill, make_report

AddCandle = Callable[..., Candle]
MakeOrder = Callable[..., Order]
Guard = Callable[..., None]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TaskName, int]]:
    """Messages that would go out."""
    messages: list[tuple[TaskName, int]] = []

    def note(task: TaskName, **ids: int) -> None:
        messages.append((task, *ids.values()))

    for module in ("path", "gate"):
        monkeypatch.setattr(f"apps.trading.{module}.enqueue_on_commit", note)
    return messages


@pytest.fixture
def holding(position: Position, now: datetime) -> Position:
    """One bitcoin bought an hour ago at 100, to be sold at 98 or 104."""
    position.opened_at = now - timedelta(hours=3)
    position.stop_loss_price, position.take_profit_price = Decimal(98), Decimal(104)
    position.save()
    return position


@pytest.fixture
def guard(holding: Position, now: datetime) -> Guard:
    """The guardian's look at the holding, at a price, some seconds from now."""

    def look(price: str | None = None, *, seconds: int = 0, **extremes: str) -> None:
        prices = None
        if price:
            low, high = extremes.get("low", price), extremes.get("high", price)
            prices = Prices(last=Decimal(price), low=Decimal(low), high=Decimal(high))
        guard_position(position_id=holding.pk, now=now + timedelta(seconds=seconds), prices=prices)

    return look


@pytest.fixture
def stop(guard: Guard) -> Order:
    """The stop-loss of the holding, resting at the exchange."""
    guard()
    Order.objects.update(status="open", exchange_order_id="7")
    return Order.objects.get()


def newest() -> Order:
    return Order.objects.latest("pk")


def end(order: Order, status: str, now: datetime, **values: object) -> None:
    """How an order ended, in the moment it did."""
    row: dict[str, Any] = {"status": status, "is_settled": True, "terminal_at": now, **values}
    Order.objects.filter(pk=order.pk).update(**row)


def is_leaving(order: Order) -> bool:
    order.refresh_from_db()
    return order.cancel_requested_at is not None


def test_the_stop_rests_at_the_exchange(guard: Guard, holding: Position) -> None:
    guard()

    order = Order.objects.get()
    assert (order.source, order.purpose, order.order_type) == (
        "protection",
        "stop_loss",
        "stop_loss",
    )
    assert (order.side, order.quantity, order.trigger_price) == ("sell", 1, 98)
    assert (order.position, order.dedup_key) == (
        holding,
        f"protection-{holding.pk}-stop_loss-0",
    )


def test_guarding_again_changes_nothing(guard: Guard, stop: Order) -> None:
    guard()
    guard("101", seconds=60)

    assert Order.objects.get() == stop


def test_an_entry_is_protected_for_what_it_bought_less_its_fee(
    make_order: MakeOrder,
    exchange: FakeExchange,
    now: datetime,
    sent: list[tuple[TaskName, int]],
) -> None:
    entry = make_order(stop_loss=Decimal("0.02"))
    exchange.on_place = lambda: make_report(
        OrderStatus.FILLED, make_fill("1", "100", fee=Decimal("0.001"))
    )
    submit_order(order_id=entry.pk)
    position = Position.objects.get()
    assert (TaskName.GUARD_POSITION, position.pk) in sent

    guard_position(position_id=position.pk, now=now)

    assert (newest().quantity, newest().trigger_price) == (Decimal("0.999"), 98)


def test_without_stop_loss_prices_only_a_stop_with_a_limit(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an exchange has none that sells at the market."""
    offered = capabilities_of(protection.Exchange.BINANCE)
    fewer = offered.order_types - {OrderType.STOP_LOSS}
    monkeypatch.setattr(
        protection, "capabilities_of", lambda _exchange: type("C", (), {"order_types": fewer})
    )

    guard()

    order = Order.objects.get()
    assert (order.order_type, order.trigger_price, order.price) == (
        "stop_loss_limit",
        98,
        Decimal("97.02"),
    )


def test_a_target_alone_rests_as_a_limit_order(guard: Guard, holding: Position) -> None:
    Position.objects.update(stop_loss_price=None)

    guard("100")
    order = Order.objects.get()
    assert (order.purpose, order.order_type, order.price) == ("take_profit", "limit", 104)

    Order.objects.update(status="open")
    guard("105")
    assert Order.objects.count() == 1


@pytest.mark.parametrize("status", ["created", "submitted", "unknown", "partially_filled"])
def test_a_leg_that_may_be_there_counts_as_present(guard: Guard, stop: Order, status: str) -> None:
    Order.objects.update(status=status)

    guard("99", seconds=60)

    assert Order.objects.get().cancel_requested_at is None


def test_more_coins_are_protected_when_the_old_leg_has_ended(
    guard: Guard, stop: Order, now: datetime
) -> None:
    Position.objects.update(quantity=2)

    guard()
    assert is_leaving(stop)
    assert Order.objects.count() == 1
    end(stop, "cancelled", now)
    guard()

    assert (newest().purpose, newest().quantity) == ("stop_loss", 2)
    assert newest().dedup_key.endswith("stop_loss-1")


def test_a_leg_that_fills_in_parts_still_fits(guard: Guard, stop: Order, now: datetime) -> None:
    fill = make_fill("0.4", "97.9", side=OrderSide.SELL)
    report = make_report(
        OrderStatus.PARTIALLY_FILLED, fill, quantity=Decimal(1), side=OrderSide.SELL
    )
    apply_report(order_id=stop.pk, report=report, now=now)

    guard("97.9")

    assert (Order.objects.count(), is_leaving(stop)) == (1, False)


def test_a_leg_cancelled_by_somebody_else_is_placed_again(
    guard: Guard, stop: Order, now: datetime
) -> None:
    end(stop, "cancelled", now)

    guard("100", seconds=10)

    assert (Order.objects.count(), newest().status) == (2, "created")


def test_the_target_cancels_the_stop_and_sells_what_it_leaves(
    guard: Guard, stop: Order, holding: Position, exchange: FakeExchange, now: datetime
) -> None:
    guard("104.01")
    order = newest()
    assert (order.purpose, order.order_type, order.replaces) == ("exit", "market", stop)
    assert is_leaving(stop)

    submit_order(order_id=order.pk)
    assert exchange.placed == []
    fill = make_fill("0.4", "98", side=OrderSide.SELL)
    report = make_report(OrderStatus.CANCELLED, fill, quantity=Decimal(1), side=OrderSide.SELL)
    apply_report(order_id=stop.pk, report=report, now=now)
    submit_order(order_id=order.pk)

    assert [request.quantity for request in exchange.placed] == [Decimal("0.6")]


def test_touching_the_target_is_not_passing_it(guard: Guard, stop: Order) -> None:
    guard("104")

    assert Order.objects.count() == 1


def test_an_exit_of_the_strategy_takes_the_coins_from_the_stop(
    guard: Guard,
    stop: Order,
    book: Book,
    make_signal: Callable[..., Any],
    sent: list[tuple[TaskName, int]],
    now: datetime,
) -> None:
    order = protection.place(
        book=book, symbol=stop.symbol, signal=make_signal(side=OrderSide.SELL), now=now
    )
    assert (TaskName.GUARD_POSITION, stop.position_id) in sent

    guard()

    assert (order.status, order.replaces, is_leaving(stop)) == ("created", stop, True)


def test_a_filled_stop_leaves_its_exit_nothing_to_sell(
    guard: Guard, stop: Order, exchange: FakeExchange, now: datetime
) -> None:
    guard("104.01")
    fill = make_fill("1", "98", side=OrderSide.SELL)
    apply_report(
        order_id=stop.pk, report=make_report(OrderStatus.FILLED, fill, side=OrderSide.SELL), now=now
    )

    guard()

    assert (newest().status, exchange.placed) == ("cancelled", [])
    assert Position.objects.get().closed_at


def test_one_exit_at_a_time(guard: Guard, stop: Order) -> None:
    guard("104.01")
    guard("104.02")

    assert Order.objects.filter(purpose="exit").count() == 1


def test_the_price_beyond_a_stop_that_is_not_there_sells_at_the_market(guard: Guard) -> None:
    guard("97")

    assert (newest().purpose, newest().order_type, newest().replaces) == ("exit", "market", None)


def test_a_refused_stop_is_tried_again_and_then_later_and_later(
    guard: Guard, now: datetime
) -> None:
    attempts = []
    for second in range(0, 61, 5):
        guard("99", seconds=second)
        attempts.append(Order.objects.count())
        end(newest(), "rejected", newest().terminal_at or now + timedelta(seconds=second))

    assert attempts == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4]


def test_a_refused_stop_beyond_which_the_price_is_sells_at_the_market(
    guard: Guard, now: datetime
) -> None:
    guard("99")
    end(newest(), "rejected", now)

    guard("98")

    assert (newest().purpose, newest().order_type) == ("exit", "market")


def test_the_third_refusal_is_told_and_forgotten_when_it_rests(guard: Guard, now: datetime) -> None:
    for second in (0, 1, 11):
        guard("99", seconds=second)
        assert not Alert.objects.exists()
        moment = now + timedelta(seconds=second)
        move(order_id=newest().pk, status=OrderStatus.SUBMITTED, message="Claimed.", now=moment)
        move(order_id=newest().pk, status=OrderStatus.REJECTED, message="Too low.", now=moment)
    guard("99", seconds=11)
    alert = Alert.objects.get()
    assert (alert.level, alert.resolved_at) == ("critical", None)
    assert "refused 3 times" in alert.message
    assert "Too low." in alert.message

    guard("99", seconds=31)
    Order.objects.filter(pk=newest().pk).update(status="open")
    guard("99", seconds=32)

    alert.refresh_from_db()
    assert alert.resolved_at


def test_a_refused_exit_is_tried_again_and_in_between_the_stop_rests(
    guard: Guard, now: datetime
) -> None:
    guard("104.01")
    for _refusal in range(2):
        end(newest(), "rejected", now)
        guard("99")
    assert newest().purpose == "stop_loss"
    Order.objects.filter(pk=newest().pk).update(status="open")

    guard("99", seconds=10)

    assert (newest().purpose, newest().replaces and newest().replaces.purpose) == (
        "exit",
        "stop_loss",
    )


def test_an_exit_that_ended_with_something_left_is_finished(
    guard: Guard, stop: Order, now: datetime
) -> None:
    guard("104.01")
    end(stop, "cancelled", now)
    exit_order = newest()
    Order.objects.filter(pk=exit_order.pk).update(status="open")
    fill = make_fill("0.7", "104", side=OrderSide.SELL)
    report = make_report(
        OrderStatus.EXPIRED, fill, quantity=Decimal(1), side=OrderSide.SELL, exchange_order_id="8"
    )
    apply_report(order_id=exit_order.pk, report=report, now=now)

    guard("100")

    assert (newest().purpose, newest().quantity) == ("exit", Decimal("0.3"))


def test_an_exit_that_a_person_cancelled_is_not_tried_again(
    guard: Guard, make_order: MakeOrder, holding: Position, now: datetime
) -> None:
    order = make_order(
        position=holding, purpose="exit", side="sell", quantity=1, cancel_requested_at=now
    )
    end(order, "cancelled", now)

    guard("100")

    assert newest().purpose == "stop_loss"


def test_a_stop_that_was_jumped_over_is_given_ten_seconds(guard: Guard, stop: Order) -> None:
    guard("97")
    guard("97", seconds=9)
    assert (Order.objects.count(), is_leaving(stop)) == (1, False)

    guard("97", seconds=10)

    assert (newest().order_type, newest().replaces, is_leaving(stop)) == ("market", stop, True)


def test_a_candle_that_only_dipped_leaves_it_to_the_stop(guard: Guard, stop: Order) -> None:
    guard("99", low="97", high="105")
    guard("99", seconds=20, low="97")

    assert Order.objects.count() == 1


def test_a_resting_exit_makes_way_for_the_stop(
    guard: Guard, make_order: MakeOrder, holding: Position, now: datetime
) -> None:
    limit = make_order(
        position=holding, purpose="exit", side="sell", quantity=1, quote_amount=None,
        order_type="limit", price=103, status="open",
    )  # fmt: skip
    guard("99")
    assert not is_leaving(limit)
    guard("97")
    assert is_leaving(limit)
    end(limit, "cancelled", now)

    guard("97")

    assert (newest().purpose, newest().order_type, newest().quantity) == ("exit", "market", 1)


def test_what_is_left_of_a_closed_position_goes(
    guard: Guard, stop: Order, holding: Position, now: datetime
) -> None:
    Position.objects.update(closed_at=now, quantity=0)

    guard()

    assert is_leaving(stop)


def test_only_the_price_that_is_given_changes(
    holding: Position, stop: Order, guard: Guard, now: datetime
) -> None:
    set_exit_prices(position=holding, stop_loss=Decimal("99.005"), now=now)

    position = Position.objects.get()
    assert (position.stop_loss_price, position.take_profit_price) == (99, 104)
    assert position.version == holding.version + 1
    assert is_leaving(stop)
    end(stop, "cancelled", now, cancel_requested_at=now)
    guard("100")
    assert newest().trigger_price == 99


def test_a_price_that_is_none_is_removed(holding: Position, stop: Order, now: datetime) -> None:
    set_exit_prices(position=holding, stop_loss=None, now=now)

    position = Position.objects.get()
    assert (position.stop_loss_price, position.take_profit_price) == (None, 104)
    assert is_leaving(stop)


def test_prices_of_a_flat_position_are_refused(holding: Position, now: datetime) -> None:
    Position.objects.update(closed_at=now)

    with pytest.raises(PositionClosed):
        set_exit_prices(position=holding, stop_loss=Decimal(99), now=now)


@pytest.mark.parametrize(
    ("candle", "purposes"),
    [
        ({"high": 104.5}, ["exit"]),
        ({"low": 97.5}, ["exit"]),
        ({"low": 97.5, "high": 104.5}, ["exit"]),
        ({"high": 104.0}, []),
    ],
)
def test_a_closed_candle_is_watched(
    holding: Position,
    add_candle: AddCandle,
    now: datetime,
    candle: dict[str, float],
    purposes: list[str],
) -> None:
    watch_candle(candle_id=add_candle(close=100.0, **candle).pk, now=now)

    assert [order.purpose for order in Order.objects.all()] == purposes


@pytest.mark.parametrize(
    ("column", "minutes"), [("opened_at", -119), ("exit_prices_changed_at", -1)]
)
def test_what_the_candle_saw_before_the_position_or_its_prices_does_not_count(
    holding: Position, add_candle: AddCandle, now: datetime, column: str, minutes: int
) -> None:
    moment = now + timedelta(minutes=minutes, seconds=10)
    Position.objects.update(**{column: moment})
    candle = add_candle(close=100.0, high=110.0, minute=1)

    watch_candle(candle_id=candle.pk, now=now)

    assert not Order.objects.filter(purpose="exit").exists()


def test_the_guardian_watches_the_last_close(
    holding: Position, stop: Order, add_candle: AddCandle, now: datetime
) -> None:
    add_candle(close=105.0)

    guard_broker(broker_id=holding.book.broker_id, now=now)

    assert newest().purpose == "exit"


def test_without_a_fresh_candle_the_exchange_is_asked_for_the_price(
    holding: Position,
    stop: Order,
    add_candle: AddCandle,
    exchange: FakeExchange,
    now: datetime,
) -> None:
    add_candle(close=105.0)
    Candle.objects.update(received_at=now - timedelta(minutes=2))
    exchange.tickers = {"BTC/USDT": Decimal(103)}
    guard_broker(broker_id=holding.book.broker_id, now=now)
    assert Order.objects.count() == 1

    exchange.tickers = {"BTC/USDT": Decimal(105)}
    guard_broker(broker_id=holding.book.broker_id, now=now)

    assert (newest().purpose, newest().reference_price) == ("exit", 105)


def test_a_naked_position_is_protected_though_there_is_no_price(
    holding: Position, exchange: FakeExchange, now: datetime
) -> None:
    exchange.tickers = errors.ExchangeUnavailable("gone")

    guard_broker(broker_id=holding.book.broker_id, now=now)

    assert newest().purpose == "stop_loss"


def test_a_position_without_wishes_is_left_alone(
    position: Position, exchange: FakeExchange, now: datetime
) -> None:
    guard_broker(broker_id=position.book.broker_id, now=now)

    assert not Order.objects.exists()


def test_dust_is_not_protected(guard: Guard, holding: Position) -> None:
    Position.objects.update(quantity=Decimal("0.01"))

    guard()

    assert not Order.objects.exists()


def test_a_stop_is_sent_with_its_trigger(guard: Guard, exchange: FakeExchange) -> None:
    guard()

    submit_order(order_id=newest().pk)

    (request,) = exchange.placed
    assert (request.order_type, request.trigger_price, request.is_exit) == (
        OrderType.STOP_LOSS,
        98,
        True,
    )


def test_a_stop_that_the_exchange_refuses_calls_the_guard(
    guard: Guard, exchange: FakeExchange, sent: list[tuple[TaskName, int]], holding: Position
) -> None:
    guard()
    exchange.on_place = failing(errors.InvalidOrder("Stop price would trigger immediately."))
    sent.clear()

    submit_order(order_id=newest().pk)

    assert (TaskName.GUARD_POSITION, holding.pk) in sent


def test_a_lost_stop_that_shows_up_beside_its_successor_has_to_go(
    guard: Guard, stop: Order, sent: list[tuple[TaskName, int]], now: datetime
) -> None:
    end(stop, "rejected", now)
    guard("99")
    Order.objects.filter(pk=newest().pk).update(status="open", exchange_order_id="8")

    report = make_report(OrderStatus.OPEN, quantity=Decimal(1), side=OrderSide.SELL)
    apply_report(order_id=stop.pk, report=report, now=now)
    guard("99")

    assert (is_leaving(stop), is_leaving(newest())) == (True, False)
    assert (TaskName.CANCEL_ORDER, stop.pk) in sent
