"""Orders, fills and balances: the part that is the same for every exchange."""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import (
    ZERO,
    Account,
    Fill,
    NewOrder,
    Order,
    OrderRejected,
    RejectionReason,
    TimeInForce,
)

FEE_RATE = Decimal("0.001")
_AMOUNT_GRID = Decimal("1e-8")

#: Told what has changed in an account, before anybody is answered: the order and its fill, if any.
RecordChange = Callable[[Account, Order | None, Fill | None], None]


class MatchingEngine:
    """Takes orders into accounts and fills them at the prices that it is told."""

    def __init__(
        self,
        *,
        markets: Mapping[str, Market],
        accounts: dict[str, Account],
        starting_balances: Mapping[str, Decimal],
        record: RecordChange,
    ) -> None:
        self.accounts = accounts
        self._markets = markets
        self._starting_balances = starting_balances
        self._record = record
        self._resting: dict[str, dict[int, Account]] = {}
        self._last_order_id = self._last_trade_id = 0
        for account in accounts.values():
            self._last_order_id = max(self._last_order_id, *account.orders, 0)
            self._last_trade_id = max(self._last_trade_id, *(f.trade_id for f in account.fills), 0)
            for order in account.orders.values():
                if order.status is OrderStatus.OPEN:
                    self._rest(account, order)

    @property
    def open_order_count(self) -> int:
        """Resting orders of all accounts."""
        return sum(len(orders) for orders in self._resting.values())

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

    def place(
        self, account: Account, wanted: NewOrder, quote: Quote | None, now_ms: int
    ) -> tuple[Order, Fill | None]:
        """Accept an order and fill, rest or expire it; `quote` is None in a closed market.

        Raises OrderRejected.
        """
        if any(o.client_order_id == wanted.client_order_id for o in account.open_orders()):
            raise OrderRejected(RejectionReason.DUPLICATE_CLIENT_ORDER_ID)
        price = quote.taker_price(wanted.side) if quote else None
        if wanted.order_type is OrderType.LIMIT and not _is_marketable(wanted, price):
            price = None
        elif price is None:
            raise OrderRejected(RejectionReason.MARKET_CLOSED)
        asset, amount = self._payment(wanted, price or wanted.price)
        if account.free.get(asset, ZERO) < amount:
            raise OrderRejected(RejectionReason.INSUFFICIENT_BALANCE)
        order = self._accept(wanted, now_ms)
        account.orders[order.order_id] = order
        fill = None
        if price is not None:
            account.free[asset] -= amount
            fill = self._fill(account, order, price, now_ms, is_maker=False)
        elif order.time_in_force is TimeInForce.GTC:
            self._move(account, asset, amount)
            self._rest(account, order)
        else:
            order.status = OrderStatus.EXPIRED
        account.updated_ms = now_ms
        self._record(account, order, fill)
        return order, fill

    def cancel(self, account: Account, order: Order, now_ms: int) -> None:
        """Take a resting order off the book and free what it locked."""
        asset, amount = self._payment(order, order.price)
        self._move(account, asset, -amount)
        self._unrest(account, order)
        order.status = OrderStatus.CANCELLED
        order.updated_ms = account.updated_ms = now_ms
        self._record(account, order, None)

    def has_resting(self, symbol: str) -> bool:
        """Whether a price of this market can fill anything."""
        return bool(self._resting.get(symbol))

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """Fill the resting orders that the price has gone through; a touch is not enough."""
        for order_id, account in list(self._resting[symbol].items()):
            order = account.orders[order_id]
            is_through = price < order.price if order.side is OrderSide.BUY else price > order.price
            if is_through:
                asset, amount = self._payment(order, order.price)
                account.locked[asset] -= amount
                self._unrest(account, order)
                fill = self._fill(account, order, order.price, at_ms, is_maker=True)
                account.updated_ms = at_ms
                self._record(account, order, fill)

    def _accept(self, wanted: NewOrder, now_ms: int) -> Order:
        self._last_order_id += 1
        return Order(
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
        )

    def _fill(
        self, account: Account, order: Order, price: Decimal, at_ms: int, *, is_maker: bool
    ) -> Fill:
        """Fill the whole order; what it pays has been taken already."""
        market = self._markets[order.symbol]
        received, asset = order.quantity, market.base
        if order.side is OrderSide.SELL:
            received, asset = order.quantity * price, market.quote
        fee = (received * FEE_RATE).quantize(_AMOUNT_GRID, ROUND_DOWN)
        account.free[asset] = account.free.get(asset, ZERO) + received - fee
        order.status = OrderStatus.FILLED
        order.filled_quantity = order.quantity
        order.filled_quote = order.quantity * price
        order.updated_ms = at_ms
        self._last_trade_id += 1
        fill = Fill(
            trade_id=self._last_trade_id,
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=order.quantity,
            fee=fee,
            fee_asset=asset,
            is_maker=is_maker,
            filled_ms=at_ms,
        )
        account.fills.append(fill)
        return fill

    def _payment(self, order: NewOrder | Order, price: Decimal) -> tuple[str, Decimal]:
        """What the order pays with at a price, and how much of it."""
        market = self._markets[order.symbol]
        if order.side is OrderSide.BUY:
            return market.quote, order.quantity * price
        return market.base, order.quantity

    def _rest(self, account: Account, order: Order) -> None:
        self._resting.setdefault(order.symbol, {})[order.order_id] = account
        account.resting[order.order_id] = order

    def _unrest(self, account: Account, order: Order) -> None:
        del self._resting[order.symbol][order.order_id]
        del account.resting[order.order_id]

    @staticmethod
    def _move(account: Account, asset: str, amount: Decimal) -> None:
        account.free[asset] -= amount
        account.locked[asset] = account.locked.get(asset, ZERO) + amount


def _is_marketable(wanted: NewOrder, price: Decimal | None) -> bool:
    """Whether a limit order takes at once at the price it would pay."""
    if price is None:
        return False
    return wanted.price >= price if wanted.side is OrderSide.BUY else wanted.price <= price
