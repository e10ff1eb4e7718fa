"""How far the monitor has come."""

from django.db import models

from apps.brokers.models import Broker


class BrokerWatch(models.Model):
    """How far the monitor has come with a broker: what it has asked, up to where it knows the fills, and
    what the last full reconciliation found."""

    broker = models.OneToOneField(
        Broker, on_delete=models.CASCADE, primary_key=True, related_name="watch"
    )
    polled_at = models.DateTimeField(null=True, help_text="Last complete look at the open orders")
    next_poll_at = models.DateTimeField(null=True)
    interval_seconds = models.FloatField(default=10, help_text="How often it is polled now")
    swept_at = models.DateTimeField(
        null=True, help_text="Last full sweep: open orders, history, balances"
    )
    next_sweep_at = models.DateTimeField(null=True)
    sweep_began_at = models.DateTimeField(
        null=True, help_text="Of the sweep that is under way, by the exchange's clock"
    )
    reconciled_at = models.DateTimeField(
        null=True,
        help_text="First look at orders and balances since the start, or since a minute without one;"
        " entries wait for it",
    )
    fills_until = models.DateTimeField(
        null=True, help_text="Every fill up to here is booked; the cursor of the sweep"
    )
    stream_alive_at = models.DateTimeField(
        null=True, help_text="Private stream, gapless until then"
    )
    stream_error = models.TextField(
        default="", blank=True, help_text="Why there is no private stream now"
    )
    failing_since = models.DateTimeField(null=True)
    error = models.TextField(default="", blank=True)
    report = models.JSONField(
        null=True, help_text="What the full sweep under way, or the last one, has found"
    )

    class Meta:
        verbose_name = "watched broker"

    def __str__(self) -> str:
        return f"Watch over {self.broker}"

    @property
    def owner_id(self) -> int:
        """Whose broker it is."""
        return self.broker.owner_id
