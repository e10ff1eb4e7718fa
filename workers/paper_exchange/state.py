"""What the exchange remembers, as records that can be written one by one and read back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from workers.paper_exchange.markets.simulated import Checkpoint
from workers.paper_exchange.orders import Account, Fill, Order, OrderList

Record = dict[str, Any]


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
            self.remember(msgspec.convert(record["checkpoint"], Checkpoint))
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
            for listed in account.lists.values():
                yield change_record(account, listed, None)
            for fill in account.fills:
                yield change_record(account, None, fill)

    def _apply_change(self, record: Record) -> None:
        change = msgspec.convert(record, _Change)
        account = self.accounts.setdefault(
            change.account,
            Account(key=change.account, opened_ms=change.opened_ms, updated_ms=change.at_ms),
        )
        account.updated_ms = change.at_ms
        self.clock_ms = max(self.clock_ms, change.at_ms)
        account.free, account.locked = change.free, change.locked
        if change.order is not None:
            account.orders[change.order.order_id] = change.order
        if change.order_list is not None:
            account.lists[change.order_list.list_id] = change.order_list
        if change.fill is not None:
            account.fills.append(change.fill)


class _Change(msgspec.Struct, kw_only=True):
    account: str
    opened_ms: int
    at_ms: int
    free: dict[str, Decimal]
    locked: dict[str, Decimal]
    order: Order | None = None
    order_list: OrderList | None = None
    fill: Fill | None = None


def clock_record(at_ms: int) -> Record:
    """The market has come to this moment."""
    return {"clock_ms": at_ms}


def checkpoint_record(checkpoint: Checkpoint) -> Record:
    """A simulated market has begun a block."""
    return {"checkpoint": checkpoint}


def change_record(account: Account, changed: Order | OrderList | None, fill: Fill | None) -> Record:
    """An account as it is now, and what has changed in it."""
    record: Record = {
        "account": account.key,
        "opened_ms": account.opened_ms,
        "at_ms": account.updated_ms,
        "free": account.free,
        "locked": account.locked,
    }
    if isinstance(changed, OrderList):
        record["order_list"] = changed
    elif changed is not None:
        record["order"] = changed
    if fill is not None:
        record["fill"] = fill
    return record
