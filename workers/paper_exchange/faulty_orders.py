"""Faults of orders and markets: what is hidden, cut short, told twice or measured anew."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from apps.domain.markets import Market, floor_to
from apps.domain.orders import TimeInForce
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.faults import (
    DuplicateAcknowledgement,
    Faults,
    FillsLate,
    OrderHidden,
    OrderRule,
    PartialCancel,
    PrecisionChange,
)
from workers.paper_exchange.matching import MatchingEngine
from workers.paper_exchange.orders import Account, EndReason, Fill, Order


class FaultyOrders:
    """Listens to the engine after everybody else, and decides what clients get to see."""

    def __init__(
        self,
        *,
        engine: MatchingEngine,
        markets: dict[str, Market],
        faults: Faults,
        wall_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._markets = markets
        self._original: dict[str, Market] = {}
        self._faults = faults
        self._wall_ms = wall_ms
        #: Until when, on the wall clock.
        self.hidden_orders: dict[int, int] = {}
        self.hidden_fills: dict[int, int] = {}
        #: How much of an order is filled before it is cancelled.
        self._limits: dict[int, Decimal] = {}
        engine.listeners.append(self._on_event)
        engine.view = self._view
        engine.curb = self._curb

    def follow_rules(self) -> None:
        """Give markets the steps that the rules want now, and their own ones back."""
        if not self._original and self._faults.is_quiet:
            return
        wanted = {rule.symbol: rule for rule in self._faults.active(PrecisionChange)}
        for symbol in [name for name in self._original if name not in wanted]:
            self._markets[symbol] = self._original.pop(symbol)
        for symbol, rule in wanted.items():
            if symbol in self._markets:
                own = self._original.setdefault(symbol, self._markets[symbol])
                self._markets[symbol] = _with_steps(own, rule)

    def _on_event(self, event: Event) -> None:
        if self._faults.is_quiet and not self._limits:
            return
        order = event.order

        def concerns(rule: OrderRule) -> bool:
            return rule.key in {"", event.account.key} and rule.symbol in {"", order.symbol}

        if event.kind is EventKind.NEW:
            self._on_new(event, concerns)
        elif event.kind is EventKind.TRADE and event.fill is not None:
            late = self._faults.strike(FillsLate, concerns)
            if late is not None:
                wait_ms = int(self._faults.draw(late.seconds, late) * 1000)
                self.hidden_fills[event.fill.trade_id] = self._wall_ms() + wait_ms
            limit = self._limits.get(order.order_id)
            if limit is not None and order.is_open and order.filled_quantity >= limit:
                account = event.account
                self._engine.cancel(account, order, order.updated_ms, EndReason.EXCHANGE)
        if not order.is_open:
            self._limits.pop(order.order_id, None)

    def _on_new(self, event: Event, concerns: Callable[[OrderRule], bool]) -> None:
        order = event.order
        if order.time_in_force is not TimeInForce.FOK:
            partial = self._faults.strike(PartialCancel, concerns)
            if partial is not None:
                step = self._markets[order.symbol].step_size
                share = floor_to(order.quantity * Decimal(str(partial.share)), step)
                self._limits[order.order_id] = max(step, share)
        hidden = self._faults.strike(OrderHidden, concerns)
        if hidden is not None:
            wait_ms = int(self._faults.draw(hidden.seconds, hidden) * 1000)
            self.hidden_orders[order.order_id] = self._wall_ms() + wait_ms
        if self._faults.strike(DuplicateAcknowledgement, concerns) is not None:
            for listener in self._engine.listeners:
                if listener != self._on_event:
                    listener(event)

    def _curb(self, order: Order, quantity: Decimal) -> Decimal:
        """How much of an execution takes place."""
        limit = self._limits.get(order.order_id)
        return quantity if limit is None else min(quantity, limit - order.filled_quantity)

    def _view(self, account: Account) -> Account:
        if not self.hidden_orders and not self.hidden_fills:
            return account
        now_ms = self._wall_ms()
        for hidden in (self.hidden_orders, self.hidden_fills):
            for number in [number for number, until in hidden.items() if until <= now_ms]:
                del hidden[number]
        # What the request itself brings about, its answer may show.
        return cast(
            "Account", AccountView(account, set(self.hidden_orders), set(self.hidden_fills), self)
        )


class AccountView:
    """An account without what is hidden: for dialects, everything that an Account is."""

    def __init__(
        self, account: Account, orders: set[int], fills: set[int], hides: FaultyOrders
    ) -> None:
        self._account = account
        self._orders = orders
        self._fills = fills
        self._hides = hides

    def __getattr__(self, name: str) -> Any:
        return getattr(self._account, name)

    @property
    def orders(self) -> dict[int, Order]:
        """By their ids."""
        return {i: order for i, order in self._account.orders.items() if not self._hides_order(i)}

    @property
    def resting(self) -> dict[int, Order]:
        """The open ones."""
        return {i: order for i, order in self._account.resting.items() if not self._hides_order(i)}

    @property
    def newest_by_client_id(self) -> dict[str, Order]:
        """By the client's names."""
        known = self._account.newest_by_client_id
        return {n: o for n, o in known.items() if not self._hides_order(o.order_id)}

    @property
    def fills(self) -> list[Fill]:
        """Those that can be seen."""
        return list(self._seen_fills())

    def open_orders(self) -> list[Order]:
        """As Account.open_orders."""
        return list(self.resting.values())

    def find_order(self, symbol: str | None, **ids: Any) -> Order | None:
        """As Account.find_order."""
        order = self._account.find_order(symbol, **ids)
        return None if order is None or self._hides_order(order.order_id) else order

    def fills_of(self, order: Order) -> list[Fill]:
        """As Account.fills_of."""
        return [fill for fill in self._account.fills_of(order) if not self._hides_fill(fill)]

    def _seen_fills(self) -> Iterator[Fill]:
        return (fill for fill in self._account.fills if not self._hides_fill(fill))

    def _hides_order(self, order_id: int) -> bool:
        return order_id in self._orders and order_id in self._hides.hidden_orders

    def _hides_fill(self, fill: Fill) -> bool:
        hidden = self._hides
        return (fill.trade_id in self._fills and fill.trade_id in hidden.hidden_fills) or (
            fill.order_id in self._orders and fill.order_id in hidden.hidden_orders
        )


def _with_steps(market: Market, rule: PrecisionChange) -> Market:
    tick_size = Decimal(rule.tick_size or market.tick_size)
    step_size = Decimal(rule.step_size or market.step_size)
    return replace(
        market,
        tick_size=tick_size,
        step_size=step_size,
        min_quantity=max(step_size, market.min_quantity),
    )
