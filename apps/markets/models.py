"""What is traded where, its candles, and how the producer of candles is."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from apps.core.fields import QuantityField
from apps.domain.candles import EPOCH, Timeframe
from apps.domain.environments import Environment, Exchange
from apps.domain.markets import ZERO, Market

EXCHANGES = [(e.value, e.value.title()) for e in Exchange]
ENVIRONMENTS = [(e.value, e.money) for e in Environment]
#: When a candle was received that nobody listened to, because it was loaded as history: so long ago that
#: its price is never news.
UNHEARD = EPOCH


class Symbol(models.Model):
    """A pair listed by an exchange in one environment, with the exchange's rules for orders."""

    exchange = models.CharField(max_length=20, choices=EXCHANGES)
    environment = models.CharField(max_length=20, choices=ENVIRONMENTS)
    name = models.CharField(max_length=40, help_text="BTC/USDT")
    base = models.CharField(max_length=20)
    quote = models.CharField(max_length=20)
    tick_size = QuantityField()
    step_size = QuantityField()
    min_quantity = QuantityField()
    max_quantity = QuantityField()
    min_notional = QuantityField()
    max_notional = QuantityField(default=ZERO)
    market_step_size = QuantityField(default=ZERO)
    market_min_quantity = QuantityField(default=ZERO)
    market_max_quantity = QuantityField(default=ZERO)
    quote_step = QuantityField(default=ZERO)
    is_trading = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "environment", "name"], name="symbol_once_per_exchange"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def to_market(self) -> Market:
        """The rules as the domain knows them."""
        return Market(
            symbol=self.name,
            base=self.base,
            quote=self.quote,
            tick_size=self.tick_size,
            step_size=self.step_size,
            min_quantity=self.min_quantity,
            max_quantity=self.max_quantity,
            min_notional=self.min_notional,
            max_notional=self.max_notional,
            market_step_size=self.market_step_size,
            market_min_quantity=self.market_min_quantity,
            market_max_quantity=self.market_max_quantity,
            quote_step=self.quote_step,
            is_trading=self.is_trading,
        )


class SymbolSync(models.Model):
    """How the last reading of one exchange's symbols went, or how far it is: `done` of `total` are
    prepared. What a reading brings replaces the old rules at once, when it is done."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    exchange = models.CharField(max_length=20, choices=EXCHANGES)
    environment = models.CharField(max_length=20, choices=ENVIRONMENTS)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    message = models.TextField(default="", blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["exchange", "environment"]
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "environment"], name="symbol_sync_once_per_exchange"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_exchange_display()}, {self.get_environment_display()}"

    @property
    def is_going_on(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in {self.State.WAITING, self.State.RUNNING}

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        if self.state == self.State.WAITING:
            return "Waiting for a worker"
        if not self.total:
            return f"Asking {self.get_exchange_display()}"
        return f"{100 * self.done / self.total:.0f} %, {self.done:,} of {self.total:,}"


class Series(models.Model):
    """The candles of one symbol in one timeframe, shared by all users. The heartbeat brings new candles of
    what `is_followed`; what is not holds history alone, none of whose prices is news."""

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="series")
    timeframe = models.CharField(max_length=4, choices=[(t.value, t.value) for t in Timeframe])
    is_followed = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "series"
        constraints = [
            models.UniqueConstraint(fields=["symbol", "timeframe"], name="series_once_per_symbol")
        ]

    def __str__(self) -> str:
        return f"{self.symbol.name} {self.timeframe}"


class Candle(models.Model):
    """A closed candle; prices are for analysis, so they are floats. `dispatched_at` says when the
    strategies that wait for it were called, None for one that came too late to act on."""

    # Without an index of its own: the one of the constraint begins with it.
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, related_name="candles", db_index=False
    )
    opened_at = models.DateTimeField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField()
    received_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "opened_at"], name="candle_once_per_series")
        ]

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d %H:%M}"

    @property
    def is_heard(self) -> bool:
        """Whether the heartbeat brought it."""
        return self.received_at > UNHEARD


class AskedRange(models.Model):
    """A stretch of a series, `end` not included, that its exchange was asked for in whole: a candle that is
    not stored there does not exist. Ranges of a series neither touch nor overlap."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="asked_ranges")
    start = models.DateTimeField()
    end = models.DateTimeField()

    class Meta:
        ordering = ["start"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(start__lt=models.F("end")), name="asked_range_is_not_empty"
            )
        ]

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


class CandleDownload(models.Model):
    """Candles from `start` to `end` (not included) that somebody wants of an exchange; one row for all who
    asked. What is missing is asked for page by page, and what was asked for is never asked again. The
    worker that is at it says so in `beat_at`; when it falls silent another goes on."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    GOING_ON = (State.WAITING, State.RUNNING)

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="downloads")
    start = models.DateTimeField()
    end = models.DateTimeField()
    asked_by = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    message = models.TextField(default="", blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    stored = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=32, default="", blank=True)
    beat_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    resume_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["series"],
                condition=models.Q(state="running"),
                name="one_running_download_per_series",
            ),
            models.CheckConstraint(
                condition=models.Q(start__lt=models.F("end")), name="download_is_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series}, {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"

    @property
    def is_going_on(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in self.GOING_ON

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        if self.state == self.State.WAITING:
            return self.message or "Waiting for a worker"
        if not self.total:
            return "Looking for what is missing"
        share = f"{100 * self.done / self.total:.0f} %, {self.done:,} of {self.total:,} candles"
        return f"{share}. {self.message}" if self.message else share


class HeartbeatStatus(models.Model):
    """How the producer of one exchange's candles is."""

    exchange = models.CharField(max_length=20, choices=EXCHANGES)
    environment = models.CharField(max_length=20, choices=ENVIRONMENTS)
    is_connected = models.BooleanField(default=False)
    symbols = models.JSONField(default=list, help_text="What it follows")
    last_candle_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", blank=True)
    reconnects = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "heartbeat"
        verbose_name_plural = "heartbeat"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "environment"], name="heartbeat_once_per_exchange"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_exchange_display()}, {self.get_environment_display()}"


class ExchangeHealth(models.Model):
    """How one exchange answers: by a question a minute, and by all calls since the last one, of every
    process. The `counted_` fields are the counters that the next minute is measured from."""

    class State(models.TextChoices):
        CONNECTED = "connected", "connected"
        DEGRADED = "degraded", "degraded"
        DOWN = "down", "down"

    exchange = models.CharField(max_length=20, choices=EXCHANGES)
    environment = models.CharField(max_length=20, choices=ENVIRONMENTS)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DOWN)
    checked_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    calls = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    mean_ms = models.FloatField(null=True)
    message = models.TextField(default="", blank=True)
    counted_calls = models.PositiveBigIntegerField(default=0)
    counted_failures = models.PositiveBigIntegerField(default=0)
    counted_seconds = models.FloatField(default=0)

    class Meta:
        ordering = ["exchange", "environment"]
        verbose_name = verbose_name_plural = "exchange health"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "environment"], name="health_once_per_exchange"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_exchange_display()}, {self.get_environment_display()}"

    def is_current(self, now: datetime) -> bool:
        """Whether it was checked lately: an exchange that nobody uses any more is not watched."""
        return self.checked_at is not None and now - self.checked_at < timedelta(minutes=3)
