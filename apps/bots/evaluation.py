"""Asking strategies about a closed candle: every activation that waits for it decides once, and only the
newest candle may trade."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast

from django.db import IntegrityError, connection, transaction

from apps.bots import journal
from apps.bots.cases import Case, digest, list_questions, list_waiting_cases
from apps.bots.models import Decision
from apps.bots.selectors import is_decided
from apps.bots.services import pause
from apps.core.formats import price
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.strategies.sandbox import (
    Answer,
    Outcome,
    Question,
    Sandbox,
    SandboxTooWeak,
    SandboxUnavailable,
    StrategyFailed,
)
from apps.trading.gate import Signal, place
from apps.trading.models import Order

Action = Decision.Action
#: A sandbox that was restarted is back within this time.
PATIENCE = timedelta(seconds=10)

# While a strategy computed, a newer candle may have come, or its owner may have stopped or changed it.
# From here on he waits until the decision is committed.
_FIND_OBSTACLE = """
SELECT CASE
    WHEN NOT activation.is_active OR activation.ends_at <= %(now)s
        OR activation.version_id <> %(version_id)s THEN 'it was switched off or changed'
    WHEN EXISTS (SELECT 1 FROM markets_candle AS later
                 WHERE later.series_id = activation.series_id AND later.opened_at > %(opened_at)s)
        THEN 'a newer candle closed' END
FROM bots_activation AS activation WHERE activation.id = %(activation_id)s FOR SHARE
"""


def evaluate_candle(*, candle_id: int, sandbox: Sandbox, now: datetime) -> list[Decision]:
    """Ask every activation that waits for this candle, side by side; the answer of one is decided while
    the others compute. One that has decided is not asked again, and a candle that is no longer the newest,
    or too old, is not traded on. Raises SandboxUnavailable once the others have decided; what it leaves
    undecided says so until it is asked again."""
    waiting = list_waiting_cases(candle_id=candle_id, now=now)
    cases = [case for case in waiting if now < case.valid_until]
    decisions = [_write_once(case, partial(_wait, case)) for case in cases if case.in_flight]
    unasked: list[Case] = []
    silence: SandboxUnavailable | None = None
    for case, question, outcome in _ask(sandbox, [case for case in cases if not case.in_flight]):
        if isinstance(outcome, SandboxUnavailable) and not isinstance(outcome, SandboxTooWeak):
            unasked.append(case)
            silence = outcome
        else:
            decisions.append(_write_once(case, partial(_settle, case, question, outcome, now)))
    if silence:
        _note_silence(unasked, silence, now)
        raise silence
    return [decision for decision in decisions if decision is not None]


def _ask(sandbox: Sandbox, cases: Sequence[Case]) -> Iterator[tuple[Case, Question, Outcome]]:
    """Every case with what it was asked and what came of it, whichever is ready first."""
    asked = {
        f"{case.activation.pk}-{case.version.pk}": (case, question)
        for case, question in list_questions(cases)
    }
    questions = ((key, case.version.code, question) for key, (case, question) in asked.items())
    for key, outcome in sandbox.evaluate_all(questions):
        yield *asked[key], outcome


def _write_once(case: Case, write: Callable[[], Decision]) -> Decision | None:
    """What `write` makes of a case, all or nothing; None when another worker decided first."""
    try:
        with transaction.atomic():
            return write()
    except IntegrityError:
        if is_decided(activation_id=case.activation.pk, candle_id=case.candle.pk):
            return None
        raise


def _note_silence(cases: Sequence[Case], silence: SandboxUnavailable, now: datetime) -> None:
    """What was not asked says why, and its owner is told once that the sandbox does not come back."""
    for case in cases:
        if not case.was_unasked:
            reason = (
                f"Not evaluated: {silence} It is asked again until {case.valid_until:%H:%M:%S} UTC; after"
                " that the candle is too old to trade on."
            )
            _write_once(case, partial(_record, case, Action.UNASKED, reason))
    late = [case for case in cases if now - case.candle.received_at >= PATIENCE]
    for owner_id in {case.activation.owner_id for case in late if not case.is_told}:
        journal.record_silence(owner_id=owner_id, silence=silence, now=now)


def _wait(case: Case) -> Decision:
    reason = "An earlier order is not settled yet, so the strategy was not asked."
    return _record(case, Action.WAIT, reason)


def _settle(case: Case, question: Question, outcome: Outcome, now: datetime) -> Decision:
    """What becomes of a case whose sandbox has answered."""
    if case.is_told:
        journal.close_silence(owner_id=case.activation.owner_id, now=now)
    if isinstance(outcome, Answer):
        return _decide(case, question, outcome, now)
    if isinstance(outcome, StrategyFailed):
        return _pause(case, question, outcome, now)
    # It is too weak, and asking again changes nothing: the owner has to be told.
    return _pause(case, question, StrategyFailed(str(outcome)), now)


def _decide(case: Case, question: Question, answer: Answer, now: datetime) -> Decision:
    """Decision, order and events of an answer."""
    action, reason = _interpret(case, answer)
    order = None
    if action in {Action.BUY, Action.SELL}:
        if obstacle := _find_obstacle(case, now):
            action = Action.HOLD if case.position else Action.WAIT
            reason = f"{reason} Meanwhile {obstacle}, so nothing was traded."
        else:
            signal = _make_signal(case, action, reason, answer)
            order = place(book=case.book, symbol=case.symbol, signal=signal, now=now)
    journal.record_output(activation=case.activation, output=answer.output, now=now)
    return _record(
        case,
        action,
        _explain(reason, order),
        order=order,
        inputs_digest=digest(question),
        values=answer.values,
        answer=_describe(answer),
        elapsed_ms=answer.elapsed_ms,
    )


def _pause(case: Case, question: Question, failure: StrategyFailed, now: datetime) -> Decision:
    """This activation alone is no longer asked; its position keeps its stop-loss and take-profit."""
    pause(activation=case.activation, error=failure.traceback or failure.message)
    inputs = digest(question)
    journal.record_failure(
        activation=case.activation,
        failure=failure,
        data={
            "inputs": inputs,
            "balance": f"{question.balance.normalize():f}",
            "position": asdict(question.position) if question.position else None,
        },
        now=now,
    )
    return _record(case, Action.FAILED, f"Paused: {failure.message}", inputs_digest=inputs)


def _interpret(case: Case, answer: Answer) -> tuple[Action, str]:
    if case.position:
        if answer.should_short:
            return Action.SELL, "should_short() said yes: the position is sold."
        return Action.HOLD, "should_short() said no: the position stays."
    if answer.should_long:
        amount = price(answer.amount)
        return Action.BUY, f"should_long() said yes, with {amount} {case.symbol.quote}."
    return Action.WAIT, "should_long() said no."


def _find_obstacle(case: Case, now: datetime) -> str | None:
    values: dict[str, int | datetime] = {
        "activation_id": case.activation.pk,
        "version_id": case.version.pk,
        "opened_at": case.candle.opened_at,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIND_OBSTACLE, values)
        (obstacle,) = cursor.fetchone()
    return cast("str | None", obstacle)


def _record(case: Case, action: Action, reason: str, **found: Any) -> Decision:
    if case.was_unasked:
        Decision.objects.filter(
            activation=case.activation, candle=case.candle, action=Action.UNASKED
        ).delete()
    return Decision.objects.create(
        owner_id=case.activation.owner_id,
        activation=case.activation,
        version=case.version,
        candle=case.candle,
        action=action,
        reason=reason,
        price=case.candle.close,
        balance=case.balance,
        **found,
    )


def _describe(answer: Answer) -> dict[str, Any]:
    """What its methods returned, as JSON has it; what was not asked is left out."""
    returned = {
        "should_long": answer.should_long,
        "should_short": answer.should_short,
        "calculate_position_size": answer.amount,
        "calculate_stop_loss": answer.stop_loss,
        "calculate_take_profit": answer.take_profit,
    }
    return {
        name: value if isinstance(value, bool) else f"{value.normalize():f}"
        for name, value in returned.items()
        if value is not None
    }


def _explain(reason: str, order: Order | None) -> str:
    if order is None or order.status != OrderStatus.DENIED:
        return reason
    return f"{reason} Denied: {order.denial_words}"


def _make_signal(case: Case, action: Action, reason: str, answer: Answer) -> Signal:
    buys = action == Action.BUY
    purpose = OrderPurpose.ENTRY if buys else OrderPurpose.EXIT
    return Signal(
        side=OrderSide.BUY if buys else OrderSide.SELL,
        order_type=OrderType.MARKET,
        purpose=purpose,
        source=OrderSource.STRATEGY,
        dedup_key=f"activation-{case.activation.pk}-candle-{case.candle.pk}-{purpose}",
        reason=reason,
        reference_price=Decimal(str(case.candle.close)),
        valid_until=case.valid_until,
        quote_amount=answer.amount,
        stop_loss=answer.stop_loss,
        take_profit=answer.take_profit,
    )
