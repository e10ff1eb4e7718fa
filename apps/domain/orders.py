"""What an order is and the moves its life allows."""

from enum import StrEnum


class OrderSide(StrEnum):
    """Buy or sell the base asset."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """How the price is found; the conditional ones wait for a trigger price first.

    A stop loss triggers when the price moves against the holder of the position it ends, a take
    profit when it moves in his favour. Without `_limit` they trade at market then.
    """

    MARKET = "market"
    LIMIT = "limit"
    STOP_LOSS = "stop_loss"
    STOP_LOSS_LIMIT = "stop_loss_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP = "trailing_stop"

    @property
    def has_limit_price(self) -> bool:
        """It trades at its limit price or better."""
        return self in {self.LIMIT, self.STOP_LOSS_LIMIT, self.TAKE_PROFIT_LIMIT}

    @property
    def is_conditional(self) -> bool:
        """It waits for a trigger before it trades."""
        return self not in {self.MARKET, self.LIMIT}

    @property
    def is_stop(self) -> bool:
        """It ends a position that goes wrong."""
        return self in {self.STOP_LOSS, self.STOP_LOSS_LIMIT, self.TRAILING_STOP}


class TimeInForce(StrEnum):
    """How long a limit order stands, and whether it may take liquidity."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class OrderListKind(StrEnum):
    """Orders that the exchange ties together.

    OCO: two legs, one cancels the other. OTO: the second is set up when the first is filled.
    OTOCO: an entry, and when it is filled an OCO.
    """

    OCO = "oco"
    OTO = "oto"
    OTOCO = "otoco"


class OrderSource(StrEnum):
    """Who wanted the order."""

    MANUAL = "manual"
    STRATEGY = "strategy"
    WEBHOOK = "webhook"
    PROTECTION = "protection"
    EXTERNAL = "external"


class OrderPurpose(StrEnum):
    """What the order does to its position: opens or adds to it, ends it, or protects it by waiting for a
    price at the exchange."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"

    @property
    def is_protection(self) -> bool:
        """A leg that waits for a price; replaced when what it protects changes."""
        return self in {self.STOP_LOSS, self.TAKE_PROFIT}

    @property
    def reduces(self) -> bool:
        """It only ever makes the position smaller, so no switch and no age may stop it."""
        return self is not self.ENTRY


class OrderStatus(StrEnum):
    """Where an order is; denied is our gate's no, rejected is the exchange's."""

    CREATED = "created"
    DENIED = "denied"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Nothing more is expected of an order in this status."""
        return self in TERMINAL_STATUSES


_S = OrderStatus
TERMINAL_STATUSES = frozenset({_S.DENIED, _S.FILLED, _S.CANCELLED, _S.REJECTED, _S.EXPIRED})
#: The order rests, may rest or is about to be sent: it claims money and blocks a second entry.
LIVE_STATUSES = frozenset(set(OrderStatus) - TERMINAL_STATUSES)
_ANSWERS = frozenset(
    {_S.OPEN, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.REJECTED, _S.EXPIRED}
)
#: What an exchange can show of an order that we had called ended.
_TRACES = frozenset({_S.OPEN, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.EXPIRED})
NEXT_STATUSES: dict[OrderStatus, frozenset[OrderStatus]] = {
    _S.CREATED: frozenset({_S.SUBMITTED, _S.CANCELLED, _S.EXPIRED}),
    _S.DENIED: frozenset(),
    # What was claimed and turns out not to be worth sending is cancelled by its own sender.
    _S.SUBMITTED: _ANSWERS | {_S.UNKNOWN},
    _S.UNKNOWN: _ANSWERS,
    # A conditional order can be refused when it fires: the money is gone by then.
    _S.OPEN: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED}),
    _S.PARTIALLY_FILLED: frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED}),
    _S.FILLED: frozenset(),
    # A fill can overtake our cancel, and the exchange tells the cancel first. An order that rests after
    # all was called ended too early, by us or by an answer that was wrong; what the exchange shows wins.
    _S.CANCELLED: _TRACES - {_S.CANCELLED},
    # The same for the end of its time.
    _S.EXPIRED: _TRACES - {_S.EXPIRED},
    # "Never arrived" was concluded from absence; a trace that shows up later wins.
    _S.REJECTED: _TRACES,
}


def is_reopening(current: OrderStatus, target: OrderStatus) -> bool:
    """Whether an order that had ended lives again, or was found after it was taken for never arrived:
    a person should know. A fill that overtook a cancel is no such thing."""
    return current.is_terminal and (not target.is_terminal or current is OrderStatus.REJECTED)


class InvalidTransition(Exception):
    """An order was asked to make a move that its status does not allow."""


def check_transition(current: OrderStatus, target: OrderStatus) -> None:
    """Raise InvalidTransition unless an order may go from `current` to `target`."""
    if target not in NEXT_STATUSES[current]:
        raise InvalidTransition(f"An order that is {current} can't become {target}.")
