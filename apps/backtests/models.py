"""Backtests: what was asked, how far it is, and what came out."""

from datetime import datetime
from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.core.fields import QuantityField
from apps.core.models import OwnedModel
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.strategies.models import StrategyVersion

_TIMEFRAMES = [(timeframe.value, timeframe.value) for timeframe in Timeframe]
_SHARE = [MinValueValidator(Decimal(0)), MaxValueValidator(Decimal("0.1"))]


class BacktestRun(OwnedModel):
    """One version of a strategy over candles of the past. A worker owns it while its lease lasts; after
    that another may take it, at most three in all."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    class Phase(models.TextChoices):
        NONE = "", "-"
        FETCHING = "fetching", "fetching candles"
        LOADING = "loading", "loading candles"
        SIMULATING = "simulating", "simulating"
        STORING = "storing", "storing the result"

    class Mode(models.TextChoices):
        PESSIMISTIC = "pessimistic", "Pessimistic: the worse one of what a candle leaves open"
        OPTIMISTIC = "optimistic", "Optimistic: the better one, and no slippage"
        PARITY = "parity", "Parity: as backtesting.py fills, for comparison"

    class FeeIn(models.TextChoices):
        QUOTE = "quote", "quote currency, on top"
        BASE = "base", "coins, out of what was bought"

    version = models.ForeignKey(StrategyVersion, on_delete=models.CASCADE, related_name="backtests")
    parameters = models.JSONField(default=dict, blank=True)
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="backtests")
    timeframe = models.CharField(max_length=4, choices=_TIMEFRAMES)
    detail = models.CharField(max_length=4, choices=_TIMEFRAMES, default="", blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    balance = QuantityField(default=Decimal(10_000))
    maker_fee = models.DecimalField(max_digits=8, decimal_places=6, validators=_SHARE)
    taker_fee = models.DecimalField(max_digits=8, decimal_places=6, validators=_SHARE)
    fee_in = models.CharField(max_length=5, choices=FeeIn.choices, default=FeeIn.QUOTE)
    slippage_bps = models.DecimalField(max_digits=7, decimal_places=2, default=Decimal(5))
    mode = models.CharField(max_length=11, choices=Mode.choices, default=Mode.PESSIMISTIC)

    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.NONE, blank=True)
    percent = models.FloatField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100, default="", blank=True)
    lease_until = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    error = models.TextField(default="", blank=True, help_text="Why it failed")
    traceback = models.TextField(default="", blank=True, help_text="The strategy's own lines")
    output = models.TextField(default="", blank=True, help_text="What the strategy printed")
    evaluation = models.JSONField(default=dict, help_text="How the strategy was asked, and why so")
    warnings = models.JSONField(default=list)
    metrics = models.JSONField(default=dict)
    honesty = models.JSONField(default=dict, help_text="How far the result can be trusted, and why")

    class Meta:
        verbose_name = "backtest"
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="backtest_going_on",
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.symbol.name} {self.timeframe}"

    @property
    def is_going_on(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in {self.State.WAITING, self.State.RUNNING}

    @property
    def has_result(self) -> bool:
        """Whether there is something to show, if only until where it failed."""
        return bool(self.metrics)

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        if self.state == self.State.WAITING:
            return "Waiting for a worker"
        return f"{self.get_phase_display().capitalize()}, {self.percent:.0f} %"

    def seconds(self, now: datetime) -> float | None:
        """How long it has taken so far, or took."""
        if self.started_at is None:
            return None
        return ((self.finished_at or now) - self.started_at).total_seconds()


class StoredResult(models.Model):
    """What one run has brought: tables of numbers, packed and compressed (storage.py). Apart from the run,
    so that a list of runs does not read it."""

    run = models.OneToOneField(
        BacktestRun, on_delete=models.CASCADE, primary_key=True, related_name="result"
    )
    curve = models.BinaryField()
    times = models.BinaryField()
    equity = models.BinaryField()
    daily_equity = models.BinaryField()
    positions = models.BinaryField()
    refused = models.BinaryField()

    def __str__(self) -> str:
        return f"Result of {self.run}"
