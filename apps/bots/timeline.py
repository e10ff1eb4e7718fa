"""Why an activation did, or did not, trade: its decisions, newest first, and the candles they are about."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q

from apps.bots.models import Activation, Decision
from apps.domain.orders import OrderStatus
from apps.markets.models import Candle

PAGE = 50
CHART_CANDLES = 240
_HAPPENED = Q(order__isnull=False) | Q(action__in=(Decision.Action.FAILED, Decision.Action.UNASKED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some decisions; `older` is the moment from which the next page goes on, None at the beginning."""

    decisions: list[Decision]
    older: datetime | None


def read_page(
    activation: Activation, *, until: datetime | None = None, only_events: bool = False
) -> Page:
    """The newest decisions on candles that opened at `until` or before; with `only_events` those alone that
    made an order, failed, or could not be made."""
    decisions = Decision.objects.filter(
        activation=activation, candle__series=activation.series_id
    ).select_related("candle", "order__symbol", "version__strategy")
    if until is not None:
        decisions = decisions.filter(candle__opened_at__lte=until)
    if only_events:
        decisions = decisions.filter(_HAPPENED)
    # Only the newest candle of a series is decided on, so they were stored in the order of their times: by
    # that a page is read from the index of the activation, however many candles are newer than it.
    rows = list(decisions.order_by("-candle_id")[: PAGE + 1])
    older = rows[PAGE].candle.opened_at if len(rows) > PAGE else None
    return Page(decisions=rows[:PAGE], older=older)


def read_chart(
    activation: Activation, *, until: datetime | None = None
) -> dict[str, list[dict[str, object]]]:
    """The candles up to `until` and what was decided on them, times in UTC seconds, as the chart takes
    them."""
    candles = Candle.objects.filter(series=activation.series_id)
    if until is not None:
        candles = candles.filter(opened_at__lte=until)
    shown = list(reversed(candles.order_by("-opened_at")[:CHART_CANDLES]))
    if not shown:
        return {"candles": [], "markers": []}
    decisions = Decision.objects.filter(
        _HAPPENED,
        activation=activation,
        candle__series=activation.series_id,
        candle__opened_at__range=(shown[0].opened_at, shown[-1].opened_at),
    ).select_related("candle", "order")
    return {
        "candles": [
            {
                "time": int(row.opened_at.timestamp()),
                "open": row.open,
                "high": row.high,
                "low": row.low,
                "close": row.close,
            }
            for row in shown
        ],
        "markers": [
            {"time": int(row.candle.opened_at.timestamp()), "what": what_happened(row)}
            for row in decisions.order_by("candle__opened_at")
        ],
    }


def what_happened(decision: Decision) -> str:
    """One word for what came of it."""
    if decision.order and decision.order.status == OrderStatus.DENIED:
        return "denied"
    return decision.action


def read_moment(text: str) -> datetime | None:
    """A moment (UTC) as a page writes it, None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
