"""A run candle by candle: after each close the strategy is asked."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from apps.backtests.engine.candles import Floats, History
from apps.backtests.engine.evaluation.asking import Asker, read_flag, read_wish
from apps.backtests.engine.evaluation.plain import PlainAsker
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.figures import table_of
from apps.backtests.engine.fills import Finer, Prices, end, resolve
from apps.backtests.engine.positions import SIGNAL, Held, Position, Refused, buy, keep, sell
from apps.backtests.engine.rules import ACCEPTED, NOTHING, Rules
from apps.backtests.engine.settings import Settings
from apps.backtests.engine.settling import MOST_REFUSED, Settled, as_lists, finer_of, prices_of
from apps.strategies.contract.strategy import PositionView

#: How many candles pass between two reports.
REPORTS_EVERY = 1024
#: Told the row and how many positions there have been; what it raises ends the run.
Report = Callable[[int, int], None]


class Cancelled(Exception):
    """Nobody waits for the result any more."""


@dataclass(slots=True, kw_only=True)
class Simulation:
    """One run from the close of candle `row` on. Whatever ends it early, `row` is the last candle that was
    traded, and everything until then is there; `held` ends with a position that is still open. What it
    decided is kept too: the rows and numbers of `entries`, and the rows of `exits`."""

    rules: Rules
    prices: Prices
    finer: Finer
    asker: Asker
    cash: float
    row: int
    report: Report
    dust: float = 0.0
    held: list[Held] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    refused_orders: int = 0
    entries: list[tuple[int, float, float, float]] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)

    def run(self) -> None:
        """To the last candle. What the strategy raises comes through."""
        while (position := self._wait()) is not None:
            try:
                held = self._follow(position)
            except BaseException:
                self.held.append(self._keep(position))
                raise
            self.held.append(held)
            self.cash, self.dust = held.cash_after, held.dust_after

    def _wait(self) -> Position | None:
        """Ask while flat, until an entry is made; None at the end."""
        ask, cash = self.asker.should_long, self.cash
        last = len(self.prices.close) - 1
        while self.row < last:
            row = self.row
            if not row % REPORTS_EVERY:
                self.report(row, len(self.held))
            answer = ask(row, cash)
            wants = answer is not False and read_flag("should_long", answer)
            position = self._enter(row) if wants else None
            self.row = row + 1
            if position is not None:
                return position
        return None

    def _enter(self, row: int) -> Position | None:
        asker, cash = self.asker, self.cash
        wish = read_wish(
            asker.position_size(row, cash), asker.stop_loss(row, cash), asker.take_profit(row, cash)
        )
        self.entries.append((row, *wish))
        first = row + 1
        opened = self.prices.open[first]
        denial, position = buy(self.rules, float(first), opened, wish, cash, self.dust)
        if denial == ACCEPTED:
            return position
        self.refused_orders += 1
        if len(self.refused) < MOST_REFUSED:
            price = position.price
            self.refused.append(Refused(float(first), float(denial), position.amount, price))
        return None

    def _follow(self, position: Position) -> Held:
        """Hold from the entry's candle on, asking after each close whether to sell."""
        highs, lows, closes = self.prices.high, self.prices.low, self.prices.close
        stop, target, last = position.stop, position.target, len(closes) - 1
        ask, view, cash = self.asker.should_short, _view(position), position.cash
        for row in range(self.row, last + 1):
            self.row = row
            if lows[row] <= stop or highs[row] >= target:
                event, opened = resolve(self.rules, self.prices, self.finer, row, stop, target)
                if event != NOTHING:
                    return self._sell(position, row, event, opened)
            if row == last:
                break
            if not row % REPORTS_EVERY:
                self.report(row, len(self.held))
            profit = position.received * closes[row] - position.cost
            # One view serves the whole trade: a new one for each candle takes longer than all the rest.
            object.__setattr__(view, "unrealized_pnl", profit)
            answer = ask(row, cash, view)
            if answer is not False and read_flag("should_short", answer):
                self.exits.append(row)
                self.row = row + 1
                return self._sell(position, row + 1, SIGNAL, self.prices.open[row + 1])
        return end(self.rules, position, self.prices, *self._extremes(position, last + 1))

    def _sell(self, position: Position, row: int, reason: int, opened: float) -> Held:
        extremes = self._extremes(position, row)
        return sell(self.rules, position, float(row), reason, opened, *extremes)

    def _keep(self, position: Position) -> Held:
        extremes = self._extremes(position, self.row + 1)
        return keep(position, self.prices.close[self.row], *extremes)

    def _extremes(self, position: Position, end: int) -> tuple[float, float]:
        """The lowest and the highest price of the candles it was held through, before row `end`."""
        rows = slice(int(position.row), end)
        lowest, highest = self.prices.low[rows], self.prices.high[rows]
        return min(lowest, default=math.inf), max(highest, default=0.0)


def _view(position: Position) -> PositionView:
    """The position as its strategy sees it; the price is that of a live bot, with the fee in it."""
    price = position.cost / position.received
    return PositionView(
        side="long", quantity=position.received, entry_price=price, unrealized_pnl=0.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """After which candle a strategy is asked first. The `unready` ones before were not answered for want of
    history, for the reason that `excuse` gives."""

    row: int
    unready: int = 0
    excuse: BaseException | None = None


def find_start(asker: PlainAsker, settings: Settings, rows: int, lookback: int) -> Start:
    """The first candle whose close the strategy answers. Until then it may fail for as long as the history is
    shorter than its `lookback`: a live market has more than the first candles here."""
    first, last = settings.warmup, min(settings.warmup + lookback, rows) - 1
    excuse = _try(asker, first, settings.balance)
    if excuse is None:
        return Start(row=first)
    error = _try(asker, last, settings.balance)
    if error is not None:
        return Start(row=last, unready=last - first, excuse=error)
    # What fails on few candles fails on fewer as well: halving finds where that ends.
    failing = first
    while last - failing > 1:
        middle = (failing + last) // 2
        error = _try(asker, middle, settings.balance)
        if error is None:
            last = middle
        else:
            failing, excuse = middle, error
    return Start(row=last, unready=last - first, excuse=excuse)


def _try(asker: PlainAsker, row: int, balance: float) -> BaseException | None:
    """What the strategy raises instead of an answer."""
    try:
        asker.should_long(row, balance)
    except (Exception, SystemExit) as error:  # noqa: BLE001  the strategy's code raises what it likes
        return error
    return None


def simulate(
    asker: Asker,
    candles: History,
    rules: Rules,
    settings: Settings,
    detail: History | None,
    *,
    first: int,
    report: Report,
) -> Settled:
    """The fills of a strategy that is asked candle by candle, after candle `first` for the first time."""
    simulation = Simulation(
        rules=rules,
        prices=as_lists(prices_of(candles)),
        finer=as_lists(finer_of(candles, detail)),
        asker=asker,
        cash=settings.balance,
        row=first,
        report=report,
    )
    failure: BaseException | None = None
    try:
        simulation.run()
    except (Exception, SystemExit) as error:  # noqa: BLE001  the strategy's code raises what it likes
        failure = error
    return Settled(
        decisions=_decisions_of(simulation),
        positions=table_of(Held, _columns(simulation.held, Held)),
        refused=table_of(Refused, _columns(simulation.refused, Refused)),
        refused_orders=simulation.refused_orders,
        rows=simulation.row + 1,
        failure=failure,
    )


def _decisions_of(simulation: Simulation) -> Signals:
    rows = len(simulation.prices.close)
    long, leave = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    amount, stop_loss, take_profit = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    for row, *wish in simulation.entries:
        long[row] = True
        amount[row], stop_loss[row], take_profit[row] = wish
    leave[simulation.exits] = True
    return Signals(
        long=long,
        exit=leave,
        amount=amount,
        share=0.0,
        stop_loss=stop_loss,
        take_profit=take_profit,
    )


def _columns(rows: Sequence[Held] | Sequence[Refused], kind: type[Held] | type[Refused]) -> Floats:
    return np.array(rows, np.float64).reshape(-1, len(kind._fields)).T
