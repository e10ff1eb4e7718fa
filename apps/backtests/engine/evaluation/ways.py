"""How a strategy is asked in a run: the fastest way whose answers are proven to be its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from apps.backtests.engine.evaluation.asking import Asker
from apps.backtests.engine.evaluation.plain import PlainAsker
from apps.backtests.engine.evaluation.proof import (
    SignalsAsker,
    find_difference,
    find_foresight,
    pick_early,
    pick_rows,
)
from apps.backtests.engine.evaluation.rereading import RereadingAsker
from apps.backtests.engine.evaluation.signals import Signals, StepsAside
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.trace import trace
from apps.backtests.engine.evaluation.views import ViewAsker
from apps.strategies.contract.strategy import Strategy


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
    window: int | None = None,
) -> Iterator[Way]:
    """The ways that are proven to answer as new instances do from row `first` on, the fastest first; a later
    one is for a run in which the one before steps aside. The last asks new instances, on `window` candles."""
    search = _Search(strategy_class, WholeHistory(frame), params, first)
    for find in (search.find_trace, search.find_views, search.find_rereading):
        try:
            yield find()
        except StepsAside as aside:
            search.asides.append(aside.reason)
    yield Way(
        decisions=PlainAsker(strategy_class, frame, params, window),
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
        self.asides: list[str] = []

    def find_trace(self) -> Way:
        """All candles at once, compared with views and with new instances."""
        signals = trace(self._class, self._history, self._params, warmup=self._first)
        asker = SignalsAsker(signals)
        rows = pick_rows(self._first, len(signals.long), signals)
        self._compare_with_views(asker, rows)
        self._compare_plainly(asker, rows)
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

    def _find_asker(self, make: type[ViewAsker] | type[RereadingAsker]) -> Way:
        rows = pick_rows(self._first, len(self._history.frame))
        self._compare_plainly(make(self._class, self._history, self._params), rows)
        return Way(
            decisions=make(self._class, self._history, self._params),
            name="views",
            reason=f"Candle by candle, on indicators that are computed once: {self.tell_asides()}.",
        )

    def tell_asides(self) -> str:
        """Why faster ways were none."""
        return ", and ".join(dict.fromkeys(self.asides))

    def _compare_plainly(self, asker: Asker, rows: list[int]) -> None:
        """With new instances, where they see few candles: at the start, and in windows."""
        frame = self._history.frame
        plain = PlainAsker(self._class, frame, self._params)
        self._compare(asker, plain, pick_early(rows))

        def make(part: pd.DataFrame) -> Asker:
            return RereadingAsker(self._class, WholeHistory(part), self._params)

        row = find_foresight(make, self._class, frame, self._params, rows)
        if row is not None:
            raise StepsAside(
                f"it decides otherwise when later candles are there, {self._tell(row)}"
            )

    def _compare_with_views(self, asker: Asker, rows: list[int]) -> None:
        try:
            self._compare(asker, ViewAsker(self._class, self._history, self._params), rows)
        except StepsAside:
            self._compare(asker, RereadingAsker(self._class, self._history, self._params), rows)

    def _compare(self, asker: Asker, other: Asker, rows: list[int]) -> None:
        row = find_difference(asker, other, rows)
        if row is not None:
            raise StepsAside(f"its answers differ from those of a single candle, {self._tell(row)}")

    def _tell(self, row: int) -> str:
        return f"first after the candle of {self._history.frame.index[row]:%Y-%m-%d %H:%M}"
