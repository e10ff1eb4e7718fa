"""What the questions of a monitor cost at each exchange, in units of the budget that they share."""

from dataclasses import dataclass

from apps.domain.environments import Exchange
from apps.exchanges.errors import Unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorCosts:
    """Open orders of one symbol and of all, history (ended orders and fills) of one symbol or, where it is
    told for all together, of all, and what else a full sweep asks. `units_per_second` flow back to one key,
    or to all keys at one address."""

    open_of_symbol: float
    open_of_all: float
    history: float
    history_is_of_all: bool
    rest_of_sweep: float
    units_per_second: float
    is_per_key: bool

    def asks_all(self, symbols: int) -> bool:
        """Whether one question for everything costs less than one for each of so many symbols."""
        return self.open_of_all <= symbols * self.open_of_symbol

    def of_poll(self, symbols: int) -> float:
        """The cheapest look at the open orders in so many symbols."""
        return min(self.open_of_all, symbols * self.open_of_symbol)

    def of_sweep(self, symbols: int) -> float:
        """A full sweep over so many symbols."""
        questions = 1 if self.history_is_of_all else symbols
        return self.open_of_all + self.history * questions + self.rest_of_sweep


_COSTS = {
    Exchange.BINANCE: MonitorCosts(
        open_of_symbol=6,
        open_of_all=80,
        history=40,
        history_is_of_all=False,
        rest_of_sweep=21,
        units_per_second=100,
        is_per_key=False,
    ),
    # Ordinary orders, exits tied to an entry and conditional orders are three questions each time.
    Exchange.BITGET: MonitorCosts(
        open_of_symbol=3,
        open_of_all=3,
        history=4,
        history_is_of_all=False,
        rest_of_sweep=2,
        units_per_second=1000 / 12,
        is_per_key=False,
    ),
    # The lowest tier; which one a key has is not told.
    Exchange.KRAKEN: MonitorCosts(
        open_of_symbol=1,
        open_of_all=1,
        history=4,
        history_is_of_all=True,
        rest_of_sweep=1,
        units_per_second=0.33,
        is_per_key=True,
    ),
}


def costs_of(exchange: Exchange) -> MonitorCosts:
    """What one exchange takes for the monitor's questions."""
    return _COSTS[exchange]


def the_market(symbol: str | None, exchange: Exchange) -> str:
    """The symbol, for an exchange that tells history by symbol alone; raises Unsupported without one."""
    if symbol is None:
        raise Unsupported(
            f"{exchange.title()} tells history by symbol alone: name one.", exchange=exchange
        )
    return symbol
