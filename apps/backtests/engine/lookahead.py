"""Whether a strategy's columns know later candles, which live are not there yet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from apps.backtests.engine.recording import Recorded, record_columns
from apps.strategies.contract.strategy import Strategy

#: Candles that are shown both times, the newest of them that are compared, and later ones shown once.
_WINDOW, _COMPARED, _LATER = 1_500, 300, 400
_PLACES = 6
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A column that knows `ahead` candles that are later, None for all there are. Of the values compared,
    `changed` were others once those candles were there. `line` counts from 1."""

    column: str
    line: int
    ahead: int | None
    changed: int

    @property
    def words(self) -> str:
        """What is wrong, for a person."""
        later = {None: "all later candles", 1: "the candle after it"}.get(
            self.ahead, f"up to {self.ahead} later candles"
        )
        return (
            f"{self.column} (line {self.line}) knows {later}: when they came, {self.changed} of its values"
            " became others. Live they are not there yet."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookahead:
    """What was found in `columns` columns at `places` places of the history."""

    leaks: tuple[Leak, ...]
    columns: int
    places: int

    @property
    def passed(self) -> bool:
        """Whether no column knows later candles."""
        return not self.leaks

    @property
    def words(self) -> str:
        """The verdict, for a person."""
        if self.leaks:
            return " ".join(leak.words for leak in self.leaks)
        if not self.columns:
            return "The strategy computes no columns that could know a later candle."
        return (
            f"No value knows a later candle: {self.columns} columns were computed twice at"
            f" {self.places} places, with and without the candles after."
        )


def check_lookahead(
    strategy_class: type[Strategy],
    frame: pd.DataFrame,
    params: Mapping[str, Any],
    *,
    signals: Sequence[int] = (),
) -> Lookahead:
    """Compute the strategy's columns with and without later candles, at places all over the history and at
    some rows where it gave a signal, where a rare leak shows."""
    check = _Check(strategy_class, frame, params)
    places = pick_places(len(frame), signals)
    for place in places:
        check.look_at(place)
    return Lookahead(
        leaks=tuple(check.list_leaks()), columns=len(check.columns), places=len(places)
    )


def pick_places(rows: int, signals: Sequence[int]) -> list[int]:
    """Rows after which the candles are cut."""
    last = rows - 2
    if last < 1:
        return []
    chance = np.random.default_rng(0)
    anywhere = chance.integers(min(_WINDOW, last), last, size=_PLACES, endpoint=True)
    fitting = [row for row in signals if row <= last]
    some = fitting[:: max(1, len(fitting) // _PLACES)][:_PLACES]
    return sorted({*(int(row) for row in anywhere), *(int(row) for row in some)})


class _Check:
    """Columns that were compared, and where they differed first."""

    def __init__(
        self, strategy_class: type[Strategy], frame: pd.DataFrame, params: Mapping[str, Any]
    ) -> None:
        self._class = strategy_class
        self._frame = frame
        self._params = params
        self._changed: dict[str, int] = {}
        self._places: dict[str, int] = {}
        self.columns: dict[str, Recorded] = {}

    def look_at(self, place: int) -> None:
        """Compare the columns at the candles up to this row."""
        early, late = self._record(place, 0), self._record(place, _LATER)
        self.columns |= early
        for name in early.keys() & late.keys():
            rows = len(early[name].values)
            if changed := int(np.count_nonzero(_differ(early[name], late[name], rows))):
                self._changed[name] = self._changed.get(name, 0) + changed
                self._places.setdefault(name, place)

    def list_leaks(self) -> Iterator[Leak]:
        """Those that differed, by their lines."""
        for name in sorted(self._changed, key=lambda name: self.columns[name].line):
            yield Leak(
                column=name,
                line=self.columns[name].line,
                ahead=self._find_ahead(name, self._places[name]),
                changed=self._changed[name],
            )

    def _find_ahead(self, name: str, place: int) -> int | None:
        """How many later candles it takes until no more of them change its values."""
        most = min(_LATER, len(self._frame) - 1 - place)
        final, rows = self._record(place, most)[name], min(place + 1, _WINDOW)

        def is_final(later: int) -> bool:
            shown = self._record(place, later).get(name)
            return shown is not None and not _differ(shown, final, rows).any()

        if not is_final(most - 1):
            return None
        too_few, enough = 0, most - 1
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            too_few, enough = (too_few, middle) if is_final(middle) else (middle, enough)
        return enough

    def _record(self, place: int, later: int) -> dict[str, Recorded]:
        first = max(0, place + 1 - _WINDOW)
        return record_columns(
            self._class, self._frame.iloc[first : place + 1 + later], self._params
        )


def _differ(one: Recorded, other: Recorded, rows: int) -> npt.NDArray[np.bool_]:
    """Which of the newest of the first `rows` values are not the same."""
    part = slice(max(0, rows - _COMPARED), rows)
    mine, yours = one.values[part], other.values[part]
    scale = np.maximum(np.abs(mine), np.abs(yours))
    with np.errstate(invalid="ignore"):
        apart = np.abs(mine - yours) > _TOLERANCE * scale
    return np.asarray((apart | (np.isnan(mine) != np.isnan(yours))) & (mine != yours))
