"""What users write."""

from typing import Any

from django.db import models

from apps.core.fields import OrderedJSONField
from apps.core.models import OwnedModel
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol


class Strategy(OwnedModel):
    """A strategy by name; its code is in its versions."""

    name = models.CharField(max_length=100)
    description = models.TextField(default="", blank=True)
    timeframe = models.CharField(
        max_length=3,
        choices=[(t.value, t.value) for t in Timeframe if t.is_live],
        default=Timeframe.M15,
        help_text="The candles it is meant for; each activation may choose others.",
    )

    class Meta:
        verbose_name_plural = "strategies"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                name="strategy_name_once_per_user",
                violation_error_message="You have a strategy with this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class StrategyVersion(OwnedModel):
    """The code as it was saved once; never changed, so that what runs can be read later. Only a version
    that was validated runs; any other keeps what was found wrong with it."""

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    code = models.TextField()
    code_hash = models.CharField(max_length=64, help_text="SHA-256")
    class_name = models.CharField(max_length=100, default="", blank=True)
    parameters = OrderedJSONField(
        default=dict, help_text="STRATEGY_PARAMS as the code declares them"
    )
    lookback = models.PositiveIntegerField(default=500, help_text="Candles it wants to see")
    validated_at = models.DateTimeField(
        null=True, help_text="Since when it may run; empty: it may not"
    )
    problems = models.JSONField(default=list, help_text="What was found: line, message, severity")
    rehearsal_ms = models.FloatField(null=True, help_text="Time of the dry run")
    rehearsal_bytes = models.BigIntegerField(
        null=True, help_text="Memory of its own in the dry run"
    )

    class Meta:
        ordering = ["strategy", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "number"], name="version_number_once_per_strategy"
            )
        ]

    def __str__(self) -> str:
        return f"{self.strategy} v{self.number}"

    @property
    def short_hash(self) -> str:
        """Enough of the hash to tell two codes apart."""
        return self.code_hash[:8]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The problems for which it may not run."""
        return [problem for problem in self.problems if problem["severity"] == "error"]

    @property
    def state(self) -> str:
        """Whether it may run, in words."""
        if self.validated_at:
            return "may run"
        return f"may not run: {self.errors[0]['message']}" if self.errors else "not checked"

    @property
    def rehearsal_mb(self) -> int:
        """Memory of its own in the dry run, 0 for less than is worth a word."""
        return (self.rehearsal_bytes or 0) // 10**6


class LookaheadVerdict(OwnedModel):
    """Whether code knows candles that are still to come: what its newest backtest on a market and timeframe
    has found. It is about the code, so every version with the same code has it."""

    code_hash = models.CharField(max_length=64)
    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="+")
    timeframe = models.CharField(max_length=3)
    looks_ahead = models.BooleanField()
    words = models.TextField()
    found_at = models.DateTimeField()

    class Meta:
        ordering = ["-found_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "code_hash", "symbol", "timeframe"],
                name="lookahead_verdict_once_per_code_and_series",
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol.name} {self.timeframe}"
