"""Which coins a sale sells, and what it earns: the ledger of one asset at one broker.

Movements are applied in the order of the market's clock. What they make of lots and cycles depends on
nothing else, so that the same movements always give the same rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum

from apps.domain.markets import ZERO, Market
from apps.domain.positions import CostMethod

#: What a share is rounded to. The last share takes what is left, so that nothing is lost by it.
GRAIN = Decimal("0.000000000001")
#: Sums and shares are exact: an amount has 30 digits at most.
_DIGITS = 80


class Origin(StrEnum):
    """Where the coins of a lot come from."""

    BOUGHT = "bought"
    ADOPTED = "adopted"
    DUST = "dust"


class Cause(StrEnum):
    """Why coins come or go: a trade of the asset, a payment with it (a fee, a price in it), a transfer."""

    TRADE = "trade"
    PAYMENT = "payment"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Coins that came to a book, or left it. `worth` is what was paid for them or earned by them, the
    `fee` included, in `cost_asset`; None where no price is known. A trade names its `market`."""

    at: datetime
    cause: Cause
    book: int
    is_incoming: bool
    quantity: Decimal
    worth: Decimal | None
    cost_asset: str
    fee: Decimal = ZERO
    is_complete: bool = True
    market: Market | None = None
    price: Decimal | None = None
    order: int | None = None
    fill: int | None = None
    transfer: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Cycle:
    """A book's position in a market from the first buy to flat. `is_incomplete` says that a fee or a cost
    is not in its profit, since its price was not known, `is_oversold` that it sold coins beside its own."""

    book: int
    symbol: str
    opened_at: datetime
    closed_at: datetime | None = None
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    is_incomplete: bool = False
    is_oversold: bool = False
    row: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Lot:
    """Coins that came in together, and what those that `remaining` counts have cost."""

    book: int
    origin: Origin
    acquired_at: datetime
    quantity: Decimal
    remaining: Decimal
    cost: Decimal | None
    cost_asset: str
    cycle: Cycle | None = None
    fill: int | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposal:
    """Coins of one lot that were sold or paid with. `proceeds` are before the `fee`; what is None is not
    known."""

    movement: Movement
    lot: Lot
    quantity: Decimal
    cost: Decimal | None
    proceeds: Decimal | None
    fee: Decimal

    @property
    def gain(self) -> Decimal | None:
        """What it earned, net of fees; None as well where cost and proceeds are in two currencies."""
        if self.cost is None or self.proceeds is None:
            return None
        if self.lot.cost_asset != self.movement.cost_asset:
            return None
        return self.proceeds - self.fee - self.cost


class AssetLedger:
    """Lots and cycles of one asset over all books of a broker. Who sells more than he has takes first what
    belongs to nobody (the `unassigned` book), then from the newest owner; what even they lack is adopted,
    at the price of the sale. `reached_out` says that coins beside the book's own were needed: as long as
    nothing reaches out, books don't concern each other, and what one does may be applied late."""

    def __init__(
        self,
        *,
        method: CostMethod,
        unassigned: int,
        lots: Iterable[Lot] = (),
        cycles: Iterable[Cycle] = (),
        cycle_of_order: Mapping[int, Cycle] | None = None,
    ) -> None:
        self.method = method
        self.unassigned = unassigned
        self.lots = list(lots)
        self.cycles = list(cycles)
        self.cycle_of_order = dict(cycle_of_order or {})
        self.reached_out = False
        # By cycle, since what is nobody's may be much, and is seldom needed.
        self._open: defaultdict[int, list[Lot]] = defaultdict(list)
        for lot in self.lots:
            if lot.remaining:
                self._of(lot.cycle).append(lot)
        self._going_on = {(c.book, c.symbol): c for c in self.cycles if c.closed_at is None}

    def apply(self, movement: Movement) -> list[Disposal]:
        """Book one movement, later than all before; what it disposed of."""
        with localcontext(prec=_DIGITS):
            cycle = self._cycle_of(movement) if movement.cause is Cause.TRADE else None
            if movement.is_incoming:
                self._receive(movement, cycle)
                return []
            disposals = list(self._take(movement, cycle))
            owners = (cycle, *(disposal.lot.cycle for disposal in disposals))
            for owner in {id(owner): owner for owner in owners if owner}.values():
                self._close_if_flat(owner, movement)
        for cycle in {id(owner): owner for owner in owners}.values():
            self._open[id(cycle)] = [lot for lot in self._of(cycle) if lot.remaining]
        return disposals

    def _of(self, cycle: Cycle | None) -> list[Lot]:
        """Open lots of a cycle, or of none."""
        return self._open[id(cycle)]

    def _cycle_of(self, movement: Movement) -> Cycle:
        """The open cycle. What an order sells after it has closed its cycle still counts there; a sale
        without any is a cycle of its own, so that its profit has a place."""
        assert movement.market is not None  # noqa: S101  a trade has one
        where = (movement.book, movement.market.symbol)
        cycle = self._going_on.get(where)
        if cycle is None and movement.order is not None and not movement.is_incoming:
            cycle = self.cycle_of_order.get(movement.order)
        if cycle is None:
            cycle = Cycle(book=movement.book, symbol=movement.market.symbol, opened_at=movement.at)
            self.cycles.append(cycle)
            self._going_on[where] = cycle
        if movement.order is not None:
            self.cycle_of_order.setdefault(movement.order, cycle)
        return cycle

    def _add(self, lot: Lot) -> None:
        self.lots.append(lot)
        self._of(lot.cycle).append(lot)

    def _receive(self, movement: Movement, cycle: Cycle | None) -> None:
        lot = self._pool_of(cycle)
        if lot is None:
            is_transfer = movement.cause is Cause.TRANSFER
            lot = Lot(
                book=self.unassigned if is_transfer else movement.book,
                origin=Origin.ADOPTED if is_transfer else Origin.BOUGHT,
                acquired_at=movement.at,
                quantity=ZERO,
                remaining=ZERO,
                cost=None if movement.worth is None else ZERO,
                cost_asset=movement.cost_asset,
                cycle=cycle,
                fill=movement.fill,
            )
            self._add(lot)
        lot.quantity += movement.quantity
        lot.remaining += movement.quantity
        if lot.cost is not None and movement.worth is not None:
            lot.cost += movement.worth
        if cycle is not None:
            cycle.quantity += movement.quantity
            cycle.cost += movement.worth or ZERO
            cycle.is_incomplete |= not movement.is_complete

    def _pool_of(self, cycle: Cycle | None) -> Lot | None:
        """By average cost the purchases of a cycle are one lot."""
        if cycle is None or self.method is not CostMethod.AVERAGE:
            return None
        return next(iter(self._of(cycle)), None)

    def _take(self, movement: Movement, cycle: Cycle | None) -> Iterator[Disposal]:
        wanted, worth, fee = movement.quantity, movement.worth, movement.fee
        for lot in self._in_turn(movement, cycle):
            if not wanted:
                return
            taken = min(wanted, lot.remaining)
            worth_share, fee_share = _share(worth, taken, wanted), _share(fee, taken, wanted)
            disposal = _cut(lot, taken, worth=worth_share, fee=fee_share or ZERO, movement=movement)
            _settle(disposal, seller=cycle)
            yield disposal
            wanted -= taken
            worth = None if worth is None or worth_share is None else worth - worth_share
            fee -= disposal.fee
        if wanted:
            yield self._adopt(movement, cycle, wanted, worth=worth, fee=fee)

    def _in_turn(self, movement: Movement, cycle: Cycle | None) -> list[Lot]:
        """Open lots in the sequence in which the movement takes them."""
        if cycle is None:
            own = [lot for lot in self._all_open() if lot.book == movement.book != self.unassigned]
        else:
            own = self._of(cycle)
        own = self._by_method(own)
        if sum((lot.remaining for lot in own), ZERO) >= movement.quantity:
            return own
        self.reached_out = True
        if cycle is not None:
            cycle.is_oversold = True
        mine = {id(lot) for lot in own}
        others = self._by_method([lot for lot in self._all_open() if id(lot) not in mine])
        nobodys = [lot for lot in others if lot.book == self.unassigned]
        owned = [lot for lot in others if lot.book != self.unassigned]
        return own + nobodys + sorted(owned, key=_age, reverse=True)

    def _all_open(self) -> Iterator[Lot]:
        return (lot for lot in self.lots if lot.remaining)

    def _by_method(self, lots: list[Lot]) -> list[Lot]:
        """Oldest first, newest first for LIFO."""
        oldest_first = sorted(lots, key=_age)
        return oldest_first[::-1] if self.method is CostMethod.LIFO else oldest_first

    def _adopt(
        self,
        movement: Movement,
        cycle: Cycle | None,
        quantity: Decimal,
        *,
        worth: Decimal | None,
        fee: Decimal,
    ) -> Disposal:
        """Coins that left though nobody had them came from outside, at the price at which they left."""
        lot = Lot(
            book=self.unassigned,
            origin=Origin.ADOPTED,
            acquired_at=movement.at,
            quantity=quantity,
            remaining=quantity,
            cost=worth,
            cost_asset=movement.cost_asset,
            fill=movement.fill,
        )
        self.lots.append(lot)
        disposal = _cut(lot, quantity, worth=worth, fee=fee, movement=movement)
        _settle(disposal, seller=cycle)
        return disposal

    def _close_if_flat(self, cycle: Cycle, movement: Movement) -> None:
        """Too little for the exchange to take is nobody's dust, and the cycle is over."""
        if cycle.closed_at is not None or _is_sellable(cycle, movement):
            return
        cycle.closed_at = movement.at
        self._going_on.pop((cycle.book, cycle.symbol))
        for lot in [lot for lot in self._of(cycle) if lot.remaining]:
            dust = Lot(
                book=self.unassigned,
                origin=Origin.DUST,
                acquired_at=lot.acquired_at,
                quantity=lot.remaining,
                remaining=lot.remaining,
                cost=lot.cost,
                cost_asset=lot.cost_asset,
                fill=lot.fill,
            )
            self._add(dust)
            lot.remaining, lot.cost = ZERO, ZERO
        cycle.quantity, cycle.cost = ZERO, ZERO


def _age(lot: Lot) -> tuple[datetime, int]:
    # The book decides where the time does not: which of two was booked first says nothing.
    return lot.acquired_at, lot.book


def _is_sellable(cycle: Cycle, movement: Movement) -> bool:
    if not cycle.quantity:
        return False
    market = movement.market
    if market is None or movement.price is None or market.symbol != cycle.symbol:
        return True  # whoever took the coins does not know this market's minimum
    return market.is_sellable(cycle.quantity, movement.price)


def _share(amount: Decimal | None, part: Decimal, whole: Decimal) -> Decimal | None:
    """The part's share of an amount, all of it for the last part."""
    if amount is None or part == whole:
        return amount
    return (amount * part / whole).quantize(GRAIN)


def _cut(
    lot: Lot, taken: Decimal, *, worth: Decimal | None, fee: Decimal, movement: Movement
) -> Disposal:
    """Take coins out of a lot, with their share of its cost."""
    cost = _share(lot.cost, taken, lot.remaining)
    lot.remaining -= taken
    if lot.cost is not None and cost is not None:
        lot.cost -= cost
    return Disposal(
        movement=movement,
        lot=lot,
        quantity=taken,
        cost=cost,
        proceeds=None if worth is None else worth + fee,
        fee=fee,
    )


def _settle(disposal: Disposal, *, seller: Cycle | None) -> None:
    """Book it into the cycles. A sale earns for the seller, whoever's coins they were; what was paid with
    an owner's coins, at their worth, is that owner's profit or loss; a transfer earns nothing."""
    owner, cost = disposal.lot.cycle, disposal.cost
    if owner is not None:
        owner.quantity -= disposal.quantity
        owner.cost -= cost or ZERO
    earner = seller if seller is not None else owner
    if earner is None or disposal.movement.cause is Cause.TRANSFER:
        return
    if disposal.gain is None or not disposal.movement.is_complete:
        earner.is_incomplete = True
    earner.realized_pnl += disposal.gain or ZERO
