"""Orders, fills and balances: the part that is the same for every exchange."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from apps.domain.markets import Market, floor_to
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.book import ENDLESS, Level, Liquidity, Match
from workers.paper_exchange.counterparties import Counterparties
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.funds import Funds
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import (
    ZERO,
    Account,
    EndReason,
    Fill,
    NewOrder,
    Order,
    OrderList,
    OrderRejected,
    Owned,
    Phase,
    RejectionReason,
    SelfTrade,
    other_legs,
    others_of,
)
from workers.paper_exchange.triggers import begin_following, follow, is_triggered, would_trigger
from workers.paper_exchange.venues import Venue

_AT_ONCE = {TimeInForce.IOC: EndReason.IMMEDIATE_ONLY, TimeInForce.FOK: EndReason.WHOLE_ONLY}


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
        self._funds = Funds(venue, markets)
        self._starting_balances = starting_balances
        self._record = record
        self._counterparties = Counterparties(markets, has_depth=has_depth)
        self._open = self._counterparties.orders
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
        return self._counterparties.liquidity(symbol, quote)

    def book(self, symbol: str, quote: Quote, side: OrderSide) -> list[Level]:
        """What a taker on `side` finds, best price first: the market's levels and its users' orders."""
        return self._counterparties.levels(symbol, quote, side)

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
        matches = [] if is_conditional else self._counterparties.matches(wanted, quote)
        is_post_only = wanted.time_in_force is TimeInForce.POST_ONLY
        if is_post_only and matches and self.venue.rejects_takers:
            raise OrderRejected(RejectionReason.WOULD_TAKE)
        if wanted.quote_amount and not matches:
            raise OrderRejected(RejectionReason.TOO_SMALL)
        if self._funds.free(account, wanted) < self._funds.price_of(wanted, matches, quote):
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
        for other in others_of(account, order):
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
        amount = self._funds.price_of(changed, [], quote)
        if order.locked and self._funds.free(account, order) + order.locked < amount:
            raise OrderRejected(RejectionReason.INSUFFICIENT_BALANCE)
        keeps_place = changed.price == order.price and changed.quantity <= order.remaining
        was_locked = bool(order.locked)
        self._funds.unlock(account, order)
        order.quantity = quantity or order.quantity
        order.price, order.trigger_price = changed.price, changed.trigger_price
        if client_order_id is not None:
            account.newest_by_client_id.pop(order.client_order_id, None)
            order.client_order_id = client_order_id
            account.newest_by_client_id[client_order_id] = order
        order.updated_ms = account.updated_ms = now_ms
        if was_locked:
            self._funds.lock(account, order, amount)
        if not keeps_place:
            self._open[order.symbol].remove(order)
        self._open[order.symbol].put(account, order)
        self._tell(EventKind.AMENDED, account, order)
        if order.phase is Phase.BOOK and price is not None:
            self._funds.unlock(account, order)
            self._work(account, order, quote, now_ms, is_new=False)

    # What the market does

    def has_open(self, symbol: str) -> bool:
        """Whether an order of this market may still trade."""
        return bool(self._open[symbol])

    def open_orders(self, symbol: str) -> list[Owned]:
        """Orders of this market that may still trade, of all accounts, oldest first."""
        return list(self._open[symbol])

    def is_reached(self, symbol: str, price: float) -> bool:
        """Whether a price of this market may change anything; most change nothing, and say so fast."""
        return not self._open[symbol].is_calm(price)

    def on_price(self, symbol: str, quote: Quote, now_ms: int) -> None:
        """Fire what waits for this price, then fill the resting orders that it has gone through."""
        passing, orders = self.liquidity(symbol, quote).passing, self._open[symbol]
        for entry in orders.may_fire(quote.price):
            order = entry.order
            if order.phase is Phase.WAITING:
                follow(order, quote.price)
                if is_triggered(order, quote.price):
                    self.fire(entry.account, order, quote, now_ms)
        for entry in orders.passed(quote.price):
            if not passing:
                break
            if entry.order.is_open:
                passing -= self.fill(entry.account, entry.order, now_ms, at_most=passing)

    def fire(self, account: Account, order: Order, quote: Quote, now_ms: int) -> None:
        """Let an order that has waited for its price trade, or end it where the money has gone."""
        order.triggered_ms = order.updated_ms = now_ms
        self._end_others(account, order, now_ms)
        self._funds.unlock(account, order)
        need = self._funds.price_of(order, self._counterparties.matches(order, quote), quote)
        if self._funds.free(account, order) < need:
            self._end(account, order, OrderStatus.REJECTED, EndReason.NO_FUNDS, now_ms)
            return
        self._tell(EventKind.TRIGGERED, account, order)
        order.phase = Phase.BOOK
        self._open[order.symbol].put(account, order)
        self._work(account, order, quote, now_ms, is_new=False)

    def fill(
        self, account: Account, order: Order, now_ms: int, *, at_most: Decimal = ENDLESS
    ) -> Decimal:
        """Fill a resting order at its own price; returns how much of it was filled."""
        quantity = self._curbed(order, min(order.remaining, at_most))
        if quantity > 0:
            self._execute(account, order, order.price, quantity, now_ms, is_maker=True)
        return quantity

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
        order.phase = phase
        order.updated_ms = account.updated_ms = now_ms
        account.resting[order.order_id] = order
        self._open[order.symbol].put(account, order)
        if is_new:
            self._tell(EventKind.NEW, account, order)

    def _holds_money(self, order: Order) -> bool:
        """Whether it holds its money back while it is open."""
        return self.venue.locks_conditionals or not order.order_type.is_conditional

    def _wait(self, account: Account, order: Order, quote: Quote | None, now_ms: int) -> None:
        if self._holds_money(order) and not order.locked:
            self._funds.lock(account, order, self._funds.price_of(order, [], quote))
        begin_following(order, quote)
        self._enter(account, order, Phase.WAITING, now_ms)

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
        matches = self._counterparties.matches(order, quote)
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
            matches = self._counterparties.matches(order, quote) if order.is_open else []
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
        is_limit = order.order_type.has_limit_price
        if is_limit and order.time_in_force not in _AT_ONCE:
            need = self._funds.price_of(order, [], quote)
            self._funds.lock(account, order, min(need, self._funds.free(account, order)))
            self._record(account, order, None)
            return
        reason = _AT_ONCE.get(order.time_in_force) if is_limit else None
        reason = reason or EndReason.NO_LIQUIDITY
        self._end(account, order, OrderStatus.EXPIRED, reason, now_ms)

    def _end(
        self, account: Account, order: Order, status: OrderStatus, reason: EndReason, now_ms: int
    ) -> None:
        self._funds.unlock(account, order)
        self._close(account, order)
        order.status, order.end_reason = status, reason
        order.updated_ms = account.updated_ms = now_ms
        self._tell(EventKind.ENDED, account, order)
        self._after(account, order, now_ms)

    def _close(self, account: Account, order: Order) -> None:
        order.phase = Phase.DONE
        account.resting.pop(order.order_id, None)
        self._open[order.symbol].remove(order)

    def _after(self, account: Account, order: Order, now_ms: int) -> None:
        """What an order's end does to those that are tied to it."""
        if order.status is OrderStatus.FILLED or (order.exits and order.filled_quantity):
            self._set_up_exits(account, order, now_ms)
        listed = account.lists.get(order.list_id)
        if listed is None or listed.kind is OrderListKind.OCO:
            return
        if order.order_id != listed.order_ids[0]:
            return
        pending = [o for o in others_of(account, order) if o.phase is Phase.PENDING]
        if order.status is not OrderStatus.FILLED:
            self._end_pending(account, order, pending, now_ms)
            return
        for other in pending:
            other.quantity = other.quantity or self._funds.received(account, order)
        quote = self._counterparties.quotes.get(order.symbol)
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

    def _end_others(self, account: Account, order: Order, now_ms: int) -> None:
        others = [other for other in other_legs(account, order) if other.is_open]
        for other in others:
            self._end(account, other, OrderStatus.EXPIRED, EndReason.OTHER_LEG, now_ms)
        if others and not order.locked and order.phase is Phase.BOOK:
            # The money of both legs was held by the one that is gone.
            self._funds.lock(account, order, self._funds.price_of(order, [], None))

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
            elif self._counterparties.matches(leg, quote):
                raise OrderRejected(RejectionReason.WOULD_TAKE)
        need = max(self._funds.price_of(leg, [], quote) for leg in legs)
        if self._funds.free(account, legs[0]) < need:
            raise OrderRejected(RejectionReason.INSUFFICIENT_BALANCE)

    def _set_up_oco(
        self, account: Account, legs: Sequence[Order], quote: Quote | None, now_ms: int
    ) -> None:
        """Both legs wait for the same money: the first one holds it for both, where they hold any."""
        needs = [self._funds.price_of(leg, [], quote) for leg in legs if self._holds_money(leg)]
        need = max(needs, default=ZERO)
        free = self._funds.free(account, legs[0]) if legs else ZERO
        if free < need:
            for leg in legs:
                self._end(account, leg, OrderStatus.REJECTED, EndReason.NO_FUNDS, now_ms)
            return
        for number, leg in enumerate(legs):
            if number == 0 and need:
                self._funds.lock(account, leg, need)
            if leg.order_type.is_conditional:
                begin_following(leg, quote)
                self._enter(account, leg, Phase.WAITING, now_ms)
            else:
                leg.working_ms = now_ms
                self._enter(account, leg, Phase.BOOK, now_ms)
            self._record(account, leg, None)

    def _set_up(self, account: Account, order: Order, quote: Quote | None, now_ms: int) -> None:
        need = self._funds.price_of(order, [], quote) if self._holds_money(order) else ZERO
        if self._funds.free(account, order) < need:
            self._end(account, order, OrderStatus.REJECTED, EndReason.NO_FUNDS, now_ms)
        elif order.order_type.is_conditional:
            self._wait(account, order, quote, now_ms)
            self._record(account, order, None)
        else:
            self._work(account, order, quote, now_ms)

    def _set_up_exits(self, account: Account, order: Order, now_ms: int) -> None:
        """Place what was attached to an order, for what it has received."""
        if not order.exits:
            return
        quantity = self._funds.received(account, order)
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
        quote = self._counterparties.quotes.get(order.symbol)
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

    def _meet_all(
        self, account: Account, order: Order, matches: Iterable[Match], now_ms: int
    ) -> None:
        for match in matches:
            if order.is_open:
                self._meet(account, order, match, now_ms)

    def _meet(self, account: Account, order: Order, match: Match, now_ms: int) -> None:
        # What has met before may have set up others, which took from both of these.
        quantity = self._curbed(order, min(match.quantity, order.remaining))
        if match.maker is None:
            self._counterparties.take(order, quantity)
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
            quantity = self._curbed(maker, min(quantity, maker.remaining))
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
        fee, fee_asset = self._funds.exchange(account, order, quantity, price, is_maker=is_maker)
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

    # Book-keeping

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
                self._open[order.symbol].put(account, order)
