"""The accounts: lots, transfers, what nothing explains, and what brokers were worth."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from apps.brokers.models import Broker
from apps.core.fields import QuantityField
from apps.core.models import OwnedModel
from apps.domain.lots import Origin
from apps.trading.models.books import Book, Position
from apps.trading.models.choices import choices_of
from apps.trading.models.orders import Fill


class Lot(OwnedModel):
    """Coins that came to a book together: of one purchase or, by average cost, of a position's purchases.
    Which lots a sale takes is the broker's P&L method. Derived: the same fills give the same rows."""

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="lots")
    asset = models.CharField(max_length=20)
    position = models.ForeignKey(Position, on_delete=models.PROTECT, null=True, related_name="lots")
    origin = models.CharField(max_length=10, choices=choices_of(Origin))
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
