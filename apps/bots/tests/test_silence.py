"""A sandbox that does not answer: each candle says so, and the owner is told once."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from apps.bots.evaluation import PATIENCE, evaluate_candle
from apps.bots.models import Activation, Decision
from apps.bots.tests.fakes import FakeSandbox, answer
from apps.core.models import Alert
from apps.markets.models import Candle
from apps.strategies.sandbox import SandboxUnavailable

AddCandle = Callable[..., Candle]
GONE = SandboxUnavailable("It does not answer.")


def ask_in_vain(candle: Candle, now: datetime) -> None:
    with pytest.raises(SandboxUnavailable):
        evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(GONE), now=now)


def test_the_decision_says_why_there_is_none(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle()

    for seconds in (0, 1):
        ask_in_vain(candle, now + timedelta(seconds=seconds))

    decision = Decision.objects.get()
    assert (decision.activation, decision.action) == (activation, "unasked")
    assert decision.reason.startswith("Not evaluated: It does not answer. It is asked again until ")


def test_an_answer_takes_its_place(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle()
    ask_in_vain(candle, now)

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=True)), now=now)

    assert Decision.objects.get().action == "buy"


def test_a_sandbox_that_only_restarts_alarms_nobody(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    ask_in_vain(add_candle(), now + PATIENCE - timedelta(seconds=1))

    assert not Alert.objects.exists()


def test_its_owner_is_told_once_not_on_each_candle(
    make_activation: Callable[..., Activation], add_candle: AddCandle, now: datetime
) -> None:
    make_activation(), make_activation()

    for minute in range(2):
        candle = add_candle(minute=minute)
        ask_in_vain(candle, now + PATIENCE)

    alert = Alert.objects.get()
    assert (alert.level, alert.count) == ("critical", 1)
    assert alert.message == "Your strategies are not asked: It does not answer."


def test_the_alert_is_over_when_the_sandbox_answers(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    ask_in_vain(add_candle(minute=1), now + PATIENCE)

    next_candle = add_candle(minute=2)
    evaluate_candle(candle_id=next_candle.pk, sandbox=FakeSandbox(answer(long=False)), now=now)

    assert Alert.objects.get().resolved_at == now
