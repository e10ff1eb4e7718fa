"""The exchange's own book against ours: every order once on both sides, every fill, every coin."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db.models import Sum

from apps.brokers.models import Broker
from apps.domain.environments import Exchange
from apps.domain.orders import OrderStatus
from apps.trading.models import Lot, Order, Transfer
from workers.paper_exchange import orders as paper
from workers.paper_exchange.journal import read_journal
from workers.paper_exchange.state import State
from workers.supervisor.table import paper_state_file

#: Orders in these have never been at an exchange, or so they say.
_NOT_SENT = {OrderStatus.CREATED, OrderStatus.DENIED, OrderStatus.REJECTED}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must never be."""

    kind: str
    broker: str
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.broker}: {self.words}"


def judge() -> list[Violation]:
    """Everything in which our rows and the exchanges' own books differ at this moment."""
    books = {exchange: _read_book(exchange) for exchange in Exchange}
    found: list[Violation] = []
    for broker in Broker.objects.all():
        account = books[Exchange(broker.exchange)].get(broker.api_key)
        if account is None:
            continue  # it opens with the first request
        comparison = _Comparison(broker, account)
        found += [Violation(kind, broker.name, words) for kind, words in comparison.differences()]
    return found


def _read_book(exchange: Exchange) -> dict[str, paper.Account]:
    """The accounts as the exchange has written them down, by their keys."""
    state = State(market="", origin_ms=0, clock_ms=0)
    read_journal(paper_state_file(exchange.value, settings.PAPER_MARKET), state)
    return state.accounts


class _Comparison:
    """One broker with its account."""

    def __init__(self, broker: Broker, account: paper.Account) -> None:
        self._broker = broker
        self._account = account
        self._ours = {
            order.client_order_id: order
            for order in Order.objects.filter(broker=broker)
            .select_related("symbol", "replaces")
            .prefetch_related("fills")
        }
        self._theirs: defaultdict[str, list[paper.Order]] = defaultdict(list)
        for order in account.orders.values():
            self._theirs[order.client_order_id.replace("-", "")].append(order)
        self._their_fills: defaultdict[int, list[paper.Fill]] = defaultdict(list)
        for fill in account.fills:
            self._their_fills[fill.order_id].append(fill)

    def differences(self) -> Iterator[tuple[str, str]]:
        """Kind and words of each."""
        for name, orders in self._theirs.items():
            if len(orders) > 1:
                yield "duplicate", f"{name} was placed {len(orders)} times"
            if name not in self._ours:
                yield "orphan", f"{name} has no row"
        for name, ours in self._ours.items():
            theirs = self._theirs.get(name)
            if ours.is_amendment:
                yield from self._change_in_place(ours)
            elif theirs is None:
                yield from self._without_a_trace(ours)
            else:
                yield from self._order(ours, theirs[0])
                yield from self._edit(ours, theirs[0])
        yield from self._ledger()

    def _without_a_trace(self, ours: Order) -> Iterator[tuple[str, str]]:
        """Only what says that it never got there may be missing."""
        if not ours.is_settled:
            yield "unsettled", f"{_name(ours)}, and the exchange has never seen it"
        elif ours.submitted_at and ours.status not in _NOT_SENT and not _had_nothing_left(ours):
            yield "lost", f"{_name(ours)}, but the exchange has never seen it"

    def _order(self, ours: Order, theirs: paper.Order) -> Iterator[tuple[str, str]]:
        if ours.status != theirs.status:
            yield "status", f"{_name(ours)}, and the exchange says {theirs.status}"
        if ours.filled_quantity != theirs.filled_quantity:
            figures = f"{ours.filled_quantity} against {theirs.filled_quantity}"
            yield "filled", f"{_name(ours)}: {figures} filled"
        if ours.is_settled is theirs.is_open:
            yield "unsettled", f"{_name(ours)}, settled: {ours.is_settled}"
        our_fills = sorted(
            (fill.quantity, fill.price, fill.fee, fill.fee_asset) for fill in ours.fills.all()
        )
        their_fills = sorted(
            (fill.quantity, fill.price, fill.fee, fill.fee_asset)
            for fill in self._their_fills[theirs.order_id]
        )
        if our_fills != their_fills:
            yield "fills", f"{_name(ours)}: {_list(our_fills)} against {_list(their_fills)}"

    def _change_in_place(self, ours: Order) -> Iterator[tuple[str, str]]:
        """The wish to change an order where it rests is no order of its own, and has ended; what stands is
        what the row of that order says."""
        if ours.client_order_id in self._theirs:
            yield "edit", f"{_name(ours)}, a change in place, and was placed as an order of its own"
        if not ours.is_settled:
            yield "unsettled", f"{_name(ours)}, a change in place"
        changed = ours.replaces
        if changed is None or changed.client_order_id not in self._theirs:
            return
        theirs = self._theirs[changed.client_order_id][0]
        if (changed.quantity, changed.price or 0) != (theirs.quantity, theirs.price or 0):
            figures = f"{changed.quantity:f} at {changed.price:f}"
            stands = f"{theirs.quantity:f} at {theirs.price:f}"
            yield "edit", f"{_name(changed)}: {figures}, and {stands} at the exchange"

    def _edit(self, ours: Order, theirs: paper.Order) -> Iterator[tuple[str, str]]:
        """What takes an order's place came after its end, and asked for no more than it had left."""
        if ours.replaces is None or ours.replaces.client_order_id not in self._theirs:
            return
        before = self._theirs[ours.replaces.client_order_id][0]
        if before.is_open or before.updated_ms > theirs.created_ms:
            yield "edit", f"{_name(ours)}, and was placed before order {ours.replaces.pk} had ended"
        is_more = theirs.quantity + before.filled_quantity > before.quantity
        if is_more and ours.purpose == ours.replaces.purpose:
            figures = f"{theirs.quantity:f} after {before.filled_quantity:f} of {before.quantity:f}"
            yield "edit", f"{_name(ours)}: {figures}"

    def _ledger(self) -> Iterator[tuple[str, str]]:
        """What the open lots hold is what the account holds, and nothing came from outside."""
        bases = {order.symbol.base for order in self._ours.values()}
        lots = Lot.objects.filter(book__broker=self._broker, asset__in=bases)
        held = dict(lots.order_by("asset").values_list("asset").annotate(Sum("remaining")))
        for asset in sorted(bases):
            ours = held.get(asset, Decimal(0))
            theirs = self._account.free.get(asset, Decimal(0))
            theirs += self._account.locked.get(asset, Decimal(0))
            if ours != theirs:
                yield "ledger", f"{ours:f} {asset} against a balance of {theirs:f}"
        for transfer in Transfer.objects.filter(broker=self._broker, asset__in=bases):
            yield "ledger", f"{transfer.quantity:f} {transfer.asset} were taken for a transfer"


def _had_nothing_left(edit: Order) -> bool:
    """Whether the order that it was to replace has filled so far that it was not worth sending any more."""
    market, price = edit.symbol.to_market(), edit.price or Decimal(0)
    is_worth_it = market.is_sellable(edit.quantity or Decimal(0), price)
    return edit.replaces is not None and edit.status == OrderStatus.CANCELLED and not is_worth_it


def _name(order: Order) -> str:
    return f"order {order.pk} ({order.client_order_id}) is {order.status}"


def _list(fills: list[tuple[Decimal, Decimal, Decimal, str]]) -> str:
    return ", ".join(f"{quantity:f} at {price:f}" for quantity, price, *_fee in fills) or "none"
