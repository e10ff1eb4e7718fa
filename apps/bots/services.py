"""Strategies at work: switching them on, and asking them about every closed candle."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from apps.bots.cases import Case, list_waiting_cases
from apps.bots.models import Activation, Decision
from apps.bots.selectors import is_decided
from apps.brokers.models import Broker
from apps.core.formats import price
from apps.domain.candles import Timeframe
from apps.domain.orders import (
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
)
from apps.markets.models import Symbol
from apps.markets.services import follow
from apps.strategies.models import StrategyVersion
from apps.strategies.sandbox import Answer, Sandbox, StrategyFailed
from apps.trading.gate import Signal, place
from apps.trading.models import Book, Order

logger = logging.getLogger(__name__)


class Mismatch(Exception):
    """A strategy, a broker and a symbol that don't belong together were to be joined."""


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
    capital: Decimal | None = None,
) -> Activation:
    """Switch a strategy on for its owner, with a book of its own on `broker`; its series is followed
    from now on. With `capital` it has that much quote currency, and what it makes of it. Raises Mismatch
    when the three don't belong together."""
    owner = version.owner
    if broker.owner_id != owner.pk:
        raise Mismatch(f"The broker {broker.pk} belongs to another user than the strategy.")
    if (symbol.exchange, symbol.environment) != (broker.exchange, broker.environment):
        raise Mismatch(f"{broker} does not trade where {symbol} {symbol.pk} is listed.")
    series = follow(symbol, timeframe)
    book = Book.objects.create(
        owner=owner,
        broker=broker,
        kind=Book.Kind.ACTIVATION,
        label=f"{version.strategy.name} on {series}",
        capital=capital,
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
    decisions = [
        _evaluate(case, sandbox, now)
        for case in list_waiting_cases(candle_id=candle_id, now=now)
        if now < case.valid_until
    ]
    return [decision for decision in decisions if decision is not None]


def _evaluate(case: Case, sandbox: Sandbox, now: datetime) -> Decision | None:
    if case.in_flight:
        reason = "An earlier order is not settled yet, so the strategy was not asked."
        return _decide(case, Action.WAIT, reason, now=now)
    try:
        answer = sandbox.evaluate(
            key=f"{case.activation.pk}-{case.version.pk}",
            code=case.version.code,
            question=case.to_question(),
        )
    except StrategyFailed as error:
        pause(activation=case.activation, error=error.traceback or error.message)
        logger.warning("activation %s paused: %s", case.activation.pk, error.message)
        return _decide(case, Action.FAILED, f"Paused: {error.message}", now=now)
    action, reason = _interpret(case, answer)
    return _decide(case, action, reason, answer=answer, now=now)


def _interpret(case: Case, answer: Answer) -> tuple[Action, str]:
    if case.position:
        if answer.should_short:
            return Action.SELL, "should_short() said yes: the position is sold."
        return Action.HOLD, "should_short() said no: the position stays."
    if answer.should_long:
        return (
            Action.BUY,
            f"should_long() said yes, with {price(answer.amount)} {case.symbol.quote}.",
        )
    return Action.WAIT, "should_long() said no."


def _decide(
    case: Case, action: Action, reason: str, *, now: datetime, answer: Answer | None = None
) -> Decision | None:
    """Decision, order and event in one transaction; None when another worker decided first."""
    try:
        with transaction.atomic():
            order = None
            if action in {Action.BUY, Action.SELL}:
                signal = _make_signal(case, action, reason, answer)
                order = place(book=case.book, symbol=case.symbol, signal=signal, now=now)
            return Decision.objects.create(
                owner_id=case.activation.owner_id,
                activation=case.activation,
                version=case.version,
                candle=case.candle,
                order=order,
                action=action,
                reason=_explain(reason, order),
                price=case.candle.close,
                balance=case.balance,
                values=answer.values if answer else {},
                output=answer.output if answer else "",
                elapsed_ms=answer.elapsed_ms if answer else None,
            )
    except IntegrityError:
        if is_decided(activation_id=case.activation.pk, candle_id=case.candle.pk):
            return None
        raise


def _explain(reason: str, order: Order | None) -> str:
    if order is None or order.status != OrderStatus.DENIED:
        return reason
    return f"{reason} Denied: {order.denial_words}"


def _make_signal(case: Case, action: Action, reason: str, answer: Answer | None) -> Signal:
    buys = action == Action.BUY
    purpose = OrderPurpose.ENTRY if buys else OrderPurpose.EXIT
    wish = answer if buys else None
    return Signal(
        side=OrderSide.BUY if buys else OrderSide.SELL,
        order_type=OrderType.MARKET,
        purpose=purpose,
        source=OrderSource.STRATEGY,
        dedup_key=f"activation-{case.activation.pk}-candle-{case.candle.pk}-{purpose}",
        reason=reason,
        reference_price=Decimal(str(case.candle.close)),
        valid_until=case.valid_until,
        quote_amount=wish.amount if wish else None,
        stop_loss=wish.stop_loss if wish else None,
        take_profit=wish.take_profit if wish else None,
    )
