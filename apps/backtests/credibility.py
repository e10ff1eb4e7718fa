"""Results from the sandbox, believed in nothing but that they could be: engine and strategy shared the
process they come from."""

from dataclasses import replace

import numpy as np

from apps.backtests import wire
from apps.backtests.engine.candles import Floats, History
from apps.backtests.engine.doubts import Doubt
from apps.backtests.engine.figures import Table, by_day, closed_of
from apps.backtests.engine.honesty import Honesty
from apps.backtests.engine.positions import END, SIGNAL, Held, Refused
from apps.backtests.engine.results import BacktestResult, Evaluation
from apps.backtests.engine.rules import STOP, TARGET
from apps.backtests.engine.settings import Settings
from apps.backtests.packing import Kind, unpack

_REASONS = (STOP, TARGET, SIGNAL, END)
#: What has no number: the price of a sale that is still to come, a take-profit there is none of.
_MAY_BE_INFINITE = frozenset({"exit_price", "target"})
_MOST_WARNINGS = 100


class Incredible(ValueError):
    """No run on these candles can have brought this: says what is wrong."""


def read_result(
    report: wire.Report,
    positions: bytes,
    refused: bytes,
    equity: bytes,
    *,
    candles: History,
    settings: Settings,
) -> BacktestResult:
    """The result that a report and its tables make. Raises Incredible."""
    curve = _read_equity(equity, len(candles))
    held = _read_table(Held, positions, "The positions")
    denied = _read_table(Refused, refused, "The refused orders")
    _check_positions(held, len(curve))
    _check_rows(denied["row"], len(candles), "The refused orders")
    moments, values = by_day(candles, curve, settings.balance, settings.warmup)
    return BacktestResult(
        state=report.state,
        reason=cut(report.reason),
        stopped_at_ms=report.stopped_at_ms,
        failure=None,
        evaluation=Evaluation(way=cut(report.evaluation.way), reason=cut(report.evaluation.reason)),
        settings=settings,
        warnings=tuple(cut(words) for words in report.warnings[:_MOST_WARNINGS]),
        opened_at_ms=candles.opened_at_ms[: len(curve)],
        equity=curve,
        daily_equity=list(zip(moments.tolist(), values.tolist(), strict=True)),
        metrics={cut(name): value for name, value in report.metrics.items()},
        positions=held,
        refused=denied,
    )


def read_honesty(report: wire.Report) -> Honesty | None:
    """What the sandbox says of the result, with words that can be kept; None where the run failed. Raises
    Incredible."""
    if report.honesty is None:
        return None
    findings = report.honesty.findings
    if [finding.doubt for finding in findings] != list(Doubt):
        raise Incredible("The result was not examined for every doubt.")
    return Honesty(findings=tuple(replace(each, words=cut(each.words)) for each in findings))


def _read_equity(raw: bytes, most: int) -> Floats:
    if len(raw) % 8:
        raise Incredible("The equity is cut off.")
    equity = np.frombuffer(raw)
    if not 0 < len(equity) <= most:
        raise Incredible("The equity is not of these candles.")
    if not np.isfinite(equity).all():
        raise Incredible("The equity is no money.")
    return equity


def _read_table(kind: Kind, raw: bytes, what: str) -> Table:
    try:
        table = unpack(kind, raw)
    except ValueError as error:
        raise Incredible(f"{what} are cut off.") from error
    for name in table.keys() - _MAY_BE_INFINITE:
        if not np.isfinite(table[name]).all():
            raise Incredible(f"{what} hold what is no number.")
    return table


def _check_positions(held: Table, rows: int) -> None:
    closed = closed_of(held)
    _check_rows(held["entry_row"], rows, "The positions")
    _check_rows(closed["exit_row"], rows, "The sales")
    if (closed["exit_row"] < closed["entry_row"]).any() or (np.diff(held["entry_row"]) < 0).any():
        raise Incredible("The positions are not in order.")
    if not np.isin(closed["reason"], _REASONS).all():
        raise Incredible("A position was sold for no reason.")


def _check_rows(rows: Floats, most: int, what: str) -> None:
    if not ((rows >= 0) & (rows < most) & (rows == np.floor(rows))).all():
        raise Incredible(f"{what} are of other candles.")


def cut(text: str, most: int = 1000) -> str:
    """What a page and a database take of a text."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode()
