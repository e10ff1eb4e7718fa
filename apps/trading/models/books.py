"""Whose money it is, and what it holds."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from apps.brokers.models import Broker
from apps.core.fields import QuantityField
from apps.core.models import OwnedModel
from apps.domain.positions import Holding
from apps.markets.models import Symbol


class Book(OwnedModel):
    """Whose money within a broker: one for each activation, one for manual trading, and so on. Orders
    and positions belong to a book, so that two strategies never sell each other's coins."""

    class Kind(models.TextChoices):
        ACTIVATION = "activation", "Strategy"
        WEBHOOK = "webhook", "Webhooks"
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
