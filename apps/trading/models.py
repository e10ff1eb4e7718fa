"""Orders, what happened to them, and what they made of the money."""

import uuid
from decimal import Decimal
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.brokers.models import Broker
from apps.core.fields import QuantityField
from apps.core.models import OwnedModel
from apps.domain.lots import Origin
from apps.domain.orders import (
    LIVE_STATUSES,
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from apps.domain.positions import Holding
from apps.domain.risk import DenialCode, RiskState
from apps.markets.models import Symbol


def _choices(enum: type[StrEnum]) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ")) for member in enum]


# Sorted: the order of a set differs from process to process, and a constraint must not.
_LIVE = sorted(status.value for status in LIVE_STATUSES)


def new_client_order_id() -> str:
    """32 hex characters, made once for one order and never used again."""
    return uuid.uuid4().hex


class Book(OwnedModel):
    """Whose money within a broker: one for each activation, one for manual trading, and so on. Orders
    and positions belong to a book, so that two strategies never sell each other's coins."""

    class Kind(models.TextChoices):
        ACTIVATION = "activation", "Strategy"
        MANUAL = "manual", "Manual"
        UNASSIGNED = "unassigned", "Unassigned"

    broker = models.ForeignKey(Broker, on_delete=models.PROTECT, related_name="books")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    label = models.CharField(max_length=120)
    capital = QuantityField(
        null=True,
        blank=True,
        help_text="Quote currency this book may use, its profits and losses included; empty: whatever"
        " the broker has free.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "kind"],
                condition=Q(kind__in=["manual", "unassigned"]),
                name="book_one_manual_and_one_unassigned",
            ),
            models.CheckConstraint(
                condition=Q(capital__isnull=True) | Q(capital__gt=0), name="book_has_capital"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_automatic(self) -> bool:
        """Whether signals trade it rather than a person."""
        return self.kind not in {Book.Kind.MANUAL, Book.Kind.UNASSIGNED}


class Position(OwnedModel):
    """One cycle of a book in a symbol, from the first buy to flat; derived from fills. What is left when
    it closes, too little for the exchange to take, becomes a lot of dust that is nobody's."""

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="positions")
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="positions")
    quantity = QuantityField(default=Decimal(0))
    cost = QuantityField(default=Decimal(0), help_text="What the quantity cost, fees included")
    realized_pnl = QuantityField(default=Decimal(0))
    is_incomplete = models.BooleanField(
        default=False,
        help_text="A fee or a cost is not in its profit: its price was not known",
    )
    is_oversold = models.BooleanField(
        default=False, help_text="Coins were sold that were not its own"
    )
    stop_loss_price = QuantityField(null=True)
    take_profit_price = QuantityField(null=True)
    exit_prices_changed_at = models.DateTimeField(
        null=True, help_text="When the two were last set by hand or by a signal"
    )
    version = models.PositiveIntegerField(
        default=0,
        help_text="Counts its changes, so that a decision made on an older one is refused",
    )
    opened_at = models.DateTimeField("opened (market time)")
    closed_at = models.DateTimeField("closed (market time)", null=True)

    class Meta:
        ordering = ["-opened_at"]
        indexes = [models.Index(fields=["owner", "-opened_at"], name="position_newest_of_owner")]
        constraints = [
            models.UniqueConstraint(
                fields=["book", "symbol"],
                condition=Q(closed_at__isnull=True),
                name="position_open_once_per_book_and_symbol",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="position_not_short"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} of {self.book}"

    @property
    def broker(self) -> Broker:
        """Where it is."""
        return self.book.broker

    @property
    def is_open(self) -> bool:
        """Whether the cycle goes on."""
        return self.closed_at is None

    def to_holding(self) -> Holding:
        """The numbers as the domain knows them."""
        return Holding(quantity=self.quantity, cost=self.cost, realized_pnl=self.realized_pnl)


class Order(OwnedModel):
    """Our record of one instruction; `client_order_id` is the name we share with the exchange."""

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="orders")
    broker = models.ForeignKey(Broker, on_delete=models.PROTECT, related_name="orders")
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="orders")
    position = models.ForeignKey(
        Position, on_delete=models.PROTECT, null=True, related_name="orders"
    )
    client_order_id = models.CharField(max_length=32, unique=True, default=new_client_order_id)
    exchange_order_id = models.CharField(max_length=64, default="", blank=True)
    dedup_key = models.CharField(
        max_length=120, unique=True, help_text="The one intent this order answers"
    )
    source = models.CharField(max_length=20, choices=_choices(OrderSource))
    purpose = models.CharField(max_length=20, choices=_choices(OrderPurpose))
    side = models.CharField(max_length=4, choices=_choices(OrderSide))
    order_type = models.CharField(max_length=20, choices=_choices(OrderType))
    quantity = QuantityField(null=True, help_text="Of the base asset")
    quote_amount = QuantityField(null=True, help_text="Of the quote asset, for a market buy")
    price = QuantityField(null=True, help_text="Of a limit order")
    trigger_price = QuantityField(null=True, help_text="What a conditional order waits for")
    time_in_force = models.CharField(
        max_length=10, choices=_choices(TimeInForce), default=TimeInForce.GTC.value
    )
    reference_price = QuantityField(help_text="The last price when it was decided")
    stop_loss = QuantityField(null=True, help_text="Fraction below the entry price")
    take_profit = QuantityField(null=True, help_text="Fraction above the entry price")
    status = models.CharField(max_length=20, choices=_choices(OrderStatus))
    exchange_status = models.CharField(max_length=40, default="", blank=True)
    denial_code = models.CharField(
        max_length=40, choices=_choices(DenialCode), default="", blank=True
    )
    reason = models.TextField(default="", blank=True, help_text="Why, in plain words")
    filled_quantity = QuantityField(default=Decimal(0))
    filled_quote = QuantityField(default=Decimal(0))
    valid_until = models.DateTimeField(help_text="Not sent after this moment")
    cancel_requested_at = models.DateTimeField(
        null=True, help_text="Since when it is to be cancelled; a wish until the exchange confirms"
    )
    cancel_sent_at = models.DateTimeField(null=True)
    replaces = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="replacements",
        help_text="The order this one takes the place of; it is not sent before that one is settled",
    )
    amends_to = QuantityField(
        null=True,
        help_text="It is a change of the order it replaces, which stays the same order at the exchange:"
        " to this quantity, the filled part included",
    )
    submitted_at = models.DateTimeField(null=True)
    send_deadline = models.DateTimeField(null=True)
    terminal_at = models.DateTimeField(null=True)
    is_settled = models.BooleanField(
        default=False, help_text="Terminal, and its fills add up to its executed quantity"
    )
    absences = models.PositiveSmallIntegerField(
        default=0, help_text="Complete look-ups in a row that did not find it"
    )
    looked_up_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["broker"], condition=Q(is_settled=False), name="order_unsettled"),
            models.Index(
                fields=["broker", "symbol"], condition=Q(status__in=_LIVE), name="order_live"
            ),
            models.Index(fields=["broker", "exchange_order_id"], name="order_exchange_id"),
            models.Index(fields=["broker", "terminal_at"], name="order_ended"),
            models.Index(fields=["owner", "-created_at"], name="order_newest_of_owner"),
            # What a person filters by finds the rare ones among a million without reading all.
            models.Index(fields=["owner", "status", "-created_at"], name="order_by_status"),
            models.Index(fields=["owner", "source", "-created_at"], name="order_by_source"),
            models.Index(fields=["owner", "order_type", "-created_at"], name="order_by_type"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["book", "symbol"],
                condition=Q(purpose=OrderPurpose.ENTRY.value, status__in=_LIVE)
                & Q(replaces__isnull=True)
                & ~Q(source=OrderSource.EXTERNAL.value),
                name="order_one_entry_in_flight",
            ),
            models.UniqueConstraint(
                fields=["position"],
                condition=Q(purpose=OrderPurpose.EXIT.value, status__in=_LIVE)
                & Q(replaces__isnull=True, cancel_requested_at__isnull=True)
                & ~Q(source=OrderSource.EXTERNAL.value),
                name="order_one_exit_in_flight",
            ),
            models.UniqueConstraint(
                fields=["position", "purpose"],
                condition=Q(
                    purpose__in=[OrderPurpose.STOP_LOSS.value, OrderPurpose.TAKE_PROFIT.value],
                    status__in=_LIVE,
                )
                & Q(replaces__isnull=True, cancel_requested_at__isnull=True),
                name="order_one_leg_of_a_kind",
            ),
            models.UniqueConstraint(
                fields=["replaces"],
                condition=Q(replaces__isnull=False, status__in=_LIVE),
                name="order_one_replacement_in_flight",
            ),
            models.UniqueConstraint(
                fields=["broker", "symbol", "exchange_order_id"],
                condition=~Q(exchange_order_id=""),
                name="order_once_per_exchange_id",
            ),
            models.CheckConstraint(
                condition=Q(quantity__isnull=True) | Q(filled_quantity__lte=F("quantity")),
                name="order_not_overfilled",
            ),
            models.CheckConstraint(
                condition=Q(quantity__isnull=False) | Q(quote_amount__isnull=False),
                name="order_has_a_size",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.symbol} ({self.status.replace('_', ' ')})"

    @property
    def average_price(self) -> Decimal | None:
        """Quote paid or received per unit, None before the first fill."""
        return self.filled_quote / self.filled_quantity if self.filled_quantity else None

    @property
    def is_amendment(self) -> bool:
        """Whether it is no order of its own but a change of the one it replaces."""
        return self.amends_to is not None

    @property
    def denial_words(self) -> str:
        """What the gate said, with the figures it judged by; empty unless it was denied."""
        said = self.events.filter(status=OrderStatus.DENIED).values_list("message", flat=True)
        return said.first() or ""


class OrderEvent(models.Model):
    """One thing that happened to an order; written once, never changed."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    status = models.CharField(max_length=20, choices=_choices(OrderStatus))
    message = models.TextField()
    raw = models.JSONField(null=True, help_text="The exchange's own answer, without secrets")
    trace_id = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


class Fill(OwnedModel):
    """One execution of part of an order, as the exchange told it."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    broker = models.ForeignKey(Broker, on_delete=models.PROTECT, related_name="fills")
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="fills")
    trade_id = models.CharField(max_length=64)
    side = models.CharField(max_length=4, choices=_choices(OrderSide))
    quantity = QuantityField()
    price = QuantityField()
    fee = QuantityField()
    fee_asset = models.CharField(max_length=20)
    fee_value = QuantityField(
        null=True,
        help_text="What the fee was worth in quote currency when it was paid; None: no price known",
    )
    is_maker = models.BooleanField()
    executed_at = models.DateTimeField(
        "executed (market time)", help_text="By the exchange's clock"
    )

    class Meta:
        ordering = ["-executed_at", "-pk"]
        indexes = [
            models.Index(fields=["broker", "executed_at"], name="fill_by_time"),
            models.Index(fields=["owner", "-executed_at", "-id"], name="fill_newest_of_owner"),
        ]
        constraints = [
            # An exchange may count its trades per symbol.
            models.UniqueConstraint(
                fields=["broker", "symbol", "trade_id"], name="fill_once_per_trade"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="fill_has_a_quantity"),
            models.CheckConstraint(condition=Q(price__gt=0), name="fill_has_a_price"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} at {self.price}"

    @property
    def liquidity(self) -> str:
        """Whether it added liquidity or took it; the two pay different fees."""
        return "maker" if self.is_maker else "taker"


class Lot(OwnedModel):
    """Coins that came to a book together: of one purchase or, by average cost, of a position's purchases.
    Which lots a sale takes is the broker's P&L method. Derived: the same fills give the same rows."""

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="lots")
    asset = models.CharField(max_length=20)
    position = models.ForeignKey(Position, on_delete=models.PROTECT, null=True, related_name="lots")
    origin = models.CharField(max_length=10, choices=_choices(Origin))
    fill = models.ForeignKey(Fill, on_delete=models.CASCADE, null=True, related_name="lots")
    acquired_at = models.DateTimeField("acquired (market time)")
    quantity = QuantityField()
    remaining = QuantityField()
    cost = QuantityField(
        null=True,
        help_text="What the remaining coins cost, fees included; None where no price was known",
    )
    cost_asset = models.CharField(max_length=20)

    class Meta:
        ordering = ["-acquired_at", "-pk"]
        indexes = [
            models.Index(fields=["book", "asset"], condition=Q(remaining__gt=0), name="lot_open")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(remaining__gte=0) & Q(remaining__lte=F("quantity")),
                name="lot_remaining_within",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining} {self.asset} of {self.book}"

    @property
    def broker(self) -> Broker:
        """Where the coins are."""
        return self.book.broker


class Transfer(OwnedModel):
    """Money that came to a broker or left it without a trade; no part of its performance."""

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="transfers")
    asset = models.CharField(max_length=20)
    quantity = QuantityField(help_text="Positive came in, negative went out")
    price = QuantityField(null=True, help_text="In USDT, when it was first seen")
    at = models.DateTimeField()
    note = models.TextField(default="", blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(quantity=0), name="transfer_moves_something")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.asset} at {self.broker}"


class Difference(OwnedModel):
    """What an exchange holds of an asset and our fills and transfers don't explain. It goes when they do,
    or when it is seen again and becomes a transfer; neither counts while a fill may be on its way."""

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="differences")
    asset = models.CharField(max_length=20)
    ours = QuantityField(help_text="By fills and transfers")
    theirs = QuantityField(help_text="Free and locked at the exchange")
    first_seen_at = models.DateTimeField(
        null=True, help_text="Empty while a fill on its way may explain it"
    )
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-seen_at", "asset"]
        constraints = [
            models.UniqueConstraint(fields=["broker", "asset"], name="difference_once_per_asset")
        ]

    def __str__(self) -> str:
        return f"{self.amount:+} {self.asset} at {self.broker}"

    @property
    def amount(self) -> Decimal:
        """How much more there is at the exchange than we know of."""
        amount: Decimal = self.theirs - self.ours
        return amount


class EquitySnapshot(OwnedModel):
    """What a broker was worth in USDT at a moment, open positions at their market price."""

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="equity")
    at = models.DateTimeField()
    equity = QuantityField()
    transferred = QuantityField(default=Decimal(0), help_text="Sum of all transfers up to then")
    unpriced = models.JSONField(default=list, help_text="Assets without a price, left out")

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(fields=["broker", "at"], name="equity_once_per_moment")
        ]

    def __str__(self) -> str:
        return f"{self.broker} at {self.at:%Y-%m-%d %H:%M}"


class RiskScope(models.Model):
    """What may be done with whose money: a state and limits for everybody (no owner), one user, one
    broker or one book. The strictest of the scopes an order falls into counts; an empty limit is none."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="risk_scopes",
    )
    broker = models.ForeignKey(
        Broker, on_delete=models.CASCADE, null=True, blank=True, related_name="risk_scopes"
    )
    book = models.ForeignKey(
        Book, on_delete=models.CASCADE, null=True, blank=True, related_name="risk_scopes"
    )
    state = models.CharField(
        max_length=20, choices=_choices(RiskState), default=RiskState.ACTIVE.value
    )
    reason = models.TextField(default="", blank=True, help_text="Why it is not active")
    changed_at = models.DateTimeField(null=True)
    max_order_value = QuantityField(null=True, blank=True, help_text="In quote currency")
    max_position_value = QuantityField(null=True, blank=True, help_text="In quote currency")
    max_open_positions = models.PositiveIntegerField(null=True, blank=True)
    max_orders_per_minute = models.PositiveIntegerField(null=True, blank=True)
    max_daily_loss = QuantityField(
        null=True, blank=True, help_text="In USDT of marked equity since 00:00 UTC"
    )
    max_drawdown = QuantityField(
        null=True, blank=True, help_text="Fraction of the highest marked equity (0.2 is 20 %)"
    )

    class Meta:
        verbose_name = "risk limit"
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "broker", "book"],
                nulls_distinct=False,
                name="risk_scope_once",
            ),
            models.CheckConstraint(
                condition=Q(owner__isnull=False) | Q(broker__isnull=True, book__isnull=True),
                name="risk_scope_of_everybody_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(broker__isnull=True) | Q(book__isnull=True),
                name="risk_scope_of_broker_or_book",
            ),
        ]

    def __str__(self) -> str:
        return str(self.book or self.broker or self.owner or "Everybody")


class RiskChange(models.Model):
    """One change of a scope's state: to what, why, and by whom; written once, never changed."""

    scope = models.ForeignKey(RiskScope, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    state = models.CharField(max_length=20, choices=_choices(RiskState))
    reason = models.TextField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Empty: a limit of its own",
    )

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.state.replace('_', ' ')}: {self.reason}"


class RiskMark(OwnedModel):
    """From where breakers count the losses of money that is measured together: of a user's brokers with
    the same kind of money (`environment`), of one broker, or of one book. It begins when a limit first asks
    for it, and again when a person resumes."""

    environment = models.CharField(max_length=20, default="")
    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, null=True, related_name="+")
    book = models.ForeignKey(Book, on_delete=models.CASCADE, null=True, related_name="+")
    members = models.JSONField(default=list, help_text="Brokers that were measured")
    at = models.DateTimeField(help_text="When it was measured last")
    earned = QuantityField(help_text="In USDT, then")
    earned_at_day_start = QuantityField()
    earned_at_peak = QuantityField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "environment", "broker", "book"],
                nulls_distinct=False,
                name="risk_mark_once",
            )
        ]

    def __str__(self) -> str:
        return str(self.book or self.broker or self.environment)

    @property
    def name(self) -> str:
        """What it is of, in one word."""
        if self.book_id:
            return f"book-{self.book_id}"
        return f"broker-{self.broker_id}" if self.broker_id else self.environment

    @property
    def alert_key(self) -> str:
        """The alert that a breaker went off; it ends when a person resumes."""
        return f"risk-breaker-{self.name}"


class BrokerWatch(models.Model):
    """How far the monitor has come with a broker: what it has asked, up to where it knows the fills, and
    what the last full reconciliation found."""

    broker = models.OneToOneField(
        Broker, on_delete=models.CASCADE, primary_key=True, related_name="watch"
    )
    polled_at = models.DateTimeField(null=True, help_text="Last complete look at the open orders")
    next_poll_at = models.DateTimeField(null=True)
    interval_seconds = models.FloatField(default=10, help_text="How often it is polled now")
    swept_at = models.DateTimeField(
        null=True, help_text="Last full sweep: open orders, history, balances"
    )
    next_sweep_at = models.DateTimeField(null=True)
    sweep_began_at = models.DateTimeField(
        null=True, help_text="Of the sweep that is under way, by the exchange's clock"
    )
    reconciled_at = models.DateTimeField(
        null=True,
        help_text="First look at orders and balances since the start, or since a minute without one;"
        " entries wait for it",
    )
    fills_until = models.DateTimeField(
        null=True, help_text="Every fill up to here is booked; the cursor of the sweep"
    )
    stream_alive_at = models.DateTimeField(
        null=True, help_text="Private stream, gapless until then"
    )
    stream_error = models.TextField(
        default="", blank=True, help_text="Why there is no private stream now"
    )
    failing_since = models.DateTimeField(null=True)
    error = models.TextField(default="", blank=True)
    report = models.JSONField(
        null=True, help_text="What the full sweep under way, or the last one, has found"
    )

    class Meta:
        verbose_name = "watched broker"

    def __str__(self) -> str:
        return f"Watch over {self.broker}"

    @property
    def owner_id(self) -> int:
        """Whose broker it is."""
        return self.broker.owner_id
