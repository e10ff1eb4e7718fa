"""Brokers: accounts at exchanges."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.decorators import action, display

from apps.brokers.forms import BrokerForm
from apps.brokers.models import Balance, Broker
from apps.brokers.services import request_connection_test
from apps.core.admin import OwnedAdmin, leave_dialog
from apps.core.formats import quantity


class BalanceInline(TabularInline):
    """What the exchange said the account holds."""

    model = Balance
    fields = ("asset", "free_amount", "locked_amount")
    readonly_fields = fields
    extra = 0
    can_delete = False
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: the exchange says what there is."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the broker."""
        return True

    @display(description="Free")
    def free_amount(self, balance: Balance) -> str:
        """Without meaningless digits."""
        return quantity(balance.free)

    @display(description="Locked in orders")
    def locked_amount(self, balance: Balance) -> str:
        """Without meaningless digits."""
        return quantity(balance.locked)


@admin.register(Broker)
class BrokerAdmin(OwnedAdmin):
    """Keys are write-only: they are stored encrypted and never shown again."""

    form = BrokerForm
    list_display = ("name", "exchange", "money", "is_active", "automation", "connection")
    search_fields = ("name",)
    readonly_fields = (
        "connection",
        "connection_message",
        "connection_checked_at",
        "balances_as_of",
    )
    fieldsets = (
        (None, {"fields": ("name", ("exchange", "environment"), ("api_key", "api_secret"))}),
        ("What may trade", {"fields": (("is_active", "automation"),)}),
        (
            "Connection",
            {
                "fields": (
                    ("connection", "connection_checked_at"),
                    "connection_message",
                    "balances_as_of",
                )
            },
        ),
    )
    inlines = (BalanceInline,)
    actions_detail = ("test_connection",)
    actions_row = ("test_connection",)

    @display(
        description="Money",
        label={
            "live": "danger",
            "testnet": "info",
            "paper": "success",
            "replay": "success",
            "simulated": "success",
        },
    )
    def money(self, broker: Broker) -> tuple[str, str]:
        """What its money is worth, in words."""
        return broker.environment, broker.get_environment_display()

    @display(
        description="Connection",
        label={"works": "success", "failed": "danger", "not tested": "info"},
    )
    def connection(self, broker: Broker) -> str:
        """How the last test ended."""
        return {True: "works", False: "failed", None: "not tested"}[broker.connection_ok]

    @action(
        description="Test connection",
        icon="network_check",
        url_path="test-connection",
        dialog={
            "title": "Test the connection?",
            "description": "The exchange is asked whether the keys work; nothing is traded.",
        },
    )
    def test_connection(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Ask the exchange in a worker; the answer appears on the broker's page."""
        broker = self.get_object(request, object_id)
        if broker is None:
            messages.error(request, "You have no such broker.")
            target = reverse("admin:brokers_broker_changelist")
        else:
            request_connection_test(broker=broker)
            messages.info(
                request, "The exchange is being asked. Reload in a moment for its answer."
            )
            target = reverse("admin:brokers_broker_change", args=[broker.pk])
        return leave_dialog(request, target)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new broker has no connection to tell of."""
        return self.fieldsets if obj else self.fieldsets[:-1]

    def save_model(self, request: HttpRequest, obj: Broker, form: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """New or changed keys are tested at once."""
        super().save_model(request, obj, form, change)
        request_connection_test(broker=obj)
