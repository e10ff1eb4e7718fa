"""What the strategies of a user hold, strategy by strategy."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from apps.accounts.models import User
from apps.domain.environments import Environment
from apps.strategies.models import Strategy
from apps.trading.models import Position
from apps.trading.selectors import list_open_positions, unrealized_pnl, with_market_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position of an activation; `pnl` is what selling it now would add, None without a price."""

    position: Position
    pnl: Decimal | None

    @property
    def strategy(self) -> Strategy:
        """Whose it is."""
        return self.position.book.activation.version.strategy

    @property
    def money(self) -> str:
        """What kind of money it is worth."""
        return Environment(self.position.book.broker.environment).money

    @property
    def group(self) -> tuple[int, str, str]:
        """What adds up: one strategy, one kind of money, one currency."""
        return self.strategy.pk, self.money, self.position.symbol.quote

    @property
    def share(self) -> Decimal | None:
        """Its profit, as a fraction of what it cost."""
        return _divide(self.pnl, self.position.cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one strategy holds of one kind of money and one currency, best first, with subtotals of all
    that has a price."""

    strategy: Strategy
    money: str
    currency: str
    holdings: list[Holding]
    cost: Decimal
    pnl: Decimal | None

    @property
    def share(self) -> Decimal | None:
        """Its profit, as a fraction of what it cost."""
        return _divide(self.pnl, self.cost)


T = TypeVar("T", Holding, Group)


def list_holdings(user: User) -> list[Group]:
    """The open positions of the user's activations, the strategy with the best return first; what has no
    price comes last."""
    positions = with_market_time(list_open_positions(user)).filter(book__activation__isnull=False)
    rows = positions.select_related("symbol", "book__broker", "book__activation__version__strategy")
    holdings = [Holding(position=row, pnl=unrealized_pnl(row)) for row in rows]
    by_group = attrgetter("group")
    groups = [_add_up(list(part)) for _, part in groupby(sorted(holdings, key=by_group), by_group)]
    return _best_first(groups)


def _add_up(holdings: list[Holding]) -> Group:
    first, priced = (
        holdings[0],
        [(one.pnl, one.position.cost) for one in holdings if one.pnl is not None],
    )
    return Group(
        strategy=first.strategy,
        money=first.money,
        currency=first.position.symbol.quote,
        holdings=_best_first(holdings),
        cost=sum((cost for _pnl, cost in priced), Decimal(0)),
        pnl=sum((pnl for pnl, _cost in priced), Decimal(0)) if priced else None,
    )


def _best_first(rows: Iterable[T]) -> list[T]:
    return sorted(rows, key=lambda row: (row.share is None, -(row.share or 0)))


def _divide(pnl: Decimal | None, cost: Decimal) -> Decimal | None:
    return pnl / cost if pnl is not None and cost else None
