"""What may be risked, and from where losses count."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.brokers.models import Broker
from apps.core.fields import QuantityField
from apps.core.models import OwnedModel
from apps.domain.risk import RiskState
from apps.trading.models.books import Book
from apps.trading.models.choices import choices_of


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
        max_length=20, choices=choices_of(RiskState), default=RiskState.ACTIVE.value
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
    state = models.CharField(max_length=20, choices=choices_of(RiskState))
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
