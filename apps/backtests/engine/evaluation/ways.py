"""How a strategy is asked in a run: the fastest way whose answers are proven to be its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from apps.backtests.engine.evaluation.asking import Asker
from apps.backtests.engine.evaluation.mixed import MixedAsker
from apps.backtests.engine.evaluation.plain import PlainAsker
from apps.backtests.engine.evaluation.proof import (
    SignalsAsker,
    find_difference,
    list_windows,
    pick_early,
    pick_rows,
    pick_telling,
)
from apps.backtests.engine.evaluation.rereading import RereadingAsker
from apps.backtests.engine.evaluation.signals import Flags, Signals, StepsAside
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.trace import trace, trace_exits, trace_long
from apps.backtests.engine.evaluation.views import ViewAsker
from apps.strategies.contract.strategy import Strategy

#: Candles that a live bot is given where a strategy does not say.
_LOOKBACK = Strategy.lookback
_Asker = ViewAsker | RereadingAsker


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Decisions for a run, how they are come by (`trace`, `views` or `plain`), and why so, in words."""

    decisions: Signals | Asker
    name: str
    reason: str


def list_ways(
    strategy_class: type[Strategy],
    frame: pd.DataFrame,
    params: Mapping[str, Any],
    *,
    first: int = 0,
    lookback: int = _LOOKBACK,
) -> Iterator[Way]:
    """The ways that are proven to answer from row `first` on as new instances on `lookback` candles do, the
    fastest first; a later one is for a run in which the one before steps aside."""
    search = _Search(strategy_class, WholeHistory(frame, lookback), params, first)
    for find in (search.find_trace, search.find_views, search.find_rereading):
        try:
            yield find()
        except StepsAside as aside:
            search.asides.append(aside.reason)
    yield Way(
        decisions=PlainAsker(strategy_class, frame, params, lookback),
        name="plain",
        reason=f"A new instance for each candle: {search.tell_asides()}.",
    )


class _Search:
    """Ways that were tried, and why each of them was none."""

    def __init__(
        self,
        strategy_class: type[Strategy],
        history: WholeHistory,
        params: Mapping[str, Any],
        first: int,
    ) -> None:
        self._class = strategy_class
        self._history = history
        self._params = params
        self._first = first
        self._foresight: StepsAside | None = None
        self.asides: list[str] = []

    def find_trace(self) -> Way:
        """All candles at once, compared with views and with new instances."""
        signals = trace(self._class, self._history, self._params, warmup=self._first)
        rows = pick_rows(self._first, len(signals.long), signals.long, signals.exit)
        self._compare_with_views(SignalsAsker(signals), rows)
        self._compare_early(SignalsAsker(signals), rows)
        self._compare_windows(RereadingAsker, pick_telling(SignalsAsker(signals), rows))
        return Way(
            decisions=signals,
            name="trace",
            reason=f"All candles at once; {len(rows)} of the answers were compared with those of"
            " single candles.",
        )

    def find_views(self) -> Way:
        """Candle by candle, on copies of one instance."""
        return self._find_asker(ViewAsker)

    def find_rereading(self) -> Way:
        """Candle by candle, on new instances that find their indicators computed."""
        return self._find_asker(RereadingAsker)

    def tell_asides(self) -> str:
        """Why faster ways were none."""
        return ", and ".join(dict.fromkeys(self.asides))

    def _find_asker(self, kind: type[_Asker]) -> Way:
        if self._foresight:
            raise self._foresight
        long, exits = self._flags
        known = [flags for flags in (long, exits) if flags is not None]
        rows = pick_rows(self._first, len(self._history.frame), *known)
        mixed = MixedAsker(self._make(kind), long, exits)
        self._check(find_difference(mixed, self._make(kind), rows))
        self._compare_early(self._make(kind), rows)
        self._compare_windows(kind, pick_telling(self._make(kind), rows))
        return Way(
            decisions=MixedAsker(self._make(kind), long, exits),
            name="views",
            reason=f"Candle by candle, on indicators that are computed once: {self.tell_asides()}.",
        )

    @cached_property
    def _flags(self) -> tuple[Flags | None, Flags | None]:
        """When to buy and when to sell, each where it is known for all candles."""
        given = (self._class, self._history, self._params, self._first)
        return trace_long(*given), trace_exits(*given)

    def _make(self, kind: type[_Asker]) -> _Asker:
        return kind(self._class, self._history, self._params)

    def _compare_with_views(self, asker: Asker, rows: list[int]) -> None:
        try:
            row = find_difference(asker, self._make(ViewAsker), rows)
        except StepsAside:
            row = find_difference(asker, self._make(RereadingAsker), rows)
        self._check(row)

    def _compare_early(self, asker: Asker, rows: list[int]) -> None:
        """With new instances that see the whole history, since it has only begun."""
        plain = PlainAsker(self._class, self._history.frame, self._params)
        self._check(find_difference(asker, plain, pick_early(rows, self._history.lookback)))

    def _compare_windows(self, kind: type[_Asker], rows: list[int]) -> None:
        """With new instances in windows of the history, where an indicator of later candles shows."""
        frame, lookback = self._history.frame, self._history.lookback
        for row, window, place in list_windows(frame, rows, lookback):
            shown = kind(self._class, WholeHistory(window, lookback), self._params)
            plain = PlainAsker(self._class, window, self._params)
            if find_difference(shown, plain, [place]) is not None:
                self._foresight = StepsAside(
                    f"it decides otherwise when later candles are there, {self._tell(row)}"
                )
                raise self._foresight

    def _check(self, row: int | None) -> None:
        if row is not None:
            raise StepsAside(f"its answers differ from those of a single candle, {self._tell(row)}")

    def _tell(self, row: int) -> str:
        return f"first after the candle of {self._history.frame.index[row]:%Y-%m-%d %H:%M}"
