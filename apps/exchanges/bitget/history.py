"""Many questions as one: pages of orders and fills, windows of time, ranges of candles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.domain.candles import Timeframe
from apps.exchanges.bitget.constants import (
    CANDLE_REACH,
    CANDLE_SPAN,
    CANDLES,
    CLOCK_SLACK,
    HISTORY_REACH,
    HISTORY_SPAN,
    MAX_CANDLES,
    MAX_OLD_CANDLES,
    MAX_ROWS,
    MAX_THIN_ANSWERS,
    OLD_CANDLES,
    Endpoint,
)
from apps.exchanges.bitget.orders import Page, Row
from apps.exchanges.bitget.parse import KlineRow, to_candles
from apps.exchanges.parsing import milliseconds, moment
from apps.exchanges.ports import Candles

_MS = timedelta(milliseconds=1)
#: At the edge of what the young candles reach, the old ones are asked.
_REACH_MARGIN = timedelta(days=1)
#: A market may have long gaps: a question goes at least this far, however few candles are wanted.
_MIN_WINDOW = 100
#: How much farther each look over a gap goes.
_STRIDE = 8


def read_pages(
    read_page: Callable[[Mapping[str, str]], Page[Row]], params: Mapping[str, str]
) -> Iterator[Row]:
    """Every row, new to old, asked for page by page."""
    asked = {**params, "limit": str(MAX_ROWS)}
    seen: set[str] = set()
    while True:
        page = read_page(asked)
        yield from page.rows
        if page.next_id is None or page.next_id in seen:
            return
        seen.add(page.next_id)
        asked["idLessThan"] = page.next_id


def history_windows(since: datetime | None, now: float) -> Iterator[dict[str, str]]:
    """Parameters for what happened from `since` on (or is still told), newest window first."""
    end = moment(now * 1000) + CLOCK_SLACK
    oldest = moment(now * 1000) - HISTORY_REACH
    start = oldest if since is None else max(since, oldest)
    while end >= start:
        begin = max(start, end - HISTORY_SPAN)
        yield {"startTime": str(milliseconds(begin)), "endTime": str(milliseconds(end))}
        end = begin - _MS


#: Asks one endpoint for candles.
ReadKlines = Callable[[Endpoint, Mapping[str, str]], list[KlineRow]]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where candles of one length lie, and which endpoint still tells them; all in milliseconds."""

    step: int
    reach: int
    server_ms: int

    def page(self, oldest_ms: int) -> tuple[Endpoint, int]:
        """Whom to ask for candles from `oldest_ms` on, and how many one answer holds."""
        if oldest_ms >= self.server_ms - self.reach:
            return CANDLES, min(MAX_CANDLES, CANDLE_SPAN // _MS // self.step)
        return OLD_CANDLES, MAX_OLD_CANDLES


def read_candle_range(
    read: ReadKlines,
    timeframe: Timeframe,
    *,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    server_time: datetime,
) -> Candles:
    """Candles that open from `start` to `end`, at most `limit`: the oldest of them, or the newest.

    `server_time` was asked for before, so that what had ended by then is final.
    """
    server_ms = milliseconds(server_time)
    step = timeframe.duration // _MS
    reach = (CANDLE_REACH[timeframe] - _REACH_MARGIN) // _MS
    grid = _Grid(step, reach, server_ms)
    last_ms = server_ms if end is None else min(milliseconds(end), server_ms)
    last_ms -= last_ms % step
    if start is None:
        candles = to_candles(_backwards(read, grid, last_ms, limit)[-limit:])
    else:
        first_ms = -(-milliseconds(start) // step) * step
        candles = to_candles(_forwards(read, grid, first_ms, last_ms, limit)[:limit])
    is_ended = bool(candles) and candles.opened_at_ms[-1] + step <= server_ms
    return replace(candles, closed=len(candles)) if is_ended else candles


def _forwards(
    read: ReadKlines, grid: _Grid, first_ms: int, last_ms: int, limit: int
) -> list[KlineRow]:
    rows: list[KlineRow] = []
    thin_answers = 0
    while first_ms <= last_ms and len(rows) < limit:
        if rows and thin_answers > MAX_THIN_ANSWERS:
            break
        endpoint, size = grid.page(first_ms)
        # One candle less than an answer holds, so that it matters not whether it includes the end.
        window = min(size - 1, max(limit - len(rows), _MIN_WINDOW))
        until = min(first_ms + (window - 1) * grid.step, last_ms)
        params = {"startTime": str(first_ms), "endTime": str(until + grid.step)}
        page = read(endpoint, params | {"limit": str(size)})
        found = _ordered(page, first_ms, until)
        rows += found
        thin_answers += len(found) < window // 2
        first_ms = until + grid.step
        if not found:
            first_ms, asked = _after_gap(read, grid, first_ms, last_ms)
            thin_answers += asked
    return rows


def _after_gap(read: ReadKlines, grid: _Grid, first_ms: int, last_ms: int) -> tuple[int, int]:
    """Shortly before the first candle from `first_ms` on (or the end of the range, where there is
    none), and how many questions that took.

    The newest candles up to a moment are told over any gap: moments ever farther off are tried until
    there is a candle before one, then the time in between is halved.
    """
    asked, is_found, found_ms = 0, False, last_ms + grid.step
    reach = _MIN_WINDOW
    # The next question goes as far as this anyway.
    while (distance := (found_ms - first_ms) // grid.step) >= _MIN_WINDOW:
        until = first_ms + (distance // 2 if is_found else min(reach, distance - 1)) * grid.step
        endpoint, size = grid.page(first_ms)
        params = {"endTime": str(until + grid.step), "limit": str(size)}
        page = _ordered(read(endpoint, params), 0, until)
        asked += 1
        later = [row.opened_at_ms for row in page if row.opened_at_ms >= first_ms]
        if not later:
            first_ms = until + grid.step
            reach *= _STRIDE
            continue
        is_found, found_ms = True, later[0]
        if len(later) < len(page):
            # It reaches back over the gap, so nothing is left out.
            return found_ms, asked
    return first_ms, asked


def _backwards(read: ReadKlines, grid: _Grid, last_ms: int, limit: int) -> list[KlineRow]:
    rows: list[KlineRow] = []
    while len(rows) < limit:
        wanted = min(limit - len(rows), MAX_CANDLES - 1)
        endpoint, size = grid.page(last_ms - wanted * grid.step)
        # The end may be included or not, so it is asked for one candle too far and one too many.
        params = {"endTime": str(last_ms + grid.step), "limit": str(min(size, wanted + 1))}
        page = _ordered(read(endpoint, params), 0, last_ms)
        if not page:
            break
        rows = page + rows
        last_ms = page[0].opened_at_ms - grid.step
    return rows


def _ordered(rows: list[KlineRow], first_ms: int, last_ms: int) -> list[KlineRow]:
    wanted = {row.opened_at_ms: row for row in rows if first_ms <= row.opened_at_ms <= last_ms}
    return [wanted[at] for at in sorted(wanted)]
