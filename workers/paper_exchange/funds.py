"""What orders cost, hold back and pay."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from apps.domain.markets import Market, floor_to
from apps.domain.orders import OrderSide
from workers.paper_exchange.book import Match
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import ZERO, Account, NewOrder, Order
from workers.paper_exchange.venues import FeeAsset, Venue

_AMOUNT_GRID = Decimal("1e-8")


class Funds:
    """Moves the money of accounts by the rules of a venue."""

    def __init__(self, venue: Venue, markets: Mapping[str, Market]) -> None:
        self._venue = venue
        self._markets = markets

    def pays_with(self, order: NewOrder | Order) -> str:
        """The asset that an order gives away."""
        market = self._markets[order.symbol]
        return market.quote if order.side is OrderSide.BUY else market.base

    def free(self, account: Account, order: NewOrder | Order) -> Decimal:
        """What an account has left of the asset that an order pays with."""
        return account.free.get(self.pays_with(order), ZERO)

    def price_of(
        self, order: NewOrder | Order, matches: Sequence[Match], quote: Quote | None
    ) -> Decimal:
        """The most that an order needs now, when it meets these matches first."""
        left = order.remaining if isinstance(order, Order) else order.quantity
        asset = self.pays_with(order)
        if order.side is OrderSide.SELL:
            sold = left or sum((match.quantity for match in matches), ZERO)
            if not left and order.quote_amount and quote:
                step = self._markets[order.symbol].step_size
                sold = max(sold, floor_to(order.quote_amount / quote.price, step))
            # A fee in what is sold comes on top of it.
            return sold * (1 + self._venue.taker_fee) if order.fee_in == asset else sold
        taken = sum((match.quantity * match.price for match in matches), ZERO)
        rest = max(ZERO, left - sum((match.quantity for match in matches), ZERO))
        if order.order_type.has_limit_price:
            taken += rest * order.price
        elif left:
            taken += rest * (order.trigger_price or (quote.price if quote else ZERO))
        else:
            # What the book can't give has to be there too.
            taken = max(taken, order.quote_amount)
        if order.fee_in == asset or (self._venue.fee_asset is FeeAsset.QUOTE and not order.fee_in):
            taken *= 1 + self._venue.taker_fee
        return taken

    def lock(self, account: Account, order: Order, amount: Decimal) -> None:
        """Hold money back for an order."""
        asset = self.pays_with(order)
        _add(account, asset, -amount)
        account.locked[asset] = account.locked.get(asset, ZERO) + amount
        order.locked += amount

    def unlock(self, account: Account, order: Order, amount: Decimal | None = None) -> None:
        """Give back what an order holds, or a part of it."""
        amount = order.locked if amount is None else amount
        if amount:
            asset = self.pays_with(order)
            account.locked[asset] -= amount
            _add(account, asset, amount)
            order.locked -= amount

    def exchange(
        self, account: Account, order: Order, quantity: Decimal, price: Decimal, *, is_maker: bool
    ) -> tuple[Decimal, str]:
        """Pay for a part of an order with what it holds, and receive it less the fee, which is
        returned with its asset."""
        share = order.locked * quantity / order.remaining if order.remaining else ZERO
        self.unlock(account, order, order.locked if quantity == order.remaining else share)
        market, worth = self._markets[order.symbol], quantity * price
        sign = 1 if order.side is OrderSide.BUY else -1
        fee, fee_asset = self._fee(order, quantity, worth, is_maker=is_maker)
        _add(account, market.quote, -sign * worth)
        _add(account, market.base, sign * quantity)
        _add(account, fee_asset, -fee)
        return fee, fee_asset

    def received(self, account: Account, order: Order) -> Decimal:
        """Base that a purchase has brought, on the grid of quantities."""
        market = self._markets[order.symbol]
        fees = sum(f.fee for f in account.fills_of(order) if f.fee_asset == market.base)
        return floor_to(order.filled_quantity - fees, market.step_size)

    def _fee(
        self, order: Order, quantity: Decimal, worth: Decimal, *, is_maker: bool
    ) -> tuple[Decimal, str]:
        market, rate = self._markets[order.symbol], self._venue.fee_rate(is_maker=is_maker)
        in_quote = self._venue.fee_asset is FeeAsset.QUOTE or order.side is OrderSide.SELL
        if order.fee_in:
            in_quote = order.fee_in == market.quote
        fee = ((worth if in_quote else quantity) * rate).quantize(_AMOUNT_GRID, ROUND_DOWN)
        return fee, market.quote if in_quote else market.base


def _add(account: Account, asset: str, amount: Decimal) -> None:
    account.free[asset] = account.free.get(asset, ZERO) + amount
