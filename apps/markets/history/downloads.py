"""Candles from an exchange: who wants which, and fetching what is missing of them page by page."""

import time
from datetime import datetime, timedelta

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, F, Max, Min, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.core.enqueue import enqueue_on_commit, send
from apps.core.locks import lock_until_commit
from apps.core.tasks import TaskName
from apps.core.venues import NotRunning, client_options, stream_options
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.exchanges.clients import capabilities_of, create_client
from apps.exchanges.errors import ExchangeError, RateLimited, Rejected
from apps.exchanges.parsing import milliseconds, moment
from apps.exchanges.ports import Candles, ExchangeClient
from apps.markets.history.columns import PRICES, CandleColumns
from apps.markets.history.reading import list_missing
from apps.markets.history.spans import Span, count_candles
from apps.markets.history.storing import history_end_ms, record_asked, store_history
from apps.markets.models import AskedRange, Candle, CandleDownload, Series, Symbol

#: Of a user, at a time.
MAX_GOING_ON = 3
#: Of one download: nearly six years of minutes.
MAX_CANDLES = 3_000_000
#: Of each limit of the exchange: trading goes first.
SHARE = 0.3
PAGE = 1000
#: An exchange may tell a candle a little later than it closed: what is not there yet is not taken for what
#: does not exist.
SETTLING = timedelta(minutes=1)
#: A task ends after the page with which this is over.
SLICE_SECONDS = 15.0
#: A worker that has stored nothing for so long is taken for dead.
LEASE = timedelta(seconds=30)
#: In a row, without a page in between.
MAX_ATTEMPTS = 3
PAUSE = timedelta(seconds=10)

State = CandleDownload.State


class DownloadRefused(Exception):
    """What was asked for can't be downloaded; its words say why and what to do."""


class _Superseded(Exception):
    """The download was cancelled, or another worker is at it."""


@transaction.atomic
def begin_download(
    *, user: User | None, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime
) -> CandleDownload:
    """Have workers fetch what is missing of these candles (`end` is not included). Who asks for what is
    being downloaded already shares that download; nobody (None) asks from the shell, without a limit.
    Raises DownloadRefused."""
    start, end = timeframe.floor(start), timeframe.floor(end)
    _check(symbol, timeframe, start, end)
    lock_until_commit("candle downloads")
    askers = [user] if user else []
    series, _created = Series.objects.get_or_create(
        symbol=symbol, timeframe=timeframe, defaults={"is_followed": False}
    )
    going_on = CandleDownload.objects.filter(state__in=CandleDownload.GOING_ON)
    if shared := going_on.filter(series=series, start__lte=start, end__gte=end).first():
        shared.asked_by.add(*askers)
        return shared
    if user and going_on.filter(asked_by=user).count() >= MAX_GOING_ON:
        raise DownloadRefused(
            f"{MAX_GOING_ON} of your downloads are going on: wait for one of them, or cancel it."
        )
    download = CandleDownload.objects.create(series=series, start=start, end=end)
    download.asked_by.add(*askers)
    enqueue_on_commit(TaskName.DOWNLOAD_CANDLES, download_id=download.pk)
    return download


@transaction.atomic
def begin_repair(*, user: User, series: Series, asks_again: bool = False) -> CandleDownload:
    """Have workers fetch what is missing between the first and the last candle of a series; also what its
    exchange did not have, if it `asks_again`. Raises DownloadRefused."""
    candles = Candle.objects.filter(series=series)
    span = candles.aggregate(first=Min("opened_at"), last=Max("opened_at"))
    if span["first"] is None:
        raise DownloadRefused("There is no candle yet that anything could be missing after.")
    timeframe = Timeframe(series.timeframe)
    if asks_again:
        AskedRange.objects.filter(series=series).delete()
    return begin_download(
        user=user,
        symbol=series.symbol,
        timeframe=timeframe,
        start=span["first"],
        end=span["last"] + timeframe.duration,
    )


def _check(symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime) -> None:
    exchange = Exchange(symbol.exchange)
    if timeframe not in capabilities_of(exchange).timeframes:
        raise DownloadRefused(
            f"{exchange.title()} makes no {timeframe} candles: download shorter ones, of which they are"
            " built."
        )
    if start >= end:
        raise DownloadRefused(
            "The end lies before the end of the first candle: choose a later one."
        )
    count = Span.between(start, end).count(timeframe.milliseconds)
    if count > MAX_CANDLES:
        raise DownloadRefused(
            f"These are {count:,} candles, and a download takes at most {MAX_CANDLES:,}: choose a"
            " shorter time, or longer candles."
        )
    try:
        stream_options(exchange, Environment(symbol.environment))
    except NotRunning as error:
        raise DownloadRefused(str(error)) from None


@transaction.atomic
def leave_download(*, download_id: int, user: User) -> CandleDownload:
    """The user no longer waits for it: it is cancelled at once, unless others still want it."""
    lock_until_commit("candle downloads")
    download = CandleDownload.objects.get(pk=download_id)
    if download.asked_by.exclude(pk=user.pk).exists():
        download.asked_by.remove(user)
    else:
        _going_on(download_id).update(
            state=State.CANCELLED, message="Cancelled. What was stored stays.", finished_at=Now()
        )
    download.refresh_from_db()
    return download


def sweep_downloads() -> int:
    """Send a task for every download that nobody is at; how many that were."""
    free = CandleDownload.objects.filter(_is_free(), state__in=CandleDownload.GOING_ON)
    return sum(send(TaskName.DOWNLOAD_CANDLES, download_id=row.pk) for row in free.order_by("pk"))


def continue_download(*, download_id: int, worker: str, seconds: float = SLICE_SECONDS) -> None:
    """Fetch pages of a download for a while, and have the next task go on with it; returns at once while
    another worker is at it. `worker` is a name that is used once."""
    download = _claim(download_id, worker)
    if download is None:
        return
    try:
        if _fetch(download, until=time.monotonic() + seconds):
            return
        _give_back(download)
        send(TaskName.DOWNLOAD_CANDLES, download_id=download.pk)
    except _Superseded:
        return
    except RateLimited as error:
        wait = timedelta(seconds=error.retry_after or PAUSE.total_seconds())
        words = f"Waiting for {Exchange(download.series.symbol.exchange).title()}'s limits."
        _give_back(download, resume_at=Now() + wait, message=words)
    except (Rejected, NotRunning) as error:
        _end(download, State.FAILED, str(error))
    except ExchangeError as error:
        _try_again(download, str(error))


def _claim(download_id: int, worker: str) -> CandleDownload | None:
    """Take it, unless another worker is at it or at another one of the series. A worker that fell silent has
    cost an attempt."""
    lost = Case(When(worker="", then=F("attempts")), default=F("attempts") + Value(1))
    running = CandleDownload.objects.filter(series=OuterRef("series"), state=State.RUNNING)
    free = _going_on(download_id).filter(_is_free(), ~Exists(running.exclude(pk=OuterRef("pk"))))
    try:
        with transaction.atomic():
            claimed = free.update(
                state=State.RUNNING, worker=worker, beat_at=Now(), resume_at=None, attempts=lost
            )
    except IntegrityError:
        return None  # another one of the series was claimed at the same moment
    if not claimed:
        return None
    download = CandleDownload.objects.select_related("series__symbol").get(pk=download_id)
    if download.attempts >= MAX_ATTEMPTS:
        _end(download, State.FAILED, f"Its worker was lost {MAX_ATTEMPTS} times. Begin it again.")
        return None
    return download


def _going_on(download_id: int) -> QuerySet[CandleDownload]:
    return CandleDownload.objects.filter(pk=download_id, state__in=CandleDownload.GOING_ON)


def _is_free() -> Q:
    is_due = Q(resume_at=None) | Q(resume_at__lte=Now())
    return (Q(worker="") & is_due) | Q(beat_at__lt=Now() - LEASE)


def _held(download: CandleDownload) -> QuerySet[CandleDownload]:
    """The row, while it is ours: whatever a superseded worker still writes touches nothing."""
    return _going_on(download.pk).filter(worker=download.worker)


def _give_back(download: CandleDownload, **state: object) -> None:
    _held(download).update(worker="", **state)


def _try_again(download: CandleDownload, words: str) -> None:
    attempts = download.attempts + 1
    if attempts >= MAX_ATTEMPTS:
        _end(download, State.FAILED, f"Given up after {attempts} attempts: {words}")
    else:
        _give_back(download, attempts=attempts, resume_at=Now() + attempts * PAUSE, message=words)


def _end(download: CandleDownload, state: State, words: str) -> None:
    _held(download).update(state=state, message=words, worker="", finished_at=Now())


def _fetch(download: CandleDownload, *, until: float) -> bool:
    """Ask for what is missing, page by page; False when time is up before its end."""
    series, symbol = download.series, download.series.symbol
    exchange, environment = Exchange(symbol.exchange), Environment(symbol.environment)
    timeframe = Timeframe(series.timeframe)
    client = create_client(exchange, **client_options(exchange, environment, share=SHARE))
    server_time = client.get_server_time()
    within = _find_reachable(download, client, server_time)
    missing = list_missing(series=series, start=within.starts_at, end=within.ends_at)
    left = count_candles(missing, timeframe.milliseconds)
    _update(download, total=F("done") + left)
    for span in missing:
        start = span.start
        while start < span.end:
            page = client.get_candles(
                symbol.name,
                timeframe,
                start=moment(start),
                end=moment(span.end - timeframe.milliseconds),
                limit=PAGE,
                as_of=server_time,
            )
            candles, reached = _read_page(page, Span(start, span.end), timeframe)
            _keep(download, candles, Span(start, reached))
            download.attempts, start = 0, reached
            if time.monotonic() >= until:
                return False
    _finish(download, within, client.capabilities.candle_history)
    return True


def _find_reachable(
    download: CandleDownload, client: ExchangeClient, server_time: datetime
) -> Span:
    """What of a download has closed a while ago, is told by the exchange, and is history; empty at its end
    where that is nothing."""
    step = Timeframe(download.series.timeframe).milliseconds
    span = Span.between(download.start, download.end)
    now = milliseconds(server_time - SETTLING) // step * step
    end = min(span.end, now)
    limit = history_end_ms(download.series)
    if limit is not None:
        end = min(end, limit)
    start = span.start
    if client.capabilities.candle_history is not None:
        start = max(start, now - client.capabilities.candle_history * step)
    return Span(min(start, end), end)


def _read_page(page: Candles, span: Span, timeframe: Timeframe) -> tuple[CandleColumns, int]:
    """The candles of a page that lie in `span` on the grid, and where to go on: the exchange has none
    between them, nor after them where it tells none at all."""
    times = np.asarray(page.opened_at_ms, np.int64)
    is_inside = (times >= span.start) & (times < span.end)
    is_inside[page.closed :] = False
    step = timeframe.milliseconds
    last = int(times[is_inside][-1]) if is_inside.any() else span.end
    candles = CandleColumns(
        timeframe=timeframe,
        opened_at_ms=times,
        **{name: np.asarray(getattr(page, name), np.float64) for name in PRICES},
    )
    return candles.where(is_inside & (times % step == 0)), min(span.end, last - last % step + step)


@transaction.atomic
def _keep(download: CandleDownload, candles: CandleColumns, asked: Span) -> None:
    """Store a page, and that it was asked for."""
    count = asked.count(candles.timeframe.milliseconds)
    _update(download, done=F("done") + count, beat_at=Now(), attempts=0, message="")
    stored = store_history(series=download.series, candles=candles)
    _update(download, stored=F("stored") + stored)
    record_asked(series=download.series, span=asked)


def _update(download: CandleDownload, **values: object) -> None:
    if not _held(download).update(**values):
        raise _Superseded


def _finish(download: CandleDownload, within: Span, kept: int | None) -> None:
    download.refresh_from_db(fields=["done", "stored"])
    exchange = Exchange(download.series.symbol.exchange).title()
    words = [f"{download.stored:,} candles stored."]
    if lacking := download.done - download.stored:
        words.append(f"{exchange} has none for {lacking:,} more.")
    if within.starts_at > download.start:
        words.append(f"{exchange} tells only its newest {kept}: import older ones from a file.")
    _end(download, State.DONE, " ".join(words))
