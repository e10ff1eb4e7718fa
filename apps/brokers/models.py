"""A user's account at an exchange."""

import msgspec
from django.core.validators import MinValueValidator
from django.db import models

from apps.core.fields import EncryptedTextField, QuantityField
from apps.core.models import OwnedModel
from apps.domain.environments import Environment, Exchange
from apps.domain.positions import CostMethod
from apps.exchanges.ports import ConnectionReport


class Automation(models.TextChoices):
    """What besides a person may trade on a broker."""

    OFF = "off", "Manual only"
    STRATEGIES = "strategies", "Strategies and manual"
    WEBHOOKS = "webhooks", "Webhooks and manual"


class Account(OwnedModel):
    """Where an account is, and one API key to it."""

    exchange = models.CharField(
        max_length=20, choices=[(e.value, e.value.title()) for e in Exchange]
    )
    environment = models.CharField(max_length=20, choices=[(e.value, e.money) for e in Environment])
    api_key = EncryptedTextField(default="")
    api_secret = EncryptedTextField(default="")
    passphrase = EncryptedTextField(default="")

    class Meta:
        abstract = True

    def is_same_account(self, other: "Account") -> bool:
        """Whether both are reached in the same way."""
        names = ("exchange", "environment", "api_key", "api_secret", "passphrase")
        return all(getattr(self, name) == getattr(other, name) for name in names)


class Broker(Account):
    """An account at an exchange, in one environment, with the keys to trade on it."""

    name = models.CharField(max_length=60)
    is_active = models.BooleanField(
        default=True, help_text="Off: nothing new trades. Exits of open positions still pass."
    )
    automation = models.CharField(
        max_length=20, choices=Automation.choices, default=Automation.STRATEGIES
    )
    initial_capital = QuantityField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="In USDT; performance is counted from it. Left empty, it becomes what the account is"
        " worth when its balances are first read.",
    )
    cost_method = models.CharField(
        "P&L method",
        max_length=10,
        choices=[(method.value, method.words) for method in CostMethod],
        default=CostMethod.AVERAGE.value,
        help_text="Which coins a sale sells. Changing it computes all profits again from the fills.",
    )
    history_days = models.PositiveSmallIntegerField(
        "history",
        choices=[(days, f"{days} days") for days in (30, 90)],
        default=30,
        help_text="How far back orders and fills are read when the broker is added, so that what it holds has"
        " the cost it was bought at. They are shown as placed elsewhere.",
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


class ConnectionTest(Account):
    """A question to an exchange about keys that are not saved yet. A worker blanks the keys
    before it asks; `worth` is what the balances make in USDT, None where that can't be told."""

    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.JSONField(null=True, help_text="A ConnectionReport")
    worth = QuantityField(null=True)

    def __str__(self) -> str:
        return f"{self.get_exchange_display()}, {self.get_environment_display()}"

    @property
    def report(self) -> ConnectionReport | None:
        """What the exchange said; None while nobody has answered."""
        return None if self.outcome is None else msgspec.convert(self.outcome, ConnectionReport)
