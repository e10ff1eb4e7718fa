"""What the exchange remembers, as records that can be written one by one and read back."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any, TypeVar, get_type_hints

from workers.paper_exchange.markets.simulated import Checkpoint
from workers.paper_exchange.orders import Account, Fill, Order

Record = dict[str, Any]
_Row = TypeVar("_Row", Order, Fill, Checkpoint)


@dataclass(slots=True, kw_only=True)
class State:
    """Everything that survives the process; times are milliseconds of market time."""

    market: str
    origin_ms: int
    clock_ms: int
    accounts: dict[str, Account] = field(default_factory=dict)
    checkpoints: dict[str, dict[int, Checkpoint]] = field(default_factory=dict)

    def apply(self, record: Record) -> None:
        """Take in one record; raises KeyError, TypeError, ValueError or ArithmeticError."""
        if "market" in record:
            self.market = str(record["market"])
            self.origin_ms = int(record["origin_ms"])
        elif "checkpoint" in record:
            self.remember(_decode(Checkpoint, record["checkpoint"]))
        elif "account" in record:
            self._apply_change(record)
        else:
            self.clock_ms = max(self.clock_ms, int(record["clock_ms"]))

    def remember(self, checkpoint: Checkpoint) -> bool:
        """Keep a block's beginning; whether it was new."""
        known = self.checkpoints.setdefault(checkpoint.symbol, {})
        return known.setdefault(checkpoint.block, checkpoint) is checkpoint

    def forget_blocks_before(self, block: int) -> None:
        """Drop the beginnings of blocks that no restart will need."""
        for symbol, known in self.checkpoints.items():
            self.checkpoints[symbol] = {n: each for n, each in known.items() if n >= block}

    def records(self) -> Iterator[Record]:
        """The shortest list of records that leads to this state."""
        yield {"market": self.market, "origin_ms": self.origin_ms}
        yield clock_record(self.clock_ms)
        for checkpoints in self.checkpoints.values():
            for checkpoint in checkpoints.values():
                yield checkpoint_record(checkpoint)
        for account in self.accounts.values():
            yield change_record(account, None, None)
            for order in account.orders.values():
                yield change_record(account, order, None)
            for fill in account.fills:
                yield change_record(account, None, fill)

    def _apply_change(self, record: Record) -> None:
        key, at_ms = str(record["account"]), int(record["at_ms"])
        account = self.accounts.setdefault(
            key, Account(key=key, opened_ms=int(record["opened_ms"]), updated_ms=at_ms)
        )
        account.updated_ms = at_ms
        self.clock_ms = max(self.clock_ms, at_ms)
        account.free = _amounts(record["free"])
        account.locked = _amounts(record["locked"])
        if "order" in record:
            order = _decode(Order, record["order"])
            account.orders[order.order_id] = order
        if "fill" in record:
            account.fills.append(_decode(Fill, record["fill"]))


def clock_record(at_ms: int) -> Record:
    """The market has come to this moment."""
    return {"clock_ms": at_ms}


def checkpoint_record(checkpoint: Checkpoint) -> Record:
    """A simulated market has begun a block."""
    return {"checkpoint": _encode(checkpoint)}


def change_record(account: Account, order: Order | None, fill: Fill | None) -> Record:
    """An account as it is now, and the order and the fill that made it so."""
    record: Record = {
        "account": account.key,
        "opened_ms": account.opened_ms,
        "at_ms": account.updated_ms,
        "free": {asset: str(amount) for asset, amount in account.free.items()},
        "locked": {asset: str(amount) for asset, amount in account.locked.items()},
    }
    if order is not None:
        record["order"] = _encode(order)
    if fill is not None:
        record["fill"] = _encode(fill)
    return record


def _amounts(row: Mapping[str, str]) -> dict[str, Decimal]:
    return {asset: Decimal(amount) for asset, amount in row.items()}


def _encode(row: Order | Fill | Checkpoint) -> Record:
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in asdict(row).items()
    }


def _decode(kind: type[_Row], record: Record) -> _Row:
    hints = get_type_hints(kind)
    return kind(**{f.name: hints[f.name](record[f.name]) for f in fields(kind)})
