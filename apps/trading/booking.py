"""Between the ledger of an asset, which only computes, and its rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q

from apps.brokers.models import Broker
from apps.core.broadcast import Topic, broadcast_on_commit
from apps.domain.lots import AssetLedger, Cycle, Disposal, Lot, Movement, Origin
from apps.domain.markets import ZERO
from apps.domain.positions import CostMethod
from apps.trading import models
from apps.trading.models import Book, Fill, Order, Position
from apps.trading.movements import assets_of, movements_of, read_movements

# Two bookings at one broker may take from the same lots. A statement of its own: what the next one reads
# has to include what the one before us in the queue has written.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('ledger'), %s)"
# A fill is overtaken in an asset where something of it is booked that came after. That is apart from it
# where it is a trade of other books, and none of them sold more than it had.
_READ = """
WITH later AS (
    SELECT asset,
           asset = %(base)s AND symbol.base = asset AND placed.book_id <> %(book_id)s
           AND (fill.side = 'buy' OR NOT EXISTS (
               SELECT 1 FROM trading_position AS position
               WHERE position.book_id = placed.book_id AND position.symbol_id = fill.symbol_id
                 AND position.is_oversold
                 AND (position.id = placed.position_id OR position.closed_at >= %(at)s))) AS is_apart
    FROM trading_fill AS fill
    JOIN markets_symbol AS symbol ON symbol.id = fill.symbol_id
    JOIN trading_order AS placed ON placed.id = fill.order_id
    JOIN unnest(%(assets)s::text[]) AS asset ON asset IN (symbol.base, symbol.quote, fill.fee_asset)
    WHERE fill.broker_id = %(broker_id)s AND fill.executed_at >= %(at)s
      AND (fill.executed_at, length(fill.trade_id), fill.trade_id COLLATE "C")
          > (%(at)s, length(%(trade_id)s), %(trade_id)s)
      AND NOT fill.id = ANY(%(new)s)
    UNION ALL
    SELECT asset, FALSE FROM trading_transfer
    WHERE broker_id = %(broker_id)s AND asset = ANY(%(assets)s) AND at > %(at)s
)
SELECT owner_id, cost_method,
       (SELECT id FROM trading_book WHERE broker_id = broker.id AND kind = 'unassigned'),
       (SELECT json_object_agg(asset, is_apart)
        FROM (SELECT asset, bool_and(is_apart) AS is_apart FROM later GROUP BY asset) AS assets)
FROM brokers_broker AS broker WHERE id = %(broker_id)s
"""
#: Stands for the unassigned book while nothing has ever been in it.
_NOBODY = 0


def unassigned_book(broker: Broker) -> Book:
    """Where orders and coins go that belong to no strategy: what came from outside, and dust."""
    return Book.objects.get_or_create(
        broker=broker,
        kind=Book.Kind.UNASSIGNED,
        defaults={"owner_id": broker.owner_id, "label": f"Unassigned at {broker.name}"},
    )[0]


def lock_account(
    broker_id: int, *, order: Order | None = None, new: Sequence[Fill] = ()
) -> "Account":
    """The broker's lots and positions, ours alone to change until the transaction ends; `new` fills of an
    order, in their sequence, are to be booked."""
    first = new[0] if new else None
    values: dict[str, Any] = {
        "broker_id": broker_id,
        "book_id": order and order.book_id,
        "base": order.symbol.base if order else "",
        "at": first and first.executed_at,
        "trade_id": first.trade_id if first else "",
        "new": [fill.pk for fill in new],
        "assets": list(assets_of(new)),
    }
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [broker_id])
        cursor.execute(_READ, values)
        owner_id, method, unassigned, overtaken = cursor.fetchone()
    return Account(
        broker_id=broker_id,
        owner_id=owner_id,
        method=CostMethod(method),
        unassigned=unassigned or _NOBODY,
        overtaken=overtaken or {},
    )


@dataclass(slots=True, kw_only=True)
class Account:
    """Whose lots and positions are booked, and by which method. `overtaken` has the assets in which the new
    fills come before something that is booked: True where all of that is apart from them, so that they
    can be booked on top of it as long as they need no coins of others."""

    broker_id: int
    owner_id: int
    method: CostMethod
    unassigned: int
    overtaken: Mapping[str, bool]

    def book(self, order: Order, new: Sequence[Fill]) -> list[Disposal]:
        """Book the new fills of an order in all assets they moved; what was disposed of by them."""
        return [d for asset in assets_of(new) for d in self._book(order, new, asset)]

    def _book(self, order: Order, new: Sequence[Fill], asset: str) -> list[Disposal]:
        movements = list(movements_of(new, asset))
        # Others' coins are seldom needed for a trade, and there may be many lots of them.
        if asset == order.symbol.base and self.overtaken.get(asset, True):
            disposals = self._try(order, asset, movements, is_alone=True)
            if disposals is not None:
                return disposals
        if asset not in self.overtaken:
            return self._try(order, asset, movements, is_alone=False) or []
        disposals = self.replay(asset)
        order.refresh_from_db(fields=["position"])
        ids = {fill.pk for fill in new}
        return [disposal for disposal in disposals if disposal.movement.fill in ids]

    def _try(
        self, order: Order, asset: str, movements: Sequence[Movement], *, is_alone: bool
    ) -> list[Disposal] | None:
        """Book on top of the open rows; None, and nothing is written, where others' would be needed."""
        positions = self._lock_positions(order, asset, is_alone=is_alone)
        lots = models.Lot.objects.filter(asset=asset, remaining__gt=0).order_by("pk")
        if is_alone:
            rows = list(lots.filter(position__in=positions)) if positions else []
        else:
            rows = list(lots.filter(book__broker_id=self.broker_id))
        name = order.symbol.name if is_alone else None
        cycles = {pk: _to_cycle(position, name) for pk, position in positions.items()}
        ledger = AssetLedger(
            method=self.method,
            unassigned=self.unassigned,
            lots=[_to_lot(row, cycles) for row in rows],
            cycles=cycles.values(),
            cycle_of_order={order.pk: cycles[order.position_id]} if order.position_id else {},
        )
        disposals = _apply(ledger, movements)
        if is_alone and ledger.reached_out:
            return None
        self._write_cycles(ledger.cycles, positions, {order.symbol.name: order.symbol_id})
        self._write_lots(asset, ledger.lots, {row.pk: row for row in rows})
        cycle = ledger.cycle_of_order.get(order.pk)
        if cycle is not None and cycle.row != order.position_id:
            order.position_id = cycle.row
            order.save(update_fields=["position"])
        return disposals

    def _lock_positions(self, order: Order, asset: str, *, is_alone: bool) -> dict[int, Position]:
        which = Q(book_id=order.book_id, symbol_id=order.symbol_id, closed_at=None)
        rows = Position.objects.select_for_update(of=("self",))
        if order.position_id:
            which |= Q(pk=order.position_id)
        if not is_alone:
            which |= Q(book__broker_id=self.broker_id, symbol__base=asset, closed_at=None)
            rows = rows.select_related("symbol")
        return {row.pk: row for row in rows.filter(which).order_by("pk")}

    def replay(self, asset: str) -> list[Disposal]:
        """Compute an asset again from all its movements; only rows that differ are written."""
        ledger = AssetLedger(method=self.method, unassigned=self.unassigned)
        disposals = _apply(ledger, read_movements(broker_id=self.broker_id, asset=asset))
        of_asset = Position.objects.filter(book__broker_id=self.broker_id, symbol__base=asset)
        rows = of_asset.select_for_update(of=("self",)).select_related("symbol")
        positions = {row.pk: row for row in rows.order_by("opened_at", "pk")}
        self._retire(_match(ledger.cycles, positions.values()))
        traded = Fill.objects.filter(broker_id=self.broker_id, symbol__base=asset)
        symbols = dict(traded.values_list("symbol__name", "symbol_id").distinct())
        self._write_cycles(ledger.cycles, positions, symbols)
        self._replace_lots(asset, ledger.lots)
        linked = Order.objects.filter(pk__in=ledger.cycle_of_order)
        for order_id, position_id in linked.values_list("pk", "position_id"):
            row = ledger.cycle_of_order[order_id].row
            if position_id != row:
                Order.objects.filter(pk=order_id).update(position_id=row)
        return disposals

    def _retire(self, positions: Iterable[Position]) -> None:
        """Positions that no fill stands behind any more."""
        for position in positions:
            cycle = _to_cycle(position)
            cycle.quantity = cycle.cost = cycle.realized_pnl = ZERO
            cycle.closed_at = cycle.closed_at or cycle.opened_at
            self._write_cycle(cycle, position)

    def _write_cycles(
        self, cycles: Iterable[Cycle], positions: Mapping[int, Position], symbols: Mapping[str, int]
    ) -> None:
        # What closes comes first: a book has one open position in a symbol.
        for cycle in sorted(cycles, key=lambda cycle: cycle.closed_at is None):
            position = positions[cycle.row] if cycle.row else None
            if position is None:
                symbol_id = symbols[cycle.symbol]
                position = Position(owner_id=self.owner_id, book_id=cycle.book, symbol_id=symbol_id)
            self._write_cycle(cycle, position)

    def _write_cycle(self, cycle: Cycle, position: Position) -> None:
        names = (
            *("quantity", "cost", "realized_pnl", "is_incomplete", "is_oversold"),
            *("opened_at", "closed_at"),
        )
        if position.pk and all(getattr(position, name) == getattr(cycle, name) for name in names):
            return
        for name in names:
            setattr(position, name, getattr(cycle, name))
        position.version += 1
        position.save(update_fields=(*names, "version") if position.pk else None)
        cycle.row = position.pk
        broadcast_on_commit(self.owner_id, Topic.POSITIONS, position=position.pk)

    def _write_lots(self, asset: str, lots: Iterable[Lot], rows: Mapping[int, models.Lot]) -> None:
        new = []
        for lot in lots:
            row = rows.get(lot.row or 0)
            if row is None:
                new.append(self._to_row(lot, asset))
            elif (row.quantity, row.remaining, row.cost) != (lot.quantity, lot.remaining, lot.cost):
                row.quantity, row.remaining, row.cost = lot.quantity, lot.remaining, lot.cost
                row.save(update_fields=["quantity", "remaining", "cost"])
        if new:
            models.Lot.objects.bulk_create(new)

    def _replace_lots(self, asset: str, lots: Iterable[Lot]) -> None:
        """Leave the rows up to the first that differs: a late fill seldom changes much."""
        rows = [self._to_row(lot, asset) for lot in lots]
        of_asset = models.Lot.objects.filter(book__broker_id=self.broker_id, asset=asset)
        old = list(of_asset.order_by("pk"))
        same = 0
        for before, after in zip(old, rows, strict=False):
            if _facts(before) != _facts(after):
                break
            same += 1
        if old[same:]:
            of_asset.filter(pk__gte=old[same].pk).delete()
        models.Lot.objects.bulk_create(rows[same:])

    def _to_row(self, lot: Lot, asset: str) -> models.Lot:
        if lot.book == _NOBODY and self.unassigned == _NOBODY:
            self.unassigned = unassigned_book(Broker.objects.get(pk=self.broker_id)).pk
        return models.Lot(
            owner_id=self.owner_id,
            book_id=lot.book or self.unassigned,
            asset=asset,
            position_id=lot.cycle.row if lot.cycle else None,
            origin=lot.origin.value,
            fill_id=lot.fill,
            acquired_at=lot.acquired_at,
            quantity=lot.quantity,
            remaining=lot.remaining,
            cost=lot.cost,
            cost_asset=lot.cost_asset,
        )


def _apply(ledger: AssetLedger, movements: Iterable[Movement]) -> list[Disposal]:
    return [disposal for movement in movements for disposal in ledger.apply(movement)]


def _match(cycles: Iterable[Cycle], positions: Iterable[Position]) -> list[Position]:
    """Give each cycle the row that stood for it, by their sequence in book and symbol; the rows that are
    left over."""
    free = defaultdict(list)
    for position in positions:
        free[position.book_id, position.symbol.name].append(position)
    for cycle in cycles:
        mine = free[cycle.book, cycle.symbol]
        if mine:
            cycle.row = mine.pop(0).pk
    return [position for rows in free.values() for position in rows]


def _to_cycle(position: Position, symbol: str | None = None) -> Cycle:
    return Cycle(
        book=position.book_id,
        symbol=symbol or position.symbol.name,
        opened_at=position.opened_at,
        closed_at=position.closed_at,
        quantity=position.quantity,
        cost=position.cost,
        realized_pnl=position.realized_pnl,
        is_incomplete=position.is_incomplete,
        is_oversold=position.is_oversold,
        row=position.pk,
    )


def _to_lot(row: models.Lot, cycles: Mapping[int, Cycle]) -> Lot:
    return Lot(
        book=row.book_id,
        origin=Origin(row.origin),
        acquired_at=row.acquired_at,
        quantity=row.quantity,
        remaining=row.remaining,
        cost=row.cost,
        cost_asset=row.cost_asset,
        cycle=cycles[row.position_id] if row.position_id else None,
        fill=row.fill_id,
        row=row.pk,
    )


def _facts(row: models.Lot) -> tuple[Any, ...]:
    """All that a lot says."""
    return (
        row.book_id,
        row.position_id,
        row.origin,
        row.fill_id,
        row.acquired_at,
        row.quantity,
        row.remaining,
        row.cost,
        row.cost_asset,
    )
