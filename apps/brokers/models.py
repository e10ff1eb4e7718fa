"""A user's account at an exchange."""

from django.db import models

from apps.core.fields import EncryptedTextField, QuantityField
from apps.core.models import OwnedModel
from apps.domain.environments import Environment, Exchange


class Automation(models.TextChoices):
    """What besides a person may trade on a broker."""

    OFF = "off", "Manual only"
    STRATEGIES = "strategies", "Strategies and manual"
    WEBHOOKS = "webhooks", "Webhooks and manual"


class Broker(OwnedModel):
    """An account at an exchange, in one environment, with the keys to trade on it."""

    name = models.CharField(max_length=60)
    exchange = models.CharField(
        max_length=20, choices=[(e.value, e.value.title()) for e in Exchange]
    )
    environment = models.CharField(max_length=20, choices=[(e.value, e.money) for e in Environment])
    api_key = EncryptedTextField(default="")
    api_secret = EncryptedTextField(default="")
    is_active = models.BooleanField(
        default=True, help_text="Off: nothing new trades. Exits of open positions still pass."
    )
    automation = models.CharField(
        max_length=20, choices=Automation.choices, default=Automation.STRATEGIES
    )
    connection_ok = models.BooleanField(null=True, editable=False)
    connection_message = models.TextField(default="", blank=True, editable=False)
    connection_checked_at = models.DateTimeField(null=True, editable=False)
    balances_as_of = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                name="broker_name_once_per_user",
                violation_error_message="You have a broker with this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Balance(models.Model):
    """What an exchange said a broker holds of one asset, at `Broker.balances_as_of`."""

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="balances")
    asset = models.CharField(max_length=20)
    free = QuantityField()
    locked = QuantityField()

    class Meta:
        ordering = ["asset"]
        constraints = [
            models.UniqueConstraint(fields=["broker", "asset"], name="balance_once_per_asset")
        ]

    def __str__(self) -> str:
        return f"{self.asset} of {self.broker}"
