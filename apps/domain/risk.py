"""What may be risked, and why our own gate says no: a code for machines and words for people."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from apps.domain.markets import ZERO

#: How far from the newest closed candle a price may be.
PRICE_BAND = Decimal("0.1")
#: A market is stale when its newest candle is older than so many timeframes.
STALE_CANDLES = 3


class RiskState(StrEnum):
    """What may still be done, the strictest last. Exits and protection pass every state; only a person
    goes back to active."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"
    FLATTEN = "flatten"

    @property
    def allows_entries(self) -> bool:
        """New risk may be taken."""
        return self is RiskState.ACTIVE

    @property
    def severity(self) -> int:
        """Where it stands among the states, higher is stricter."""
        return list(RiskState).index(self)

    @property
    def words(self) -> str:
        """What it means."""
        return _STATE_WORDS[self]


_STATE_WORDS: dict[RiskState, str] = {
    RiskState.ACTIVE: "Trading",
    RiskState.REDUCE_ONLY: "Reduce only: no new entries, positions may be closed",
    RiskState.HALTED: "Halted: no new entries, stop-losses stay, positions may be closed",
    RiskState.FLATTEN: "Closing everything: entries are cancelled, positions are sold at market",
}


def strictest(states: Iterable[RiskState]) -> RiskState:
    """The state that counts where several hold; active where none does."""
    return max(states, key=lambda state: state.severity, default=RiskState.ACTIVE)


class DenialCode(StrEnum):
    """One rule of the order gate each."""

    NOT_OWNED = "not_owned"
    OTHER_MARKET = "other_market"
    BROKER_INACTIVE = "broker_inactive"
    AUTOMATION_OFF = "automation_off"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"
    STALE = "stale"
    IN_FLIGHT = "in_flight"
    NO_POSITION = "no_position"
    POSITION_CHANGED = "position_changed"
    POSITION_OPEN = "position_open"
    MARKET_CLOSED = "market_closed"
    NOT_RECONCILED = "not_reconciled"
    STALE_DATA = "stale_data"
    PRICE_OFF = "price_off"
    UNKNOWN_BALANCE = "unknown_balance"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    BELOW_MINIMUM = "below_minimum"
    ABOVE_MAXIMUM = "above_maximum"
    NOT_SELLABLE = "not_sellable"
    INVALID_SIZE = "invalid_size"
    ORDER_TOO_LARGE = "order_too_large"
    POSITION_TOO_LARGE = "position_too_large"
    TOO_MANY_POSITIONS = "too_many_positions"
    TOO_MANY_ORDERS = "too_many_orders"

    @property
    def words(self) -> str:
        """What happened and what to do about it."""
        return _WORDS[self]


_C = DenialCode
_WORDS: dict[DenialCode, str] = {
    _C.NOT_OWNED: "The money is not of the user who wanted this. Choose a broker of your own.",
    _C.OTHER_MARKET: "The symbol belongs to another exchange or another kind of money than the broker."
    " Choose one of the broker's symbols.",
    _C.BROKER_INACTIVE: "The broker is switched off. Switch it on to trade.",
    _C.AUTOMATION_OFF: "The broker's automation does not allow this source. Change it on the broker's page.",
    _C.REDUCE_ONLY: "Only positions may be closed now, nothing may be opened. Resume trading by the switch"
    " at the top of the page.",
    _C.HALTED: "Trading is halted. Resume it by the switch at the top of the page.",
    _C.STALE: "The signal was too old when it reached the gate. Nothing to do: the next one counts.",
    _C.IN_FLIGHT: "An earlier order for this position is not settled yet. Wait for it.",
    _C.NO_POSITION: "There is no open position to close.",
    _C.POSITION_CHANGED: "The position changed after this was decided. Look at it and decide again.",
    _C.POSITION_OPEN: "A position is open already. It has to be closed before a new entry.",
    _C.MARKET_CLOSED: "The exchange has suspended trading in this symbol. Wait until it opens.",
    _C.NOT_RECONCILED: "Our records have not been compared with the exchange lately. Entries wait for the"
    " order monitor: see its page if this lasts.",
    _C.STALE_DATA: "No new prices of this symbol have come lately. Check the heartbeat.",
    _C.PRICE_OFF: "The price is too far from the market. Check it.",
    _C.UNKNOWN_BALANCE: "The balance has not been read yet. Test the broker's connection.",
    _C.INSUFFICIENT_BALANCE: "Not enough free balance. Deposit, or make the order smaller.",
    _C.BELOW_MINIMUM: "The order is below the exchange's minimum. Make it larger.",
    _C.ABOVE_MAXIMUM: "The order is above the exchange's maximum. Make it smaller.",
    _C.NOT_SELLABLE: "After the fee, or at its stop-loss or take-profit, what is bought could not be sold"
    " again. Make the order larger, or move its exits.",
    _C.INVALID_SIZE: "The size is not a positive amount. Check what was typed, or the strategy's"
    " calculate_position_size().",
    _C.ORDER_TOO_LARGE: "The order is larger than your limit allows. Make it smaller, or raise the limit.",
    _C.POSITION_TOO_LARGE: "The position would be larger than your limit allows. Make the order smaller,"
    " or raise the limit.",
    _C.TOO_MANY_POSITIONS: "As many positions are open as your limit allows. Close one, or raise it.",
    _C.TOO_MANY_ORDERS: "As many orders were made in the last minute as your limit allows. Wait.",
}


@dataclass(frozen=True, slots=True)
class Denial:
    """A rule that said no, with the figures it judged by."""

    code: DenialCode
    detail: str = ""

    @property
    def words(self) -> str:
        """What happened, what to do about it, and the figures."""
        return f"{self.code.words} {self.detail}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one scope allows; None is no limit. Values are in quote currency, the daily loss is in USDT,
    the drawdown a fraction of the highest equity."""

    max_order_value: Decimal | None = None
    max_position_value: Decimal | None = None
    max_open_positions: int | None = None
    max_orders_per_minute: int | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a scope would have at stake with the order that is judged, that order included."""

    order_value: Decimal
    position_value: Decimal
    open_positions: int
    orders_last_minute: int


def find_breach(limits: Limits, exposure: Exposure) -> Denial | None:
    """The first limit that an entry would break."""
    rules: tuple[tuple[DenialCode, Decimal | int, Decimal | int | None], ...] = (
        (_C.ORDER_TOO_LARGE, exposure.order_value, limits.max_order_value),
        (_C.POSITION_TOO_LARGE, exposure.position_value, limits.max_position_value),
        (_C.TOO_MANY_POSITIONS, exposure.open_positions, limits.max_open_positions),
        (_C.TOO_MANY_ORDERS, exposure.orders_last_minute, limits.max_orders_per_minute),
    )
    for code, figure, limit in rules:
        if limit is not None and figure > limit:
            return Denial(code, f"It would be {plain(figure)}, the limit is {plain(limit)}.")
    return None


def is_off_price(price: Decimal, market_price: Decimal) -> bool:
    """Whether a price is so far from the market that it must be a mistake."""
    return abs(price - market_price) > market_price * PRICE_BAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What money is worth now, None where that is not known, and what trading had earned up to now, up to
    the start of the day and at its best. Only differences of the three count."""

    equity: Decimal | None
    earned: Decimal
    earned_at_day_start: Decimal
    earned_at_peak: Decimal

    @property
    def daily_loss(self) -> Decimal:
        """What trading has lost today; zero after a gain."""
        return max(self.earned_at_day_start - self.earned, ZERO)

    @property
    def drawdown(self) -> Decimal:
        """The fraction lost since the peak, counted on what that peak would be with the money of now."""
        if self.equity is None:
            return ZERO
        lost = max(self.earned_at_peak - self.earned, ZERO)
        peak = self.equity + lost
        return lost / peak if peak > 0 else ZERO


@dataclass(frozen=True, slots=True)
class Trip:
    """A breaker that went off: the state it asks for, and why."""

    state: RiskState
    reason: str


def find_trip(limits: Limits, performance: Performance) -> Trip | None:
    """The strictest breaker that is set off: a drawdown halts, a daily loss leaves exits."""
    drawdown, loss = performance.drawdown, performance.daily_loss
    if limits.max_drawdown is not None and drawdown > limits.max_drawdown:
        return Trip(
            RiskState.HALTED,
            f"Drawdown of {drawdown:.1%} from the highest equity; the limit is"
            f" {limits.max_drawdown:.1%}.",
        )
    if limits.max_daily_loss is not None and loss > limits.max_daily_loss:
        return Trip(
            RiskState.REDUCE_ONLY,
            f"Loss of {plain(loss)} USDT since the start of the day (UTC); the limit is"
            f" {plain(limits.max_daily_loss)} USDT.",
        )
    return None


def plain(value: Decimal | int) -> str:
    """A figure for people: eight decimals at most, none that say nothing."""
    return str(value) if isinstance(value, int) else f"{value:,.8f}".rstrip("0").rstrip(".")
