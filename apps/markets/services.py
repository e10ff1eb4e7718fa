"""Writing candles and the state of their producer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from apps.core.enqueue import send
from apps.core.tasks import TaskName
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.exchanges import ports
from apps.exchanges.errors import ExchangeUnavailable
from apps.markets.models import Candle, HeartbeatStatus, Series, Symbol
from apps.markets.selectors import (
    find_default_symbol,
    list_newest_undispatched,
    list_symbol_names,
)
from apps.markets.symbols import sync_symbols

_INSERT_CANDLE = """
INSERT INTO markets_candle (series_id, opened_at, open, high, low, close, volume, received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""


def follow(symbol: Symbol, timeframe: Timeframe) -> Series:
    """The series of a symbol; the heartbeat fills it from now on."""
    series, _created = Series.objects.get_or_create(symbol=symbol, timeframe=timeframe)
    if not series.is_followed:
        series.is_followed = True
        series.save(update_fields=["is_followed"])
    return series


def follow_default(*, exchange: Exchange, environment: Environment) -> None:
    """BTC/USDT is followed always; an exchange whose symbols we don't know yet is asked for them. Raises
    ExchangeUnavailable while another process is at that."""
    if not list_symbol_names(exchange=exchange, environment=environment) and not sync_symbols(
        exchange=exchange, environment=environment
    ):
        raise ExchangeUnavailable(f"The symbols of {exchange} are being read. Try again.")
    follow(find_default_symbol(exchange, environment), Timeframe.M1)


def store_candles(
    *, series: Series, candles: Sequence[ports.Candle], received_at: datetime
) -> list[datetime]:
    """Keep the closed ones of `candles` and return the open times that are new. A candle that is stored
    already stays as the strategies saw it, whatever the exchange says of it later."""
    closed = {candle.opened_at: candle for candle in candles if candle.is_closed}
    known = set(
        Candle.objects.filter(series=series, opened_at__in=list(closed)).values_list(
            "opened_at", flat=True
        )
    )
    new = [candle for opened_at, candle in sorted(closed.items()) if opened_at not in known]
    Candle.objects.bulk_create(
        [_to_row(series, candle, received_at) for candle in new], ignore_conflicts=True
    )
    return [candle.opened_at for candle in new]


def store_live_candle(*, series_id: int, candle: ports.Candle, received_at: datetime) -> int | None:
    """Keep a candle that just closed and return its id; None when it is stored already (another producer
    was faster). One statement: strategies wait for it."""
    # fmt: off
    values: list[Any] = [
        series_id, candle.opened_at, candle.open, candle.high, candle.low, candle.close,
        candle.volume, received_at,
    ]
    # fmt: on
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_CANDLE, values)
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _to_row(series: Series, candle: ports.Candle, received_at: datetime) -> Candle:
    return Candle(
        series=series,
        opened_at=candle.opened_at,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        received_at=received_at,
    )


def dispatch_candle(*, candle_id: int, now: datetime) -> bool:
    """Call the strategies that wait for this candle; False when the task broker is down, and then the
    sweep does it while the candle is fresh."""
    if not send(TaskName.EVALUATE_CANDLE, candle_id=candle_id):
        return False
    Candle.objects.filter(pk=candle_id).update(dispatched_at=now)
    return True


def sweep_candles(*, now: datetime) -> int:
    """Dispatch the newest candle of every series that was stored but not dispatched, while it is no
    older than one candle; how many were."""
    return sum(
        dispatch_candle(candle_id=candle.pk, now=now)
        for candle in list_newest_undispatched(stored_before=now - timedelta(seconds=2))
        if is_fresh(candle, candle.series, now)
    )


def is_fresh(candle: Candle, series: Series, now: datetime) -> bool:
    """Whether a strategy may still act on it: received less than one candle ago. The moment of receipt
    counts, not the candle's own time, which a replayed market runs through at its own speed."""
    return now - candle.received_at < Timeframe(series.timeframe).duration


def record_heartbeat(
    *, exchange: Exchange, environment: Environment, **state: Any
) -> HeartbeatStatus:
    """Keep how the producer is; the fields of HeartbeatStatus that are given."""
    return HeartbeatStatus.objects.update_or_create(
        exchange=exchange, environment=environment, defaults=state
    )[0]
