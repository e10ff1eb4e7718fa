"""What a tax office asks for: every disposal of a year, by a method of one's choice."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TextIO

from apps.brokers.models import Broker
from apps.domain.lots import AssetLedger, Cause, Disposal
from apps.domain.positions import CostMethod
from apps.trading.ledger import list_assets
from apps.trading.models import Book, Fill
from apps.trading.movements import read_movements

COLUMNS = (
    "sold_utc",
    "acquired_utc",
    "asset",
    "quantity",
    "cost",
    "cost_currency",
    "proceeds",
    "fees",
    "gain",
    "currency",
    "kind",
    "origin",
    "symbol",
    "trade_id",
)
UNKNOWN = "unknown"


def write_year(*, broker: Broker, year: int, method: CostMethod, file: TextIO) -> int:
    """Write a CSV row for every sale of coins of one lot in a UTC year, oldest first, payments of fees with
    coins included; how many there were. By average cost a lot begins with its position's first purchase."""
    disposals = [
        (asset, disposal)
        for asset in list_assets(broker.pk)
        for disposal in _dispose(broker, asset, method)
        if disposal.movement.at.year == year and disposal.movement.cause is not Cause.TRANSFER
    ]
    disposals.sort(key=lambda pair: pair[1].movement.at)
    fills = Fill.objects.select_related("symbol").in_bulk(
        [disposal.movement.fill for _asset, disposal in disposals if disposal.movement.fill]
    )
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for asset, disposal in disposals:
        writer.writerow(_row(asset, disposal, fills[disposal.movement.fill or 0]))
    return len(disposals)


def _dispose(broker: Broker, asset: str, method: CostMethod) -> Iterator[Disposal]:
    unassigned = Book.objects.filter(broker=broker, kind=Book.Kind.UNASSIGNED).first()
    ledger = AssetLedger(method=method, unassigned=unassigned.pk if unassigned else 0)
    for movement in read_movements(broker_id=broker.pk, asset=asset):
        yield from ledger.apply(movement)


def _row(asset: str, disposal: Disposal, fill: Fill) -> list[str]:
    movement, lot = disposal.movement, disposal.lot
    return [
        _time(movement.at),
        _time(lot.acquired_at),
        asset,
        _amount(disposal.quantity),
        _amount(disposal.cost),
        lot.cost_asset,
        _amount(disposal.proceeds),
        _amount(disposal.fee),
        _amount(disposal.gain),
        movement.cost_asset,
        "sale" if movement.cause is Cause.TRADE else "payment",
        lot.origin.value,
        fill.symbol.name,
        fill.trade_id,
    ]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _amount(value: Decimal | None) -> str:
    if value is None:
        return UNKNOWN
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text if text != "-0" else "0"
