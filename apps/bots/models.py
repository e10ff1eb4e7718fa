"""Strategies at work: what was switched on, and what it decided on every candle."""

from datetime import datetime
from enum import StrEnum

from django.db import models

from apps.core.fields import QuantityField
from apps.core.models import OwnedModel
from apps.markets.models import Candle, Series
from apps.strategies.models import StrategyVersion
from apps.trading.models import Book, Order


class State(StrEnum):
    """What an activation is doing, in words."""

    RUNNING = "running"
    WAITING = "waiting for its start"
    BROKEN = "paused by an error"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    ENDED = "ended"

    @property
    def is_over(self) -> bool:
        """It will never be asked again."""
        return self in {State.STOPPED, State.ENDED}


class Activation(OwnedModel):
    """One version of a strategy, switched on for one series with the money of one book."""

    version = models.ForeignKey(
        StrategyVersion, on_delete=models.PROTECT, related_name="activations"
    )
    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="activations")
    book = models.OneToOneField(Book, on_delete=models.PROTECT, related_name="activation")
    parameters = models.JSONField(default=dict, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    error = models.TextField(default="", blank=True, help_text="Why it was paused")
    stopped_at = models.DateTimeField(null=True, help_text="Since when it is over for good")

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["series"], condition=models.Q(is_active=True), name="waiting")
        ]

    def __str__(self) -> str:
        return f"{self.version.strategy} on {self.series}"

    @property
    def place(self) -> str:
        """The market and the broker."""
        return f"{self.series} at {self.book.broker}"

    def state_at(self, now: datetime) -> State:
        """What it is doing."""
        if self.stopped_at is not None:
            return State.STOPPED
        if self.ends_at is not None and self.ends_at <= now:
            return State.ENDED
        if not self.is_active:
            return State.BROKEN if self.error else State.SUSPENDED
        return State.RUNNING if self.starts_at <= now else State.WAITING


class Decision(OwnedModel):
    """What an activation made of one candle, always written, with its reason in plain words."""

    class Action(models.TextChoices):
        BUY = "buy", "Buy"
        SELL = "sell", "Sell"
        HOLD = "hold", "Hold"
        WAIT = "wait", "Wait"
        FAILED = "failed", "Failed"
        UNASKED = "unasked", "Not evaluated"

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="decisions")
    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="decisions")
    candle = models.ForeignKey(Candle, on_delete=models.CASCADE, related_name="decisions")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, related_name="decisions")
    action = models.CharField(max_length=10, choices=Action.choices)
    reason = models.TextField()
    price = models.FloatField(help_text="The candle's close")
    balance = QuantityField(null=True)
    inputs_digest = models.CharField(
        max_length=64,
        default="",
        help_text="SHA-256 of candles, balance, position and parameters; empty: it was not asked",
    )
    values = models.JSONField(default=dict, help_text="What the strategy looked at")
    answer = models.JSONField(default=dict, help_text="What its methods returned")
    elapsed_ms = models.FloatField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["activation", "candle"], name="decision_once_per_candle"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action}: {self.reason}"

    @property
    def answer_words(self) -> str:
        """What its methods returned."""
        return ", ".join(f"{name}(): {value}" for name, value in self.answer.items())

    @property
    def value_words(self) -> str:
        """What the strategy looked at."""
        return ", ".join(f"{name} = {_shorten(value)}" for name, value in self.values.items())


def _shorten(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)


class StrategyLog(OwnedModel):
    """What a strategy printed or failed with while it was active; kept for 30 days."""

    class Level(models.TextChoices):
        INFO = "info", "Information"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="logs")
    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="logs")
    level = models.CharField(max_length=10, choices=Level.choices)
    message = models.TextField()
    traceback = models.TextField(default="", blank=True, help_text="The strategy's own lines")
    data = models.JSONField(default=dict, help_text="Digest of its candles, balance, position")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["created_at"], name="log_by_age")]

    def __str__(self) -> str:
        return self.message


class WaivedGate(OwnedModel):
    """A step between a strategy and real money that its owner skipped, and why."""

    activation = models.ForeignKey(
        Activation, on_delete=models.CASCADE, related_name="waived_gates"
    )
    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="+")
    gate = models.CharField(max_length=20)
    reason = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["activation", "version", "gate"], name="gate_waived_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.gate}: {self.reason}"
