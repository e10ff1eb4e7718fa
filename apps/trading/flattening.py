"""Closing everything in a scope: its entries are cancelled, its positions sold at market."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet

from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderType
from apps.domain.risk import DenialCode, RiskState
from apps.trading.gate import Signal, place
from apps.trading.models import Order, Position, RiskScope
from apps.trading.path import request_cancel
from apps.trading.risk import set_state
from apps.trading.selectors import with_last_price


def flatten(*, now: datetime) -> None:
    """One step further in every scope that is being flattened: cancel its entries, sell its positions at
    market, and call it halted when nothing is left. Repeating it does no harm."""
    for scope in RiskScope.objects.filter(state=RiskState.FLATTEN):
        _flatten_scope(scope, now)


def _flatten_scope(scope: RiskScope, now: datetime) -> None:
    entries = _within(Order.objects.all(), scope, "").filter(
        purpose=OrderPurpose.ENTRY, is_settled=False
    )
    for order_id in entries.values_list("pk", flat=True):
        request_cancel(order_id=order_id, now=now, reason="everything is being closed.")
    positions = with_last_price(
        _within(Position.objects.all(), scope, "book__").filter(closed_at=None)
    ).select_related("symbol", "book")
    is_going_on = [_sell(position, scope, now) for position in positions]
    if not any(is_going_on) and not entries.exists():
        set_state(
            owner_id=scope.owner_id,
            broker_id=scope.broker_id,
            book_id=scope.book_id,
            state=RiskState.HALTED,
            reason=f"Everything was closed. {scope.reason}",
            by=None,
            now=now,
        )


def _within(rows: QuerySet, scope: RiskScope, to_broker: str) -> QuerySet:  # type: ignore[type-arg]  # of any rows
    """Those of `rows` that the scope is about; `to_broker` leads from a row to what has the broker."""
    wanted = {"owner": scope.owner_id, f"{to_broker}broker": scope.broker_id, "book": scope.book_id}
    return rows.filter(**{name: value for name, value in wanted.items() if value is not None})


def _sell(position: Position, scope: RiskScope, now: datetime) -> bool:
    """Try to sell all of it unless that is tried already; whether there is still something to wait for."""
    exits = Order.objects.filter(position=position, purpose=OrderPurpose.EXIT)
    if exits.filter(is_settled=False).exists():
        return True
    assert scope.changed_at  # noqa: S101  set_state sets it
    intent = f"flatten-{scope.pk}-{scope.changed_at.timestamp():.0f}-position-{position.pk}"
    attempts = exits.filter(dedup_key__startswith=intent)
    if attempts.filter(denial_code=DenialCode.BELOW_MINIMUM).exists():
        return False  # too little to sell
    last: float | None = position.last_price  # type: ignore[attr-defined]  # annotated
    price = Decimal(str(last)) if last else position.to_holding().average_price or Decimal(0)
    signal = Signal(
        side=OrderSide.SELL,
        order_type=OrderType.MARKET,
        purpose=OrderPurpose.EXIT,
        source=OrderSource.PROTECTION,
        dedup_key=f"{intent}-{attempts.count()}",
        reason=f"Everything is being closed. {scope.reason}",
        reference_price=price,
        valid_until=now + timedelta(minutes=1),
    )
    order = place(book=position.book, symbol=position.symbol, signal=signal, now=now)
    return order.denial_code != DenialCode.BELOW_MINIMUM
