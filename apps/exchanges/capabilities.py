"""What an exchange can do, declared by its adapter, and the refusal of what it can't."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.markets import ZERO
from apps.domain.orders import OrderListKind, OrderSide, OrderType, TimeInForce
from apps.exchanges.errors import Unsupported

if TYPE_CHECKING:
    from apps.exchanges.ports import OrderListRequest, OrderReport, OrderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Facts about one exchange's spot API, for code to refuse by and for people to read.

    `quote_amount_sides`: sides on which a market order may be sized in quote. `attached_exits`:
    how many of stop loss and take profit an entry may carry (0, 1 or 2). `amends` and `replaces`:
    how a resting order is changed, in words. `amendable_types`: whose figures may change in place,
    only the quantity and only downwards where the exchange `only_shrinks`. `candle_history`: how many
    candles back it tells, None without a limit. `refuses_late_orders`: it drops an order that arrives
    after its deadline.
    """

    exchange: Exchange
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    quote_amount_sides: frozenset[OrderSide]
    order_lists: frozenset[OrderListKind]
    attached_exits: int
    trailing_has_trigger: bool
    amends: str
    amendable_types: frozenset[OrderType]
    only_shrinks: bool
    replaces: str
    timeframes: frozenset[Timeframe]
    stream_timeframes: frozenset[Timeframe]
    candle_history: int | None
    needs_passphrase: bool
    has_testnet: bool
    refuses_late_orders: bool
    tells_key_permissions: bool
    client_order_id_reuse: str
    sub_accounts: str

    def check_order(self, request: "OrderRequest") -> None:
        """Raise Unsupported for what would have to be sent as something else."""
        if request.order_type not in self.order_types:
            raise self._unsupported(f"orders of type {request.order_type}")
        if request.time_in_force not in self.times_in_force:
            raise self._unsupported(f"{request.time_in_force} orders")
        if request.quote_amount is not None and request.side not in self.quote_amount_sides:
            raise self._unsupported(f"market {request.side} orders sized in quote currency")
        if request.trigger_price and request.trailing_share and not self.trailing_has_trigger:
            raise self._unsupported("trailing stops that begin at a price")
        attached = [e for e in (request.stop_loss, request.take_profit) if e is not None]
        if len(attached) > self.attached_exits:
            allowed = "more than one" if self.attached_exits else "any"
            raise self._unsupported(f"{allowed} stop loss or take profit attached to an order")

    def check_order_list(self, request: "OrderListRequest") -> None:
        """Raise Unsupported for a kind of list, or an order in it, that the exchange lacks."""
        if request.kind not in self.order_lists:
            raise self._unsupported(f"{request.kind.upper()} order lists")
        for order in request.orders:
            self.check_order(order)

    def can_amend(self, current: "OrderReport", target: "OrderRequest") -> bool:
        """Whether an edit of this resting order changes it in place, under the ids it has; any other edit
        would be a cancel and a new order."""
        if target.order_type not in self.amendable_types:
            return False
        if (current.order_type, current.side) != (target.order_type, target.side):
            return False
        if target.time_in_force is not TimeInForce.GTC or None in {
            current.quantity,
            target.quantity,
        }:
            return False
        if not self.only_shrinks:
            return True
        prices = (current.price, current.trigger_price) == (target.price, target.trigger_price)
        rest = (current.quantity or ZERO) - (current.filled_quantity or ZERO)
        return prices and (target.quantity or ZERO) < rest

    def check_timeframe(self, timeframe: Timeframe, *, live: bool = False) -> None:
        """Raise Unsupported for candles of a length that the exchange does not make, or not live."""
        if timeframe not in (self.stream_timeframes if live else self.timeframes):
            raise self._unsupported(f"{'live ' if live else ''}{timeframe} candles")

    def _unsupported(self, what: str) -> Unsupported:
        return Unsupported(
            f"{self.exchange.title()} has no {what}. Nothing was sent.", exchange=self.exchange
        )
