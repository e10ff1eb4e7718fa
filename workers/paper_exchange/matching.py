"""Orders, fills and balances: the part that is the same for every exchange."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import NamedTuple

from apps.domain.markets import Market, ceil_to, floor_to
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.book import Level, Liquidity
from workers.paper_exchange.markets.feed import Bar, Quote
from workers.paper_exchange.orders import (
    ZERO,
    Account,
    EndReason,
    Fill,
    NewOrder,
    Order,
    OrderList,
    OrderRejected,
    Phase,
    RejectionReason,
    SelfTrade,
)
from workers.paper_exchange.venues import FeeAsset, Venue

_AMOUNT_GRID = Decimal("1e-8")
_AT_ONCE = {TimeInForce.IOC: EndReason.IMMEDIATE_ONLY, TimeInForce.FOK: EndReason.WHOLE_ONLY}
_LIMITS = {
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT_LIMIT,
    OrderType.LIMIT,
}


class EventKind(StrEnum):
    """What happened to an order."""

    NEW = "new"
    TRADE = "trade"
    TRIGGERED = "triggered"
    AMENDED = "amended"
    ENDED = "ended"


class Event(NamedTuple):
    """A change of an account; `order` is as it is after it."""

    kind: EventKind
    account: Account
    order: Order
    fill: Fill | None = None


class Match(NamedTuple):
    """One execution to come: at a price, against the market or against a resting order."""

    price: Decimal
    quantity: Decimal
    maker: tuple[Account, Order] | None


#: Told what has changed, before anybody is answered: an account, and its order, fill or list, if any.
RecordChange = Callable[[Account, Order | OrderList | None, Fill | None], None]


class MatchingEngine:
    """Takes orders into accounts and fills them: against each other by price and time, and against
    the market around the price that it is told."""

    def __init__(
        self,
        *,
        venue: Venue,
        markets: Mapping[str, Market],
        accounts: dict[str, Account],
        starting_balances: Mapping[str, Decimal],
        record: RecordChange,
        has_depth: bool = True,
    ) -> None:
        self.venue = venue
        self.accounts = accounts
        self.listeners: list[Callable[[Event], None]] = []
        #: What clients get to see of an account, and how much of an execution takes place: for faults.
        self.view: Callable[[Account], Account] | None = None
        self.curb: Callable[[Order, Decimal], Decimal] | None = None
        self._markets = markets
        self._starting_balances = starting_balances
        self._record = record
        self._has_depth = has_depth
        self._liquidity: dict[str, Liquidity] = {}
        self._quotes: dict[str, Quote] = {}
        #: Per symbol, in the order in which they came.
        self._open: dict[str, dict[int, tuple[Account, Order]]] = {}
        #: Per symbol, between which prices nothing happens; forgotten whenever an order changes.
        self._calm: dict[str, tuple[float, float]] = {}
        self._last_order_id = self._last_list_id = self._last_trade_id = 0
        for account in accounts.values():
            self._adopt(account)

    @property
    def open_order_count(self) -> int:
        """Orders of all accounts that may still trade."""
        return sum(len(orders) for orders in self._open.values())

    def account(self, key: str, now_ms: int) -> Account:
        """The account of an API key, opened with the starting balances on first sight."""
        account = self.accounts.get(key)
        if account is None:
            account = Account(
                key=key, opened_ms=now_ms, updated_ms=now_ms, free=dict(self._starting_balances)
            )
            self.accounts[key] = account
            self._record(account, None, None)
        return account if self.view is None else self.view(account)

    def liquidity(self, symbol: str, quote: Quote) -> Liquidity:
        """What the market offers at this quote; what was taken of it stays taken."""
        if self._quotes.get(symbol) != quote:
            self._quotes[symbol] = quote
            self._liquidity[symbol] = Liquidity(
                quote, step_size=self._markets[symbol].step_size, has_depth=self._has_depth
            )
        return self._liquidity[symbol]

    def book(self, symbol: str, quote: Quote, side: OrderSide) -> list[Level]:
        """What a taker on `side` finds, best price first: the market's levels and its users' orders."""
        liquidity = self.liquidity(symbol, quote)
        total = {level.price: level.quantity for level in liquidity.offers(side)}
        is_buy = side is OrderSide.BUY
        for _, order in self._open.get(symbol, {}).values():
            if order.phase is Phase.BOOK and order.side is not side and order.price:
                total[order.price] = total.get(order.price, ZERO) + order.remaining
        return [Level(price, total[price]) for price in sorted(total, reverse=not is_buy)]

    # What clients ask for

    def place(self, account: Account, wanted: NewOrder, quote: Quote | None, now_ms: int) -> Order:
        """Accept an order and fill, rest or end it; `quote` is None in a closed market.

        Raises OrderRejected, and nothing has changed then.
        """
        account = self._own(account)
        self.check(account, wanted, quote, now_ms)
        order = self._accept(account, wanted, now_ms)
        if order.order_type.is_conditional:
            self._wait(account, order, quote, now_ms)
        else:
            self._work(account, order, quote, now_ms)
        return order

    def check(self, account: Account, wanted: NewOrder, quote: Quote | None, now_ms: int) -> None:
        """Raise OrderRejected for what `place` would refuse."""
        account = self._own(account)
        if self._is_taken(account, wanted.client_order_id, now_ms):
            raise OrderRejected(RejectionReason.DUPLICATE_CLIENT_ORDER_ID)
        is_conditional = wanted.order_type.is_conditional
        if quote is None and (is_conditional or wanted.order_type is OrderType.MARKET):
            raise OrderRejected(RejectionReason.MARKET_CLOSED)
        if is_conditional and quote is not None and would_trigger(wanted, quote.price):
            raise OrderRejected(RejectionReason.WOULD_TRIGGER)
        if is_conditional and not self.venue.locks_conditionals:
            return
        matches = [] if is_conditional else self._matches(wanted, quote)
        is_post_only = wanted.time_in_force is TimeInForce.POST_ONLY
        if is_post_only and matches and self.venue.rejects_takers:
            raise OrderRejected(RejectionReason.WOULD_TAKE)
        if wanted.quote_amount and not matches:
            raise OrderRejected(RejectionReason.TOO_SMALL)
        asset, amount = self._price_of(wanted, matches, quote)
        if account.free.get(asset, ZERO) < amount:
            raise OrderRejected(RejectionReason.INSUFFICIENT_BALANCE)

    def place_list(
        self,
        account: Account,
        kind: OrderListKind,
        client_list_id: str,
        wanted: Sequence[NewOrder],
        quote: Quote | None,
        now_ms: int,
    ) -> OrderList:
        """Accept tied orders, all or none: the legs of an OCO, or an entry and what follows it.

        What follows a purchase without a quantity of its own gets what that has brought. Raises
        OrderRejected.
        """
        account = self._own(account)
        self._check_list(account, kind, wanted, quote, now_ms)
        self._last_list_id += 1
        orders = [self._accept(account, each, now_ms) for each in wanted]
        listed = OrderList(
            list_id=self._last_list_id,
            client_list_id=client_list_id,
            kind=kind,
            symbol=wanted[0].symbol,
            order_ids=tuple(order.order_id for order in orders),
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        account.lists[listed.list_id] = listed
        for order in orders:
            order.list_id = listed.list_id
        self._record(account, listed, None)
        if kind is OrderListKind.OCO:
            self._set_up_oco(account, orders, quote, now_ms)
            return listed
        for order in orders[1:]:
            self._enter(account, order, Phase.PENDING, now_ms)
        self._work(account, orders[0], quote, now_ms)
        return listed

    def cancel(
        self, account: Account, order: Order, now_ms: int, reason: EndReason = EndReason.USER
    ) -> None:
        """End an order that may still trade; the other orders of its list end with it."""
        account = self._own(account)
        self._end(account, order, OrderStatus.CANCELLED, reason, now_ms)
        for other in self._others(account, order):
            if other.is_open:
                self._end(account, other, OrderStatus.CANCELLED, reason, now_ms)

    def amend(
        self,
        account: Account,
        order: Order,
        now_ms: int,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        quote: Quote | None = None,
        client_order_id: str | None = None,
    ) -> None:
        """Change an open order in place; one that only shrinks keeps its place in the queue.

        Raises OrderRejected, and nothing has changed then.
        """
        account = self._own(account)
        if client_order_id not in {None, order.client_order_id} and self._is_taken(
            account, client_order_id or "", now_ms
        ):
            raise OrderRejected(RejectionReason.DUPLICATE_CLIENT_ORDER_ID)
        changed = NewOrder(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=(quantity or order.quantity) - order.filled_quantity,
            price=price or order.price,
            trigger_price=trigger_price or order.trigger_price,
            fee_in=order.fee_in,
        )
        if order.phase is Phase.WAITING and quote and would_trigger(changed, quote.price):
            raise OrderRejected(RejectionReason.WOULD_TRIGGER)
        asset, amount = self._price_of(changed, [], quote)
        if order.locked and account.free.get(asset, ZERO) + order.locked < amount:
            raise OrderRejected(RejectionReason.INSUFFICIENT_BALANCE)
        self._calm.pop(order.symbol, None)
        keeps_place = changed.price == order.price and changed.quantity <= order.remaining
        was_locked = bool(order.locked)
        self._unlock(account, order, order.locked)
        order.quantity = quantity or order.quantity
        order.price, order.trigger_price = changed.price, changed.trigger_price
        if client_order_id is not None:
            account.newest_by_client_id.pop(order.client_order_id, None)
            order.client_order_id = client_order_id
            account.newest_by_client_id[client_order_id] = order
        order.updated_ms = account.updated_ms = now_ms
        if was_locked:
            self._lock(account, order, amount)
        if not keeps_place:
            entry = self._open[order.symbol].pop(order.order_id)
            self._open[order.symbol][order.order_id] = entry
        self._tell(EventKind.AMENDED, account, order)
        if order.phase is Phase.BOOK and price is not None:
            self._unlock(account, order, order.locked)
            self._work(account, order, quote, now_ms, is_new=False)

    # What the market does

    def has_open(self, symbol: str) -> bool:
        """Whether an order of this market may still trade."""
        return bool(self._open.get(symbol))

    def is_reached(self, symbol: str, price: float) -> bool:
        """Whether a price of this market may change anything; most change nothing, and say so fast."""
        if not self._open.get(symbol):
            return False
        if symbol not in self._calm:
            self._calm[symbol] = _calm_between(order for _, order in self._open[symbol].values())
        low, high = self._calm[symbol]
        return not low < price < high

    def on_price(self, symbol: str, quote: Quote, now_ms: int) -> None:
        """Fire what waits for this price, then fill the resting orders that it has gone through."""
        liquidity = self.liquidity(symbol, quote)
        for account, order in list(self._open.get(symbol, {}).values()):
            if order.phase is Phase.WAITING:
                follow(order, quote.price)
                if is_triggered(order, quote.price):
                    self._trigger(account, order, quote, now_ms)
        passing = liquidity.passing
        for account, order in self._resting(symbol, quote.price):
            quantity = self._curbed(order, min(order.remaining, passing))
            if quantity > 0 and order.is_open:
                passing -= quantity
                self._execute(account, order, order.price, quantity, now_ms, is_maker=True)

    def on_candle(self, symbol: str, bar: Bar, *, opened_ms: int, closed_ms: int) -> None:
        """Fill what a whole candle fills, by the rules of a careful backtest.

        First what the open has gone beyond; then stops; then limits that rested before, where the
        candle trades through them, and take profits; last the stops of what was filled meanwhile.
        """
        if not self._open.get(symbol):
            return
        known = list(self._open[symbol].values())
        resting = [each for each in known if each[1].phase is Phase.BOOK]
        profits = [
            (account, order)
            for account, order in known
            if order.phase is Phase.WAITING and not _protects(order)
        ]
        self._open_candle(known, bar, opened_ms)
        self._fire_stops(symbol, bar, closed_ms)
        for account, order in resting:
            is_buy = order.side is OrderSide.BUY
            if order.is_open and (bar.low < order.price if is_buy else bar.high > order.price):
                self._fill_at_its_price(account, order, closed_ms)
        for account, order in profits:
            extreme = bar.low if order.side is OrderSide.BUY else bar.high
            is_waiting = order.phase is Phase.WAITING
            if is_waiting and is_beyond(order, order.trigger_price, extreme):
                quote = _quote_at(order.trigger_price, bar)
                self._trigger(account, order, quote, closed_ms)
        self._fire_stops(symbol, bar, closed_ms)

    def _open_candle(self, known: Sequence[tuple[Account, Order]], bar: Bar, now_ms: int) -> None:
        """Fill what lies beyond the open: nobody gets a better price than his own, or the worse one."""
        for account, order in known:
            is_buy = order.side is OrderSide.BUY
            if order.phase is Phase.WAITING:
                follow(order, bar.open)
                if is_triggered(order, bar.open):
                    worse = max if is_buy else min
                    is_fixed = not is_trailing(order)
                    price = worse(bar.open, order.trigger_price) if is_fixed else bar.open
                    self._trigger(account, order, _quote_at(price, bar), now_ms)
            elif order.phase is Phase.BOOK and (
                bar.open < order.price if is_buy else bar.open > order.price
            ):
                self._fill_at_its_price(account, order, now_ms)

    def _fire_stops(self, symbol: str, bar: Bar, now_ms: int) -> None:
        """Fire the stops inside a candle at their own prices, those that others set up as well."""
        has_fired = True
        while has_fired:
            has_fired = False
            for account, order in list(self._open.get(symbol, {}).values()):
                if order.phase is not Phase.WAITING or not _protects(order):
                    continue
                is_buy = order.side is OrderSide.BUY
                follow(order, bar.low if is_buy else bar.high)
                level = _stop_level(order, bar.tick_size)
                if level and (bar.high >= level if is_buy else bar.low <= level):
                    self._trigger(account, order, _quote_at(level, bar), now_ms)
                    has_fired = True

    def _fill_at_its_price(self, account: Account, order: Order, now_ms: int) -> None:
        quantity = self._curbed(order, order.remaining)
        self._execute(account, order, order.price, quantity, now_ms, is_maker=True)

    # Life of an order

    def _accept(self, account: Account, wanted: NewOrder, now_ms: int) -> Order:
        self._last_order_id += 1
        order = Order(
            order_id=self._last_order_id,
            client_order_id=wanted.client_order_id,
            symbol=wanted.symbol,
            side=wanted.side,
            order_type=wanted.order_type,
            time_in_force=wanted.time_in_force,
            quantity=wanted.quantity,
            price=wanted.price,
            quote_amount=wanted.quote_amount,
            status=OrderStatus.OPEN,
            created_ms=now_ms,
            updated_ms=now_ms,
            trigger_price=wanted.trigger_price,
            trailing_share=wanted.trailing_share,
            trailing_amount=wanted.trailing_amount,
            self_trade=wanted.self_trade,
            exits=wanted.exits,
            fee_in=wanted.fee_in,
            labels=wanted.labels,
        )
        account.orders[order.order_id] = order
        account.newest_by_client_id[order.client_order_id] = order
        return order

    def _enter(self, account: Account, order: Order, phase: Phase, now_ms: int) -> None:
        """Make it known as open in a phase, and tell so when it is new."""
        # What waited for its entry is news once more when it is set up.
        is_new = order.order_id not in account.resting or order.phase is Phase.PENDING
        self._calm.pop(order.symbol, None)
        order.phase = phase
        order.updated_ms = account.updated_ms = now_ms
        account.resting[order.order_id] = order
        self._open.setdefault(order.symbol, {})[order.order_id] = (account, order)
        if is_new:
            self._tell(EventKind.NEW, account, order)

    def _wait(self, account: Account, order: Order, quote: Quote | None, now_ms: int) -> None:
        if self.venue.locks_conditionals and not order.locked:
            self._lock(account, order, self._price_of(order, [], quote)[1])
        self._begin_following(order, quote)
        self._enter(account, order, Phase.WAITING, now_ms)

    @staticmethod
    def _begin_following(order: Order, quote: Quote | None) -> None:
        if quote is not None and not (is_trailing(order) and order.trigger_price):
            order.best_price = quote.price

    def _work(
        self,
        account: Account,
        order: Order,
        quote: Quote | None,
        now_ms: int,
        *,
        is_new: bool = True,
    ) -> None:
        """Bring an order to the book: take what it can, then rest or end."""
        order.working_ms = now_ms
        matches = self._matches(order, quote)
        if order.quote_amount and not order.quantity:
            order.quantity = self._quantity_for(order, matches)
        if order.time_in_force is TimeInForce.POST_ONLY and matches:
            self._enter(account, order, Phase.BOOK, now_ms)
            self._end(account, order, OrderStatus.CANCELLED, EndReason.POST_ONLY, now_ms)
            return
        found = sum((match.quantity for match in matches), ZERO)
        if order.time_in_force is TimeInForce.FOK and found < order.remaining:
            matches = []
        if is_new and order.phase is not Phase.BOOK:
            self._enter(account, order, Phase.BOOK, now_ms)
        while matches:
            self._meet_all(account, order, matches, now_ms)
            # An own order that was ended instead of traded with leaves room for others.
            matches = self._matches(order, quote) if order.is_open else []
        if order.is_open:
            self._rest_or_end(account, order, quote, now_ms)

    def _quantity_for(self, order: Order, matches: Sequence[Match]) -> Decimal:
        """What an amount of quote stands for: what it finds, and what the rest would pay for."""
        found = sum((match.quantity for match in matches), ZERO)
        spent = sum((match.quantity * match.price for match in matches), ZERO)
        rest = (order.quote_amount - spent) / matches[-1].price if matches else ZERO
        return found + floor_to(rest, self._markets[order.symbol].step_size)

    def _rest_or_end(
        self, account: Account, order: Order, quote: Quote | None, now_ms: int
    ) -> None:
        """What becomes of what nobody took."""
        is_limit = order.order_type in _LIMITS
        if is_limit and order.time_in_force not in _AT_ONCE:
            need = self._price_of(order, [], quote)[1]
            self._lock(account, order, min(need, account.free.get(self._pays_with(order), ZERO)))
            self._record(account, order, None)
            return
        reason = _AT_ONCE.get(order.time_in_force) if is_limit else None
        reason = reason or EndReason.NO_LIQUIDITY
        self._end(account, order, OrderStatus.EXPIRED, reason, now_ms)

    def _trigger(self, account: Account, order: Order, quote: Quote, now_ms: int) -> None:
        self._calm.pop(order.symbol, None)
        order.triggered_ms = order.updated_ms = now_ms
        self._end_others(account, order, now_ms)
        self._unlock(account, order, order.locked)
        self._tell(EventKind.TRIGGERED, account, order)
        matches = self._matches(order, quote)
        asset, amount = self._price_of(order, matches, quote)
        if account.free.get(asset, ZERO) < amount:
            self._end(account, order, OrderStatus.REJECTED, EndReason.NO_FUNDS, now_ms)
            return
        order.phase = Phase.BOOK
        self._work(account, order, quote, now_ms, is_new=False)

    def _end(
        self, account: Account, order: Order, status: OrderStatus, reason: EndReason, now_ms: int
    ) -> None:
        self._unlock(account, order, order.locked)
        self._close(account, order)
        order.status, order.end_reason = status, reason
        order.updated_ms = account.updated_ms = now_ms
        self._tell(EventKind.ENDED, account, order)
        self._after(account, order, now_ms)

    def _close(self, account: Account, order: Order) -> None:
        self._calm.pop(order.symbol, None)
        order.phase = Phase.DONE
        account.resting.pop(order.order_id, None)
        self._open.get(order.symbol, {}).pop(order.order_id, None)

    def _after(self, account: Account, order: Order, now_ms: int) -> None:
        """What an order's end does to those that are tied to it."""
        if order.status is OrderStatus.FILLED or (order.exits and order.filled_quantity):
            self._set_up_exits(account, order, now_ms)
        listed = account.lists.get(order.list_id)
        if listed is None or listed.kind is OrderListKind.OCO:
            return
        if order.order_id != listed.order_ids[0]:
            return
        pending = [o for o in self._others(account, order) if o.phase is Phase.PENDING]
        if order.status is not OrderStatus.FILLED:
            self._end_pending(account, order, pending, now_ms)
            return
        for other in pending:
            other.quantity = other.quantity or self._received(account, order)
        quote = self._quotes.get(order.symbol)
        if listed.kind is OrderListKind.OTOCO:
            self._set_up_oco(account, pending, quote, now_ms)
        else:
            for other in pending:
                self._set_up(account, other, quote, now_ms)

    # Lists and exits

    def _end_pending(
        self, account: Account, entry: Order, pending: Sequence[Order], now_ms: int
    ) -> None:
        """A user's cancel takes the whole list with it; else it expires with its entry."""
        is_cancelled = entry.end_reason is EndReason.USER
        status = entry.status if is_cancelled else OrderStatus.EXPIRED
        reason = EndReason.USER if is_cancelled else EndReason.ENTRY_ENDED
        for other in pending:
            if other.is_open:
                self._end(account, other, status, reason, now_ms)

    def _others(self, account: Account, order: Order) -> list[Order]:
        listed = account.lists.get(order.list_id)
        if listed is None:
            return []
        return [account.orders[i] for i in listed.order_ids if i != order.order_id]

    def _legs(self, account: Account, order: Order) -> list[Order]:
        """The other leg, where one cancels the other."""
        listed = account.lists.get(order.list_id)
        if listed is None or listed.kind is OrderListKind.OTO:
            return []
        is_entry = listed.kind is OrderListKind.OTOCO and order.order_id == listed.order_ids[0]
        entry = listed.order_ids[:1] if listed.kind is OrderListKind.OTOCO else ()
        if is_entry:
            return []
        return [o for o in self._others(account, order) if o.order_id not in entry]

    def _end_others(self, account: Account, order: Order, now_ms: int) -> None:
        others = [other for other in self._legs(account, order) if other.is_open]
        for other in others:
            self._end(account, other, OrderStatus.EXPIRED, EndReason.OTHER_LEG, now_ms)
        if others and not order.locked and order.phase is Phase.BOOK:
            # The money of both legs was held by the one that is gone.
            self._lock(account, order, self._price_of(order, [], None)[1])

    def _check_list(
        self,
        account: Account,
        kind: OrderListKind,
        wanted: Sequence[NewOrder],
        quote: Quote | None,
        now_ms: int,
    ) -> None:
        for each in wanted:
            if self._is_taken(account, each.client_order_id, now_ms):
                raise OrderRejected(RejectionReason.DUPLICATE_CLIENT_ORDER_ID)
        if kind is OrderListKind.OCO:
            self._check_oco(account, wanted, quote)
        else:
            self.check(account, wanted[0], quote, now_ms)

    def _check_oco(self, account: Account, legs: Sequence[NewOrder], quote: Quote | None) -> None:
        for leg in legs:
            if leg.order_type.is_conditional:
                if quote is not None and would_trigger(leg, quote.price):
                    raise OrderRejected(RejectionReason.WOULD_TRIGGER)
            elif self._matches(leg, quote):
                raise OrderRejected(RejectionReason.WOULD_TAKE)
        need = max(self._price_of(leg, [], quote)[1] for leg in legs)
        if account.free.get(self._pays_with(legs[0]), ZERO) < need:
            raise OrderRejected(RejectionReason.INSUFFICIENT_BALANCE)

    def _set_up_oco(
        self, account: Account, legs: Sequence[Order], quote: Quote | None, now_ms: int
    ) -> None:
        """Both legs wait for the same money: the first one holds it for both."""
        need = max((self._price_of(leg, [], quote)[1] for leg in legs), default=ZERO)
        free = account.free.get(self._pays_with(legs[0]), ZERO) if legs else ZERO
        if free < need:
            for leg in legs:
                self._end(account, leg, OrderStatus.REJECTED, EndReason.NO_FUNDS, now_ms)
            return
        for number, leg in enumerate(legs):
            if number == 0:
                self._lock(account, leg, need)
            if leg.order_type.is_conditional:
                self._begin_following(leg, quote)
                self._enter(account, leg, Phase.WAITING, now_ms)
            else:
                leg.working_ms = now_ms
                self._enter(account, leg, Phase.BOOK, now_ms)
            self._record(account, leg, None)

    def _set_up(self, account: Account, order: Order, quote: Quote | None, now_ms: int) -> None:
        asset, amount = self._price_of(order, [], quote)
        if account.free.get(asset, ZERO) < amount:
            self._end(account, order, OrderStatus.REJECTED, EndReason.NO_FUNDS, now_ms)
        elif order.order_type.is_conditional:
            self._wait(account, order, quote, now_ms)
            self._record(account, order, None)
        else:
            self._work(account, order, quote, now_ms)

    def _received(self, account: Account, order: Order) -> Decimal:
        """Base that a purchase has brought, on the grid of quantities."""
        market = self._markets[order.symbol]
        fees = sum(f.fee for f in account.fills_of(order) if f.fee_asset == market.base)
        return floor_to(order.filled_quantity - fees, market.step_size)

    def _set_up_exits(self, account: Account, order: Order, now_ms: int) -> None:
        """Place what was attached to an order, for what it has received."""
        if not order.exits:
            return
        quantity = self._received(account, order)
        exits = [
            self._accept(
                account,
                NewOrder(
                    client_order_id="",
                    symbol=order.symbol,
                    side=OrderSide.SELL if order.side is OrderSide.BUY else OrderSide.BUY,
                    order_type=template.order_type,
                    quantity=quantity,
                    price=template.price,
                    trigger_price=template.trigger_price,
                    labels={"attached_to": str(order.order_id)},
                ),
                now_ms,
            )
            for template in order.exits
        ]
        for attached in exits:
            attached.client_order_id = f"exit{attached.order_id}"
        quote = self._quotes.get(order.symbol)
        if len(exits) == 1:
            self._set_up(account, exits[0], quote, now_ms)
            return
        self._last_list_id += 1
        listed = OrderList(
            list_id=self._last_list_id,
            client_list_id="",
            kind=OrderListKind.OCO,
            symbol=order.symbol,
            order_ids=tuple(attached.order_id for attached in exits),
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        account.lists[listed.list_id] = listed
        for attached in exits:
            attached.list_id = listed.list_id
        self._record(account, listed, None)
        self._set_up_oco(account, exits, quote, now_ms)

    # Meeting and paying

    def _matches(self, wanted: NewOrder | Order, quote: Quote | None) -> list[Match]:
        """What an order would trade with at once: best price first, users before the market."""
        left = wanted.remaining if isinstance(wanted, Order) else wanted.quantity
        amount = wanted.quote_amount if not left else ZERO
        limit = wanted.price if wanted.order_type in _LIMITS else ZERO
        step = self._markets[wanted.symbol].step_size
        matches: list[Match] = []
        for price, available, maker in self._offers(wanted, quote):
            is_beyond = price > limit if wanted.side is OrderSide.BUY else price < limit
            if limit and is_beyond:
                break
            quantity = floor_to(amount / price, step) if amount else left
            quantity = min(quantity, available)
            if quantity <= 0:
                break
            matches.append(Match(price, quantity, maker))
            if amount:
                amount -= quantity * price
            else:
                left -= quantity
        return matches

    def _offers(
        self, wanted: NewOrder | Order, quote: Quote | None
    ) -> Iterable[tuple[Decimal, Decimal, tuple[Account, Order] | None]]:
        is_buy, side = wanted.side is OrderSide.BUY, wanted.side
        limit = wanted.price if wanted.order_type in _LIMITS else ZERO
        # Without depth everything trades with the candles alone.
        users = self._open.get(wanted.symbol, {}) if self._has_depth else {}
        offers: list[tuple[Decimal, Decimal, tuple[Account, Order] | None]] = [
            (order.price, order.remaining, (account, order))
            for account, order in users.values()
            if order.side is not side
            and order.phase is Phase.BOOK
            and order.price
            and (not limit or (order.price <= limit if is_buy else order.price >= limit))
        ]
        if quote is not None:
            levels = self.liquidity(wanted.symbol, quote).offers(wanted.side)
            offers += [(level.price, level.quantity, None) for level in levels]
        # A stable sort: at one price users come before the market, in the order of their time.
        offers.sort(key=lambda offer: offer[0], reverse=not is_buy)
        return offers

    def _meet_all(
        self, account: Account, order: Order, matches: Iterable[Match], now_ms: int
    ) -> None:
        for match in matches:
            if order.is_open:
                self._meet(account, order, match, now_ms)

    def _meet(self, account: Account, order: Order, match: Match, now_ms: int) -> None:
        quantity = self._curbed(order, match.quantity)
        if match.maker is None:
            self._liquidity[order.symbol].take(order.side, quantity)
        else:
            maker_account, maker = match.maker
            if maker_account is account and order.self_trade is not SelfTrade.ALLOW:
                if order.self_trade in {SelfTrade.END_MAKER, SelfTrade.END_BOTH}:
                    self._end(account, maker, OrderStatus.EXPIRED, EndReason.SELF_TRADE, now_ms)
                if order.self_trade in {SelfTrade.END_TAKER, SelfTrade.END_BOTH}:
                    self._end(account, order, OrderStatus.EXPIRED, EndReason.SELF_TRADE, now_ms)
                return
            if not maker.is_open:
                return
            quantity = self._curbed(maker, quantity)
            self._execute(maker_account, maker, match.price, quantity, now_ms, is_maker=True)
        self._execute(account, order, match.price, quantity, now_ms, is_maker=False)

    def _curbed(self, order: Order, quantity: Decimal) -> Decimal:
        return quantity if self.curb is None else self.curb(order, quantity)

    def _own(self, account: Account) -> Account:
        """The account behind what a client sees of it."""
        return self.accounts.get(account.key, account)

    def _execute(
        self,
        account: Account,
        order: Order,
        price: Decimal,
        quantity: Decimal,
        now_ms: int,
        *,
        is_maker: bool,
    ) -> None:
        """Trade a part of an order: pay, receive less the fee, and end it when it is whole."""
        self._end_others(account, order, now_ms)
        share = order.locked * quantity / order.remaining if order.remaining else ZERO
        self._unlock(account, order, order.locked if quantity == order.remaining else share)
        market, is_buy = self._markets[order.symbol], order.side is OrderSide.BUY
        paid, received = quantity * price, quantity
        asset_paid, asset_received = market.quote, market.base
        if not is_buy:
            paid, received = received, paid
            asset_paid, asset_received = asset_received, asset_paid
        fee, fee_asset = self._fee(order, quantity, price, is_maker=is_maker)
        self._add(account, asset_paid, -paid)
        self._add(account, asset_received, received)
        self._add(account, fee_asset, -fee)
        order.filled_quantity += quantity
        order.filled_quote += quantity * price
        order.updated_ms = account.updated_ms = now_ms
        is_whole = not order.remaining
        order.status = OrderStatus.FILLED if is_whole else OrderStatus.PARTIALLY_FILLED
        self._last_trade_id += 1
        fill = Fill(
            trade_id=self._last_trade_id,
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=is_maker,
            filled_ms=now_ms,
        )
        account.fills.append(fill)
        if is_whole:
            self._close(account, order)
        self._tell(EventKind.TRADE, account, order, fill)
        if is_whole:
            self._after(account, order, now_ms)

    def _fee(
        self, order: Order, quantity: Decimal, price: Decimal, *, is_maker: bool
    ) -> tuple[Decimal, str]:
        market, rate = self._markets[order.symbol], self.venue.fee_rate(is_maker=is_maker)
        in_quote = self.venue.fee_asset is FeeAsset.QUOTE or order.side is OrderSide.SELL
        if order.fee_in:
            in_quote = order.fee_in == market.quote
        amount = quantity * price if in_quote else quantity
        fee = (amount * rate).quantize(_AMOUNT_GRID, ROUND_DOWN)
        return fee, market.quote if in_quote else market.base

    def _pays_with(self, order: NewOrder | Order) -> str:
        market = self._markets[order.symbol]
        return market.quote if order.side is OrderSide.BUY else market.base

    def _price_of(
        self, order: NewOrder | Order, matches: Sequence[Match], quote: Quote | None
    ) -> tuple[str, Decimal]:
        """What an order pays with, and the most of it that it needs now."""
        left = order.remaining if isinstance(order, Order) else order.quantity
        asset = self._pays_with(order)
        if order.side is OrderSide.SELL:
            sold = left or sum((match.quantity for match in matches), ZERO)
            if not left and order.quote_amount and quote:
                step = self._markets[order.symbol].step_size
                sold = max(sold, floor_to(order.quote_amount / quote.price, step))
            # A fee in what is sold comes on top of it.
            return asset, sold * (1 + self.venue.taker_fee) if order.fee_in == asset else sold
        taken = sum((match.quantity * match.price for match in matches), ZERO)
        rest = max(ZERO, left - sum((match.quantity for match in matches), ZERO))
        if order.order_type in _LIMITS:
            taken += rest * order.price
        elif left:
            taken += rest * (order.trigger_price or (quote.price if quote else ZERO))
        else:
            # What the book can't give has to be there too.
            taken = max(taken, order.quote_amount)
        if order.fee_in == asset or (self.venue.fee_asset is FeeAsset.QUOTE and not order.fee_in):
            taken *= 1 + self.venue.taker_fee
        return asset, taken

    def _lock(self, account: Account, order: Order, amount: Decimal) -> None:
        asset = self._pays_with(order)
        self._add(account, asset, -amount)
        account.locked[asset] = account.locked.get(asset, ZERO) + amount
        order.locked += amount

    def _unlock(self, account: Account, order: Order, amount: Decimal) -> None:
        if amount:
            asset = self._pays_with(order)
            account.locked[asset] -= amount
            self._add(account, asset, amount)
            order.locked -= amount

    @staticmethod
    def _add(account: Account, asset: str, amount: Decimal) -> None:
        account.free[asset] = account.free.get(asset, ZERO) + amount

    # Book-keeping

    def _resting(self, symbol: str, price: Decimal) -> list[tuple[Account, Order]]:
        """Orders that a price has gone through, by price and then by time; a touch is not enough."""
        through = [
            (account, order)
            for account, order in self._open.get(symbol, {}).values()
            if order.phase is Phase.BOOK
            and (price < order.price if order.side is OrderSide.BUY else price > order.price)
        ]
        through.sort(
            key=lambda each: -each[1].price if each[1].side is OrderSide.BUY else each[1].price
        )
        return through

    def _is_taken(self, account: Account, client_order_id: str, now_ms: int) -> bool:
        known = account.newest_by_client_id.get(client_order_id) if client_order_id else None
        if known is None:
            return False
        return known.is_open or now_ms - known.updated_ms < self.venue.client_id_ms

    def _tell(
        self, kind: EventKind, account: Account, order: Order, fill: Fill | None = None
    ) -> None:
        self._record(account, order, fill)
        for listener in self.listeners:
            listener(Event(kind, account, order, fill))

    def _adopt(self, account: Account) -> None:
        """Take up an account from the state file."""
        self._last_order_id = max(self._last_order_id, *account.orders, 0)
        self._last_list_id = max(self._last_list_id, *account.lists, 0)
        self._last_trade_id = max(self._last_trade_id, *(f.trade_id for f in account.fills), 0)
        for order in account.orders.values():
            account.newest_by_client_id[order.client_order_id] = order
            if order.is_open:
                account.resting[order.order_id] = order
                self._open.setdefault(order.symbol, {})[order.order_id] = (account, order)


def would_trigger(order: NewOrder | Order, price: Decimal) -> bool:
    """Whether a conditional order would fire at once, which no exchange accepts."""
    if order.order_type is OrderType.TRAILING_STOP or not order.trigger_price:
        return False
    return is_beyond(order, order.trigger_price, price)


def is_trailing(order: Order) -> bool:
    """Whether the trigger follows the price: always so of a trailing stop, of others by their share."""
    return order.order_type is OrderType.TRAILING_STOP or order.trailing_share > 0


def is_triggered(order: Order, price: Decimal) -> bool:
    """Whether the price has come to where a waiting order fires."""
    if not is_trailing(order):
        return is_beyond(order, order.trigger_price, price)
    if not order.best_price:
        return False
    stop = trailing_stop(order)
    return price <= stop if order.side is OrderSide.SELL else price >= stop


def trailing_stop(order: Order) -> Decimal:
    """Where a trailing stop stands now."""
    distance = order.trailing_amount or order.best_price * order.trailing_share
    return order.best_price + (distance if order.side is OrderSide.BUY else -distance)


def follow(order: Order, price: Decimal) -> None:
    """Remember the best price a trailing stop has seen, from its activation price on."""
    if not is_trailing(order):
        return
    if not order.best_price:
        is_far = (
            price < order.trigger_price
            if order.side is OrderSide.SELL
            else (price > order.trigger_price)
        )
        if order.order_type is not OrderType.TRAILING_STOP:
            is_far = not is_beyond(order, order.trigger_price, price)
        order.best_price = ZERO if is_far else price
        return
    better = max if order.side is OrderSide.SELL else min
    order.best_price = better(order.best_price, price)


def is_beyond(order: NewOrder | Order, trigger_price: Decimal, price: Decimal) -> bool:
    """A stop fires as the price goes against its holder, a take profit as it goes with him."""
    is_sell = order.side is OrderSide.SELL
    falls = is_sell == order.order_type.is_stop
    return price <= trigger_price if falls else price >= trigger_price


def _protects(order: Order) -> bool:
    """Whether it fires as the price goes against its holder."""
    return order.order_type.is_stop or is_trailing(order)


def _stop_level(order: Order, tick_size: Decimal) -> Decimal:
    """The price at which a stop fires now, zero while a trailing one is not active."""
    if not is_trailing(order):
        return order.trigger_price
    if not order.best_price:
        return ZERO
    rounded = floor_to if order.side is OrderSide.SELL else ceil_to
    return rounded(trailing_stop(order), tick_size)


def _calm_between(orders: Iterable[Order]) -> tuple[float, float]:
    """The prices between which none of these orders is reached; none at all where one follows the
    price, or may set others up at it."""
    low, high = -math.inf, math.inf
    for order in orders:
        if order.exits or order.list_id or is_trailing(order):
            return math.inf, -math.inf
        if order.phase is Phase.BOOK:
            level, is_below = order.price, order.side is OrderSide.BUY
        else:
            level = order.trigger_price
            is_below = (order.side is OrderSide.SELL) == order.order_type.is_stop
        if is_below:
            low = max(low, float(level))
        else:
            high = min(high, float(level))
    return low, high


def _quote_at(price: Decimal, bar: Bar) -> Quote:
    return Quote(price=price, low=price, high=price, tick_size=bar.tick_size)
