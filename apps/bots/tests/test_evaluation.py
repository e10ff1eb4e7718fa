from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest

from apps.bots.evaluation import evaluate_candle
from apps.bots.models import Activation, Decision
from apps.bots.tests.fakes import FakeSandbox, answer
from apps.brokers.models import Broker
from apps.markets.models import Candle
from apps.strategies.models import StrategyVersion
from apps.trading.models import Book, Order, Position
from apps.trading.protection import guard_position

AddCandle = Callable[..., Candle]


def test_yes_becomes_an_order_with_its_decision(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle(close=100.0)

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=True)), now=now)

    decision, order = Decision.objects.get(), Order.objects.get()
    assert (decision.action, decision.order, decision.values) == ("buy", order, {"ema": 1.5})
    assert (order.side, order.quote_amount, order.reference_price) == ("buy", 100, 100)
    assert (order.stop_loss, order.take_profit) == (Decimal("0.02"), Decimal("0.04"))
    assert order.book == activation.book


def test_a_decision_keeps_its_version_its_inputs_and_its_answer(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    evaluate_candle(candle_id=add_candle().pk, sandbox=FakeSandbox(answer(long=True)), now=now)

    decision = Decision.objects.get()
    assert (decision.version, len(decision.inputs_digest)) == (activation.version, 64)
    assert decision.answer == {
        "should_long": True,
        "calculate_position_size": "100",
        "calculate_stop_loss": "0.02",
        "calculate_take_profit": "0.04",
    }


def test_the_same_inputs_have_the_same_digest(
    make_activation: Callable[..., Activation], add_candle: AddCandle, now: datetime
) -> None:
    for values in ({}, {}, {"parameters": {"fast": 7}}):
        make_activation(**values)

    evaluate_candle(candle_id=add_candle().pk, sandbox=FakeSandbox(answer(long=False)), now=now)

    first, second, other = Decision.objects.values_list("inputs_digest", flat=True).order_by("pk")
    assert first == second != other


def test_a_version_that_was_not_found_valid_is_not_asked(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    StrategyVersion.objects.update(validated_at=None)
    sandbox = FakeSandbox(answer(long=True))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert sandbox.questions == []


def test_no_is_a_decision_too(activation: Activation, add_candle: AddCandle, now: datetime) -> None:
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=False)), now=now)

    assert (Decision.objects.get().action, Order.objects.count()) == ("wait", 0)


def test_the_strategy_sees_candles_balance_and_parameters(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=False))
    candles = [add_candle(close=100.0 + minute, minute=minute) for minute in range(3)]

    evaluate_candle(candle_id=candles[-1].pk, sandbox=sandbox, now=now)

    (question,) = sandbox.questions
    assert (question.candles.rows, question.balance, question.position) == (3, 1000, None)
    assert question.params == {"fast": 5}


@pytest.mark.parametrize(("capital", "seen"), [("300", 150), ("5000", 1000), ("100", 0)])
def test_with_capital_of_its_own_it_sees_its_cash_and_never_more_than_is_free(
    holding: Position, add_candle: AddCandle, now: datetime, capital: str, seen: int
) -> None:
    Book.objects.update(capital=capital)
    Position.objects.update(cost=150)
    sandbox = FakeSandbox(answer(short=False))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert sandbox.questions[0].balance == seen


@pytest.mark.parametrize(("short", "action", "orders"), [(True, "sell", 1), (False, "hold", 0)])
def test_in_a_position_it_is_asked_about_the_exit(
    holding: Position,
    add_candle: AddCandle,
    now: datetime,
    short: bool,
    action: str,
    orders: int,
) -> None:
    sandbox = FakeSandbox(answer(short=short))
    candle = add_candle(close=101.0)

    evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    (question,) = sandbox.questions
    assert question.position
    assert question.position.unrealized_pnl == 1.0
    assert (Decision.objects.get().action, Order.objects.count()) == (action, orders)


def test_a_resting_stop_is_nothing_to_wait_for(
    holding: Position, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(short=False))
    guard_position(position_id=holding.pk, now=now)
    assert Order.objects.get().purpose == "stop_loss"

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert len(sandbox.questions) == 1


def test_an_entry_in_flight_is_not_flat(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))

    for minute in range(2):
        candle = add_candle(minute=minute)
        evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert len(sandbox.questions) == 1
    assert [row.action for row in Decision.objects.order_by("pk")] == ["buy", "wait"]


def test_a_denied_order_says_so_in_the_decision(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    Broker.objects.update(automation="off")
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=True)), now=now)

    assert "Denied: The broker's automation" in Decision.objects.get().reason


@pytest.mark.parametrize("field", ["is_active", "ends_at"])
def test_what_is_off_or_over_is_not_asked(
    activation: Activation, add_candle: AddCandle, now: datetime, field: str
) -> None:
    Activation.objects.update(**{field: {"is_active": False, "ends_at": now}[field]})
    sandbox = FakeSandbox(answer(long=True))
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert sandbox.questions == []
