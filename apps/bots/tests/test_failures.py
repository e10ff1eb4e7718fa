"""A strategy that fails is paused alone, and its owner learns why."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from apps.bots import journal
from apps.bots.evaluation import evaluate_candle
from apps.bots.models import Activation, Decision, StrategyLog
from apps.bots.tests.fakes import FakeSandbox, answer
from apps.core.models import Alert
from apps.markets.models import Candle
from apps.strategies.sandbox import SandboxTooWeak, SandboxUnavailable, StrategyFailed
from apps.trading.models import Order, Position

AddCandle = Callable[..., Candle]
FAILURE = StrategyFailed("Line 7: ZeroDivisionError", traceback="line 7", output="so far")


@pytest.fixture
def failed(activation: Activation, add_candle: AddCandle, now: datetime) -> Activation:
    """It failed on the first candle."""
    evaluate_candle(candle_id=add_candle().pk, sandbox=FakeSandbox(FAILURE), now=now)
    activation.refresh_from_db()
    return activation


def test_it_is_paused_before_any_order(failed: Activation) -> None:
    assert (failed.is_active, failed.error) == (False, "line 7")
    assert Decision.objects.get().action == "failed"
    assert Order.objects.count() == 0


def test_its_log_keeps_what_reproduces_it(failed: Activation) -> None:
    log = StrategyLog.objects.get()

    assert (log.level, log.message) == ("error", "Line 7: ZeroDivisionError\nso far")
    assert (log.traceback, log.version) == ("line 7", failed.version)
    assert log.data == {
        "inputs": Decision.objects.get().inputs_digest,
        "balance": "1000",
        "position": None,
    }


def test_its_owner_is_told_what_to_do(failed: Activation) -> None:
    alert = Alert.objects.get()

    assert (alert.owner, alert.level) == (failed.owner, "warning")
    assert "paused: Line 7" in alert.message
    assert "switch to the new version" in alert.advice
    assert alert.link == f"/admin/bots/activation/{failed.pk}/change/"


def test_the_others_go_on(
    make_activation: Callable[..., Activation], add_candle: AddCandle, now: datetime
) -> None:
    bad, good = make_activation(), make_activation()
    sandbox = FakeSandbox(answer(long=True), of_activation={bad.pk: FAILURE})

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert Activation.objects.filter(is_active=True).get() == good
    assert Order.objects.get().book == good.book


def test_its_position_keeps_its_exits(
    holding: Position, add_candle: AddCandle, now: datetime
) -> None:
    evaluate_candle(candle_id=add_candle().pk, sandbox=FakeSandbox(FAILURE), now=now)

    holding.refresh_from_db()
    assert (holding.is_open, holding.stop_loss_price, holding.take_profit_price) == (True, 98, 104)


def test_a_failure_that_another_worker_has_decided_over_pauses_nothing(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle()

    def other_worker() -> None:
        evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=False)), now=now)

    sandbox = FakeSandbox(FAILURE, meanwhile=other_worker)
    assert evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now) == []

    assert Activation.objects.get().is_active
    assert StrategyLog.objects.count() == Alert.objects.count() == 0


def test_without_its_sandbox_one_is_not_evaluated_and_the_others_are(
    make_activation: Callable[..., Activation], add_candle: AddCandle, now: datetime
) -> None:
    unasked, asked = make_activation(), make_activation()
    sandbox = FakeSandbox(
        answer(long=False), of_activation={unasked.pk: SandboxUnavailable("gone")}
    )

    with pytest.raises(SandboxUnavailable):
        evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert Decision.objects.get(action="wait").activation == asked
    assert Decision.objects.get(action="unasked").activation == unasked
    assert Activation.objects.filter(is_active=True).count() == 2


def test_a_sandbox_that_is_too_weak_for_its_owner_pauses_it_with_the_reason(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(SandboxTooWeak("It lacks Landlock."))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert Activation.objects.get().error == "It lacks Landlock."
    assert "It lacks Landlock." in Alert.objects.get().message


@pytest.mark.parametrize("is_superuser", [False, True])
def test_only_a_superuser_is_trusted_in_a_weak_sandbox(
    activation: Activation, add_candle: AddCandle, now: datetime, is_superuser: bool
) -> None:
    activation.owner.is_superuser = is_superuser
    activation.owner.save()
    sandbox = FakeSandbox(answer(long=False))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert sandbox.questions[0].trusted == is_superuser


def test_what_it_prints_is_in_its_log(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=False, output="hello"))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    log = StrategyLog.objects.get()
    assert (log.level, log.message, log.activation) == ("info", "hello", activation)


def test_of_what_it_prints_so_much_an_hour_is_kept(
    activation: Activation, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "OUTPUTS_PER_HOUR", 2)

    for number in range(4):
        journal.record_output(activation=activation, output=str(number), now=now)

    newest, oldest = StrategyLog.objects.all()
    assert oldest.message == "0"
    assert "in the rest of this hour is not kept" in newest.message


def test_logs_are_forgotten_by_age(activation: Activation, now: datetime) -> None:
    for output in ("old", "young"):
        journal.record_output(activation=activation, output=output, now=now)
    StrategyLog.objects.filter(message="old").update(created_at=now - timedelta(days=31))

    journal.forget_logs(created_before=now - timedelta(days=30))

    assert StrategyLog.objects.get().message == "young"
