"""Orders, what happened to them, and their executions."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from apps.brokers.models import Broker
from apps.core.fields import QuantityField
from apps.core.models import OwnedModel
from apps.domain.orders import (
    LIVE_STATUSES,
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from apps.domain.risk import DenialCode
from apps.markets.models import Symbol
from apps.trading.models.books import Book, Position
from apps.trading.models.choices import choices_of

# Sorted: the order of a set differs from process to process, and a constraint must not.
_LIVE = sorted(status.value for status in LIVE_STATUSES)


def new_client_order_id() -> str:
    """32 hex characters, made once for one order and never used again."""
    return uuid.uuid4().hex


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
    source = models.CharField(max_length=20, choices=choices_of(OrderSource))
    purpose = models.CharField(max_length=20, choices=choices_of(OrderPurpose))
    side = models.CharField(max_length=4, choices=choices_of(OrderSide))
    order_type = models.CharField(max_length=20, choices=choices_of(OrderType))
    quantity = QuantityField(null=True, help_text="Of the base asset")
    quote_amount = QuantityField(null=True, help_text="Of the quote asset, for a market buy")
    price = QuantityField(null=True, help_text="Of a limit order")
    trigger_price = QuantityField(null=True, help_text="What a conditional order waits for")
    time_in_force = models.CharField(
        max_length=10, choices=choices_of(TimeInForce), default=TimeInForce.GTC.value
    )
    reference_price = QuantityField(help_text="The last price when it was decided")
    stop_loss = QuantityField(null=True, help_text="Fraction below the entry price")
    take_profit = QuantityField(null=True, help_text="Fraction above the entry price")
    stop_loss_price = QuantityField(null=True, help_text="Where a price was named for it")
    take_profit_price = QuantityField(null=True, help_text="Where a price was named for it")
    status = models.CharField(max_length=20, choices=choices_of(OrderStatus))
    exchange_status = models.CharField(max_length=40, default="", blank=True)
    denial_code = models.CharField(
        max_length=40, choices=choices_of(DenialCode), default="", blank=True
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
    status = models.CharField(max_length=20, choices=choices_of(OrderStatus))
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
    side = models.CharField(max_length=4, choices=choices_of(OrderSide))
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
