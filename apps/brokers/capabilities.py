"""What every exchange can do, in words, from the clients' own declaration."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderListKind, OrderSide, OrderType, TimeInForce
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.clients import capabilities_of


class Cell(NamedTuple):
    """`tone` is yes, no or empty where it is neither."""

    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One capability, with a cell for each exchange in the order of `Exchange`."""

    name: str
    explanation: str
    cells: tuple[Cell, ...]


def list_capability_rows() -> list[Row]:
    """One row a capability."""
    declared = [capabilities_of(exchange) for exchange in Exchange]
    return [
        Row(name, explanation, tuple(read(capabilities) for capabilities in declared))
        for name, explanation, read in _ROWS
    ]


def _whether(answer: bool) -> Cell:  # noqa: FBT001  what it puts into words
    return Cell("yes", "yes") if answer else Cell("no", "no")


def _listed(members: Iterable[str], kind: Iterable[str]) -> Cell:
    """Those of `kind` that are among `members`, in its order."""
    words = [member.replace("_", " ") for member in kind if member in members]
    return Cell("", ", ".join(words)) if words else Cell("no", "no")


def _lists(capabilities: Capabilities) -> Cell:
    names = [kind.upper() for kind in OrderListKind if kind in capabilities.order_lists]
    return Cell("yes", ", ".join(names)) if names else Cell("no", "no")


def _attached_exits(capabilities: Capabilities) -> Cell:
    return (
        Cell("no", "no"),
        Cell("yes", "one at a time"),
        Cell("yes", "stop loss and take profit"),
    )[capabilities.attached_exits]


def _trailing_trigger(capabilities: Capabilities) -> Cell:
    if OrderType.TRAILING_STOP not in capabilities.order_types:
        return Cell("no", "no trailing stop")
    return _whether(capabilities.trailing_has_trigger)


def _history(capabilities: Capabilities) -> Cell:
    count = capabilities.candle_history
    return Cell("", "all of it" if count is None else f"the last {count:,} candles")


_ROWS: tuple[tuple[str, str, Callable[[Capabilities], Cell]], ...] = (
    (
        "Order types",
        "Market trades at once, limit at a price or better; the others wait for a trigger price first.",
        lambda c: _listed(c.order_types, OrderType),
    ),
    (
        "Times in force",
        "It stands until cancelled (gtc), at once or not (ioc), whole or not (fok), or never takes.",
        lambda c: _listed(c.times_in_force, TimeInForce),
    ),
    (
        "Market orders sized in quote",
        "Whether a market order may say how much money to trade, instead of how many coins.",
        lambda c: _listed(c.quote_amount_sides, OrderSide),
    ),
    (
        "Order lists",
        "One order cancels the other (OCO), a second follows the first (OTO), or an OCO does (OTOCO).",
        _lists,
    ),
    (
        "Exits attached to an entry",
        "The exchange itself sets up the stop loss and take profit as the entry is filled.",
        _attached_exits,
    ),
    (
        "Trailing stop from a price on",
        "A trailing stop may wait for a price before it begins to trail.",
        _trailing_trigger,
    ),
    (
        "Changed in place",
        "What may change in a resting order that stays the same order.",
        lambda c: Cell("", c.amends) if c.amends else Cell("no", "nothing"),
    ),
    (
        "Changed by replacing",
        "What is changed by cancelling an order and placing another one in its stead.",
        lambda c: Cell("", c.replaces) if c.replaces else Cell("no", "nothing"),
    ),
    (
        "Refuses late orders",
        "The exchange itself drops an order that arrives after its deadline.",
        lambda c: _whether(c.refuses_late_orders),
    ),
    (
        "Client order ids",
        "Among which orders the exchange takes our own id of an order only once.",
        lambda c: Cell("", c.client_order_id_reuse),
    ),
    (
        "Candles",
        "The lengths that can be asked for.",
        lambda c: _listed(c.timeframes, Timeframe),
    ),
    (
        "Live candles",
        "The lengths that are told as they happen.",
        lambda c: _listed(c.stream_timeframes, Timeframe),
    ),
    (
        "Candle history",
        "How far back the exchange tells candles.",
        _history,
    ),
    (
        "Tells what a key may do",
        "Whether a connection test learns if a key can trade and withdraw.",
        lambda c: _whether(c.tells_key_permissions),
    ),
    (
        "Passphrase",
        "Whether a key comes with a passphrase besides its secret.",
        lambda c: Cell("", "needed") if c.needs_passphrase else Cell("", "not needed"),
    ),
    (
        "Testnet",
        "A play area of the exchange's own, with accounts and keys of its own.",
        lambda c: _whether(c.has_testnet),
    ),
    (
        "Sub-accounts",
        "How accounts within an account are chosen.",
        lambda c: Cell("", c.sub_accounts),
    ),
)
