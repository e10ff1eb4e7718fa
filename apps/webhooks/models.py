"""Who may send webhooks, what came, and what became of it."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from apps.brokers.models import Broker
from apps.core.fields import EncryptedTextField, QuantityField
from apps.core.models import OwnedModel
from apps.trading.models import Book, Order
from apps.webhooks.verbs import Verb


class WebhookSource(OwnedModel):
    """A sender with a token of its own, and what he may do: on which brokers, with which symbols, from
    which addresses."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused: webhooks are missing"
        OFF = "off", "Switched off"

    name = models.CharField(max_length=60)
    token_hash = models.CharField(
        max_length=64, default="", blank=True, editable=False, help_text="Empty: it was revoked"
    )
    token_end = models.CharField(
        max_length=4, default="", blank=True, editable=False, help_text="To tell tokens apart"
    )
    token_made_at = models.DateTimeField(null=True, editable=False)
    token_revoked_at = models.DateTimeField(null=True, editable=False)
    secret = EncryptedTextField(
        "signing secret",
        default="",
        blank=True,
        help_text="With one, every webhook has to carry the HMAC-SHA256 of its body in X-Webhook-Signature.",
    )
    networks = models.JSONField(
        "allowed addresses",
        default=list,
        blank=True,
        help_text="Addresses or networks it may send from; empty: any.",
    )
    symbols = models.JSONField(
        "allowed symbols", default=list, blank=True, help_text="Such as BTC/USDT; empty: all."
    )
    brokers = models.ManyToManyField(Broker, through="Destination", related_name="webhook_sources")
    is_paper_only = models.BooleanField(
        "paper first",
        default=True,
        help_text="It trades only with paper or testnet money until this is switched off.",
    )
    interval = models.DurationField(
        null=True,
        blank=True,
        help_text="How often a webhook is expected; empty: as its PINGs say.",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    misses = models.PositiveIntegerField(
        default=0, editable=False, help_text="How many were missing in a row"
    )
    misses_checked_until = models.DateTimeField(
        null=True, editable=False, help_text="Up to here it is known what is missing"
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                name="webhook_source_name_once_per_user",
                violation_error_message="You have a source with this name already.",
            ),
            models.UniqueConstraint(
                fields=["token_hash"], condition=~Q(token_hash=""), name="webhook_token_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Destination(OwnedModel):
    """A broker that a source may trade on, with the book of what it trades there."""

    source = models.ForeignKey(WebhookSource, on_delete=models.CASCADE, related_name="destinations")
    broker = models.ForeignKey(
        Broker, on_delete=models.PROTECT, related_name="webhook_destinations"
    )
    book = models.OneToOneField(Book, on_delete=models.PROTECT, related_name="destination")
    is_allowed = models.BooleanField(
        default=True, help_text="Off: it trades there no more; what it holds stays protected."
    )

    class Meta:
        ordering = ["broker__name"]
        constraints = [
            models.UniqueConstraint(fields=["source", "broker"], name="destination_once_per_broker")
        ]

    def __str__(self) -> str:
        return f"{self.source} on {self.broker}"


class Webhook(OwnedModel):
    """One body that an authentic sender posted, or one that was missing, and what became of it. Its order
    of processing is that of its row among those of its source and symbol."""

    class State(models.TextChoices):
        RECEIVED = "received", "Received"
        PROCESSING = "processing", "Being processed"
        PROCESSED = "processed", "Processed"
        ERROR = "error", "Error"
        DUPLICATE = "duplicate", "Duplicate"
        MISS = "miss", "Missing"

    #: What is still to be done.
    WAITING = (State.RECEIVED, State.PROCESSING)

    source = models.ForeignKey(
        WebhookSource, on_delete=models.CASCADE, related_name="webhooks", db_index=False
    )
    destination = models.ForeignKey(
        Destination, on_delete=models.PROTECT, null=True, related_name="webhooks"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.RECEIVED)
    reason = models.TextField(default="", blank=True, help_text="What became of it, in plain words")
    action = models.CharField(
        max_length=10, choices=[(verb.value, verb.value) for verb in Verb], default="", blank=True
    )
    symbol_name = models.CharField(
        "symbol", max_length=40, default="", blank=True, help_text="As it was sent: BTCUSDT"
    )
    interval = models.DurationField(null=True, help_text="The length of its bar")
    bar_at = models.DateTimeField(null=True, help_text="The time of its bar")
    price = QuantityField(null=True)
    stop_loss_price = QuantityField(null=True)
    take_profit_price = QuantityField(null=True)
    percent = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    fields = models.JSONField(default=dict, help_text="What was read")
    body = models.TextField(default="", blank=True, help_text="As it came, without its token")
    address = models.GenericIPAddressField(null=True)
    natural_key = models.CharField(
        max_length=64,
        default="",
        blank=True,
        help_text="Of webhooks that are the same the first has it",
    )
    duplicate_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="duplicates"
    )
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, related_name="webhooks")
    trace_id = models.CharField(max_length=64, default="", blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    received_at = models.DateTimeField(help_text="Of a missing one: when it was expected")
    started_at = models.DateTimeField(null=True)
    ordered_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-received_at", "-pk"]
        indexes = [
            models.Index(
                fields=["source", "symbol_name", "id"],
                condition=Q(state__in=["received", "processing"]),
                name="webhook_waiting",
            ),
            models.Index(fields=["owner", "-received_at", "-id"], name="webhook_newest_of_owner"),
            models.Index(fields=["source", "-received_at"], name="webhook_newest_of_source"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["natural_key"], condition=~Q(natural_key=""), name="webhook_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action or 'Unreadable'} {self.symbol_name}".rstrip()

    @property
    def stored_at(self) -> datetime:
        """When its row was written."""
        return self.created_at
