"""Late, duplicate and burst candles: only the newest may trade, once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from apps.bots.evaluation import evaluate_candle
from apps.bots.models import Activation, Decision
from apps.bots.services import suspend
from apps.bots.tests.fakes import FakeSandbox, answer
from apps.markets.models import Candle
from apps.trading.models import Order

AddCandle = Callable[..., Candle]


def test_the_same_candle_is_decided_once(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))
    candle = add_candle()

    for _ in range(2):
        evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert (len(sandbox.questions), Decision.objects.count(), Order.objects.count()) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_candle_decide_and_order_once(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle()
    both_have_asked = Barrier(2)

    def work(says: bool) -> int:
        sandbox = FakeSandbox(answer(long=says), meanwhile=both_have_asked.wait)
        try:
            return len(evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        decided = list(pool.map(work, [True, True]))

    assert sorted(decided) == [0, 1]
    assert (Decision.objects.get().action, Order.objects.count()) == ("buy", 1)


def test_an_older_candle_after_a_newer_one_is_not_traded_on(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))
    older, newer = add_candle(minute=1), add_candle(minute=2)

    evaluate_candle(candle_id=newer.pk, sandbox=sandbox, now=now)
    evaluate_candle(candle_id=older.pk, sandbox=sandbox, now=now)

    assert Decision.objects.get().candle == newer


def test_of_a_burst_only_the_newest_is_traded_on(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))
    burst = [add_candle(minute=minute) for minute in range(10)]

    for candle in burst:
        evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert (Decision.objects.get().candle, Order.objects.count()) == (burst[-1], 1)


def test_a_candle_that_a_newer_one_overtakes_while_its_strategy_computes_is_not_traded_on(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle(minute=1)
    sandbox = FakeSandbox(answer(long=True), meanwhile=lambda: add_candle(minute=2))

    evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    decision = Decision.objects.get()
    assert (decision.action, decision.order) == ("wait", None)
    assert "Meanwhile a newer candle closed" in decision.reason


def test_what_its_owner_suspends_while_it_computes_does_not_trade(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True), meanwhile=lambda: suspend(activation=activation))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert "switched off or changed" in Decision.objects.get().reason
    assert Order.objects.count() == 0


def test_a_candle_older_than_one_candle_is_not_traded_on(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now + timedelta(minutes=1))

    assert sandbox.questions == []
