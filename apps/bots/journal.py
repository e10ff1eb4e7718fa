"""What strategies print and fail with while they are active, kept for their owners for a while."""

from datetime import datetime, timedelta
from typing import Any

from apps.bots.models import Activation, StrategyLog
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.models import Alert
from apps.strategies.sandbox import SandboxUnavailable, StrategyFailed

#: How often an hour the output of one activation is kept.
OUTPUTS_PER_HOUR = 60
HOUR = timedelta(hours=1)
#: The alert that strategies can't be asked, of which each user has one.
SILENCE = "sandbox"
_LAST_OF_THE_HOUR = "\n(What it prints in the rest of this hour is not kept.)"


def record_output(*, activation: Activation, output: str, now: datetime) -> None:
    """Keep what a strategy printed, unless it has printed too often within the last hour."""
    if not output:
        return
    level = StrategyLog.Level.INFO
    earlier = StrategyLog.objects.filter(
        activation=activation, level=level, created_at__gt=now - HOUR
    ).count()
    if earlier >= OUTPUTS_PER_HOUR:
        return
    note = _LAST_OF_THE_HOUR if earlier == OUTPUTS_PER_HOUR - 1 else ""
    _write(activation, level=level, message=output + note)


def record_failure(
    *, activation: Activation, failure: StrategyFailed, data: dict[str, Any], now: datetime
) -> None:
    """Keep why a strategy was paused, with `data` to reproduce it, and tell its owner."""
    _write(
        activation,
        level=StrategyLog.Level.ERROR,
        message=f"{failure.message}\n{failure.output}".rstrip(),
        traceback=failure.traceback,
        data=data,
    )
    raise_alert(
        owner_id=activation.owner_id,
        key=_alert_key(activation),
        level=Alert.Level.WARNING,
        message=f"{activation} is paused: {failure.message}",
        advice="Mend the strategy and switch to the new version, or resume it as it is. An open position"
        " keeps its stop-loss and take-profit.",
        now=now,
        link=f"/admin/bots/activation/{activation.pk}/change/",
    )


def close_failure(*, activation: Activation, now: datetime) -> None:
    """The owner has acted on it: the alert is over."""
    resolve_alert(owner_id=activation.owner_id, key=_alert_key(activation), now=now)


def record_silence(*, owner_id: int, silence: SandboxUnavailable, now: datetime) -> None:
    """Tell a user that his strategies are not asked."""
    raise_alert(
        owner_id=owner_id,
        key=SILENCE,
        level=Alert.Level.CRITICAL,
        message=f"Your strategies are not asked: {silence}",
        advice="Candles that close meanwhile are not traded on. Open positions keep their stop-loss and"
        " take-profit. manage.py doctor says what is missing.",
        now=now,
        link="/admin/bots/decision/?action__exact=unasked",
    )


def close_silence(*, owner_id: int, now: datetime) -> None:
    """The sandbox answers again: the alert is over."""
    resolve_alert(owner_id=owner_id, key=SILENCE, now=now)


def forget_logs(*, created_before: datetime) -> None:
    """Delete what is older than that."""
    StrategyLog.objects.filter(created_at__lt=created_before).delete()


def _write(activation: Activation, **values: Any) -> None:
    StrategyLog.objects.create(
        owner_id=activation.owner_id,
        activation=activation,
        version_id=activation.version_id,
        **values,
    )


def _alert_key(activation: Activation) -> str:
    return f"strategy-{activation.pk}"
