"""Orders, fills and balances: the part that is the same for every exchange."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import NamedTuple

from apps.domain.markets import Market, floor_to
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.book import Liquidity
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
        self._markets = markets
        self._starting_balances = starting_balances
        self._record = record
        self._has_depth = has_depth
        self._liquidity: dict[str, Liquidity] = {}
        self._quotes: dict[str, Quote] = {}
        #: Per symbol, in the order in which they came.
        self._open: dict[str, dict[int, tuple[Account, Order]]] = {}
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
        return account

    def liquidity(self, symbol: str, quote: Quote) -> Liquidity:
        """What the market offers at this quote; what was taken of it stays taken."""
        if self._quotes.get(symbol) != quote:
            self._quotes[symbol] = quote
            self._liquidity[symbol] = Liquidity(
                quote, step_size=self._markets[symbol].step_size, has_depth=self._has_depth
            )
        return self._liquidity[symbol]

    # What clients ask for

    def place(self, account: Account, wanted: NewOrder, quote: Quote | None, now_ms: int) -> Order:
        """Accept an order and fill, rest or end it; `quote` is None in a closed market.

        Raises OrderRejected, and nothing has changed then.
        """
        self.check(account, wanted, quote, now_ms)
        order = self._accept(account, wanted, now_ms)
        if order.order_type in _LIMITS | {OrderType.MARKET} and not order.trigger_price:
            self._work(account, order, quote, now_ms)
        else:
            self._wait(account, order, quote, now_ms)
        return order

    def check(self, account: Account, wanted: NewOrder, quote: Quote | None, now_ms: int) -> None:
        """Raise OrderRejected for what `place` would refuse."""
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

        Raises OrderRejected.
        """
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
    ) -> None:
        """Change an open order in place; one that only shrinks keeps its place in the queue.

        Raises OrderRejected, and nothing has changed then.
        """
        changed = NewOrder(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=(quantity or order.quantity) - order.filled_quantity,
            price=price or order.price,
            trigger_price=trigger_price or order.trigger_price,
        )
        if order.phase is Phase.WAITING and quote and would_trigger(changed, quote.price):
            raise OrderRejected(RejectionReason.WOULD_TRIGGER)
        asset, amount = self._price_of(changed, [], quote)
        if order.locked and account.free.get(asset, ZERO) + order.locked < amount:
            raise OrderRejected(RejectionReason.INSUFFICIENT_BALANCE)
        keeps_place = changed.price == order.price and changed.quantity <= order.remaining
        was_locked = bool(order.locked)
        self._unlock(account, order, order.locked)
        order.quantity = quantity or order.quantity
        order.price, order.trigger_price = changed.price, changed.trigger_price
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
        """Whether a price of this market can change anything."""
        return bool(self._open.get(symbol))

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
            quantity = min(order.remaining, passing)
            if quantity > 0:
                passing -= quantity
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
        order.phase = phase
        order.updated_ms = account.updated_ms = now_ms
        is_new = order.order_id not in account.resting
        account.resting[order.order_id] = order
        self._open.setdefault(order.symbol, {})[order.order_id] = (account, order)
        if is_new:
            self._tell(EventKind.NEW, account, order)

    def _wait(self, account: Account, order: Order, quote: Quote | None, now_ms: int) -> None:
        if self.venue.locks_conditionals and not order.locked:
            self._lock(account, order, self._price_of(order, [], quote)[1])
        if quote is not None and not (order.trailing_share and order.trigger_price):
            order.best_price = quote.price
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
        matches = self._matches(order, quote)
        if order.quote_amount and not order.quantity:
            order.quantity = sum((match.quantity for match in matches), ZERO)
        if order.time_in_force is TimeInForce.POST_ONLY and matches:
            self._enter(account, order, Phase.BOOK, now_ms)
            self._end(account, order, OrderStatus.CANCELLED, EndReason.POST_ONLY, now_ms)
            return
        found = sum((match.quantity for match in matches), ZERO)
        if order.time_in_force is TimeInForce.FOK and found < order.remaining:
            matches = []
        if is_new and order.phase is not Phase.BOOK:
            self._enter(account, order, Phase.BOOK, now_ms)
        for match in matches:
            if not order.is_open:
                return
            self._meet(account, order, match, now_ms)
        if order.is_open:
            self._rest_or_end(account, order, quote, now_ms)

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
        order.triggered_ms = order.updated_ms = now_ms
        self._end_others(account, order, now_ms)
        held = order.locked
        self._unlock(account, order, held)
        self._tell(EventKind.TRIGGERED, account, order)
        matches = self._matches(order, quote)
        asset, amount = self._price_of(order, matches, quote)
        if account.free.get(asset, ZERO) < amount and not held:
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
            for other in pending:
                self._end(account, other, OrderStatus.EXPIRED, EndReason.ENTRY_ENDED, now_ms)
            return
        quote = self._quotes.get(order.symbol)
        if listed.kind is OrderListKind.OTOCO:
            self._set_up_oco(account, pending, quote, now_ms)
        else:
            for other in pending:
                self._set_up(account, other, quote, now_ms)

    # Lists and exits

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
        for other in self._legs(account, order):
            if other.is_open:
                self._end(account, other, OrderStatus.EXPIRED, EndReason.OTHER_LEG, now_ms)

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
                if quote is not None:
                    leg.best_price = quote.price
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

    def _set_up_exits(self, account: Account, order: Order, now_ms: int) -> None:
        """Place what was attached to an order, for what it has received."""
        if not order.exits:
            return
        market = self._markets[order.symbol]
        received = order.filled_quantity
        for fill in account.fills_of(order):
            if fill.fee_asset == market.base:
                received -= fill.fee
        quantity = floor_to(received, market.step_size)
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
        is_buy = wanted.side is OrderSide.BUY
        offers: list[tuple[Decimal, Decimal, tuple[Account, Order] | None]] = [
            (order.price, order.remaining, (account, order))
            for account, order in self._open.get(wanted.symbol, {}).values()
            if order.phase is Phase.BOOK
            and order.side is not wanted.side
            and order.price
            and order is not wanted
        ]
        if quote is not None:
            levels = self.liquidity(wanted.symbol, quote).offers(wanted.side)
            offers += [(level.price, level.quantity, None) for level in levels]
        # A stable sort: at one price users come before the market, in the order of their time.
        offers.sort(key=lambda offer: offer[0], reverse=not is_buy)
        return offers

    def _meet(self, account: Account, order: Order, match: Match, now_ms: int) -> None:
        if match.maker is None:
            self._liquidity[order.symbol].take(order.side, match.quantity)
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
            self._execute(maker_account, maker, match.price, match.quantity, now_ms, is_maker=True)
        self._execute(account, order, match.price, match.quantity, now_ms, is_maker=False)

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
            return asset, left or sum((match.quantity for match in matches), ZERO)
        taken = sum((match.quantity * match.price for match in matches), ZERO)
        rest = max(ZERO, left - sum((match.quantity for match in matches), ZERO))
        if order.order_type in _LIMITS:
            taken += rest * order.price
        elif order.order_type.is_conditional:
            worst = order.trigger_price or (quote.price if quote else ZERO)
            taken += rest * worst
        if self.venue.fee_asset is FeeAsset.QUOTE and not order.fee_in:
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


def is_triggered(order: Order, price: Decimal) -> bool:
    """Whether the price has come to where a waiting order fires."""
    if order.order_type is not OrderType.TRAILING_STOP:
        return is_beyond(order, order.trigger_price, price)
    if not order.best_price:
        return False
    distance = order.best_price * order.trailing_share
    if order.side is OrderSide.SELL:
        return price <= order.best_price - distance
    return price >= order.best_price + distance


def follow(order: Order, price: Decimal) -> None:
    """Remember the best price a trailing stop has seen, from its activation price on."""
    if order.order_type is not OrderType.TRAILING_STOP:
        return
    if not order.best_price:
        is_far = (
            price < order.trigger_price
            if order.side is OrderSide.SELL
            else (price > order.trigger_price)
        )
        order.best_price = ZERO if is_far else price
        return
    better = max if order.side is OrderSide.SELL else min
    order.best_price = better(order.best_price, price)


def is_beyond(order: NewOrder | Order, trigger_price: Decimal, price: Decimal) -> bool:
    """A stop fires as the price goes against its holder, a take profit as it goes with him."""
    is_sell = order.side is OrderSide.SELL
    falls = is_sell == order.order_type.is_stop
    return price <= trigger_price if falls else price >= trigger_price
