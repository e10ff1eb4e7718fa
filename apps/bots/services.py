"""Strategies at work: switching them on, and asking them about every closed candle."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from apps.bots.models import Activation, Decision
from apps.bots.questions import Case, read_case
from apps.bots.selectors import is_decided, list_waiting_activations
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.domain.orders import (
    OrderIntent,
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
)
from apps.domain.risk import DenialCode
from apps.markets.models import Candle, Symbol
from apps.markets.selectors import find_newest_candle
from apps.markets.services import follow, is_fresh
from apps.strategies.models import StrategyVersion
from apps.strategies.sandbox import Answer, Sandbox, StrategyFailed
from apps.trading.gate import Signal, place
from apps.trading.models import Book

logger = logging.getLogger(__name__)


class NotYours(Exception):
    """Rows of two users were to be joined."""


Action = Decision.Action


@transaction.atomic
def activate(
    *,
    version: StrategyVersion,
    broker: Broker,
    symbol: Symbol,
    timeframe: Timeframe,
    parameters: dict[str, Any],
    now: datetime,
) -> Activation:
    """Switch a strategy on for its owner, with a book of its own on `broker`; its series is followed
    from now on. Raises NotYours when the broker belongs to somebody else."""
    owner = version.owner
    if broker.owner_id != owner.pk:
        raise NotYours(f"The broker {broker.pk} belongs to another user than the strategy.")
    series = follow(symbol, timeframe)
    book = Book.objects.create(
        owner=owner,
        broker=broker,
        kind=Book.Kind.ACTIVATION,
        label=f"{version.strategy.name} on {series}",
    )
    return Activation.objects.create(
        owner=owner,
        version=version,
        series=series,
        book=book,
        parameters=parameters,
        starts_at=now,
    )


def pause(*, activation: Activation, error: str) -> None:
    """Stop asking this strategy until a person switches it on again; its position stays."""
    Activation.objects.filter(pk=activation.pk).update(is_active=False, error=error)


def resume(*, activation: Activation) -> None:
    """Ask this strategy again from the next candle on."""
    Activation.objects.filter(pk=activation.pk).update(is_active=True, error="")


def evaluate_candle(*, candle_id: int, sandbox: Sandbox, now: datetime) -> list[Decision]:
    """Ask every activation that waits for this candle. One that has seen it is not asked again, and a
    candle that is no longer the newest, or too old, is not traded on. Raises SandboxUnavailable."""
    candle = Candle.objects.select_related("series__symbol").get(pk=candle_id)
    newest = find_newest_candle(candle.series_id)
    if newest is None or newest.pk != candle.pk or not is_fresh(candle, candle.series, now):
        logger.info("candle %s came too late to trade on", candle)
        return []
    decisions = [
        _evaluate(activation, candle, sandbox, now)
        for activation in list_waiting_activations(series_id=candle.series_id, now=now)
        if not is_decided(activation_id=activation.pk, candle_id=candle.pk)
    ]
    return [decision for decision in decisions if decision is not None]


def _evaluate(
    activation: Activation, candle: Candle, sandbox: Sandbox, now: datetime
) -> Decision | None:
    case = read_case(activation=activation, candle=candle)
    if case.in_flight:
        reason = "An earlier order is not settled yet, so the strategy was not asked."
        return _decide(case, Action.WAIT, reason, now=now)
    if exit_reason := case.find_watched_exit():
        return _decide(case, Action.SELL, exit_reason, now=now)
    try:
        answer = sandbox.evaluate(
            key=f"{activation.pk}-{activation.version_id}",
            code=activation.version.code,
            question=case.to_question(),
        )
    except StrategyFailed as error:
        pause(activation=activation, error=error.traceback or error.message)
        logger.warning("activation %s paused: %s", activation.pk, error.message)
        return _decide(case, Action.FAILED, f"Paused: {error.message}", now=now)
    action, reason = _interpret(case, answer)
    return _decide(case, action, reason, answer=answer, now=now)


def _interpret(case: Case, answer: Answer) -> tuple[Action, str]:
    if case.position:
        if answer.should_short:
            return Action.SELL, "should_short() said yes: the position is sold."
        return Action.HOLD, "should_short() said no: the position stays."
    if answer.should_long:
        return Action.BUY, f"should_long() said yes, with {answer.amount} {case.symbol.quote}."
    return Action.WAIT, "should_long() said no."


def _decide(
    case: Case, action: Action, reason: str, *, now: datetime, answer: Answer | None = None
) -> Decision | None:
    """Decision, order and event in one transaction; None when another worker decided first."""
    try:
        with transaction.atomic():
            decision = Decision.objects.create(
                owner_id=case.activation.owner_id,
                activation=case.activation,
                candle=case.candle,
                action=action,
                reason=reason,
                price=case.candle.close,
                balance=case.balance,
                values=answer.values if answer else {},
                output=answer.output if answer else "",
                elapsed_ms=answer.elapsed_ms if answer else None,
            )
            if action in {Action.BUY, Action.SELL}:
                _place(case, decision, answer, now)
    except IntegrityError:
        if is_decided(activation_id=case.activation.pk, candle_id=case.candle.pk):
            return None
        raise
    return decision


def _place(case: Case, decision: Decision, answer: Answer | None, now: datetime) -> None:
    buys = decision.action == Action.BUY
    purpose = OrderPurpose.ENTRY if buys else OrderPurpose.EXIT
    signal = Signal(
        intent=OrderIntent(
            symbol=case.symbol.name,
            side=OrderSide.BUY if buys else OrderSide.SELL,
            order_type=OrderType.MARKET,
            purpose=purpose,
            quote_amount=answer.amount if buys and answer else None,
            quantity=case.position.quantity if case.position else None,
        ),
        source=OrderSource.STRATEGY,
        dedup_key=f"activation-{case.activation.pk}-candle-{case.candle.pk}-{purpose}",
        reason=decision.reason,
        reference_price=Decimal(str(case.candle.close)),
        valid_until=case.valid_until,
        stop_loss=answer.stop_loss if buys and answer else None,
        take_profit=answer.take_profit if buys and answer else None,
    )
    order = place(book=case.activation.book, signal=signal, now=now)
    decision.order = order
    if order.status == OrderStatus.DENIED:
        decision.reason = f"{decision.reason} Denied: {DenialCode(order.denial_code).words}"
    decision.save(update_fields=["order", "reason"])
