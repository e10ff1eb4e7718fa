"""What is traded where, its candles, and how the producer of candles is."""

from django.db import models

from apps.core.fields import QuantityField
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.domain.markets import Market

EXCHANGES = [(e.value, e.value.title()) for e in Exchange]
ENVIRONMENTS = [(e.value, e.money) for e in Environment]


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
            is_trading=self.is_trading,
        )


class Series(models.Model):
    """The candles of one symbol in one timeframe, shared by all users."""

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="series")
    timeframe = models.CharField(max_length=4, choices=[(t.value, t.value) for t in Timeframe])

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

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="candles")
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
