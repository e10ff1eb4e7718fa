"""Brokers: accounts at exchanges."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display

from apps.brokers.capabilities import list_capability_rows
from apps.brokers.connection import try_keys
from apps.brokers.forms import BrokerForm
from apps.brokers.models import Balance, Broker, ConnectionTest
from apps.brokers.services import request_connection_test, save_broker
from apps.core.admin import OwnedAdmin, leave_dialog
from apps.core.formats import quantity
from apps.domain.environments import Environment, Exchange


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
    readonly_fields = ("connection", "connection_message", "balances_as_of")
    fieldsets = (
        (None, {"fields": ("name", ("exchange", "environment"))}),
        (
            "API key",
            {
                "fields": (("api_key", "api_secret"), "passphrase", "accept_withdrawals"),
                "description": "New keys are tried at the exchange before they are saved, which takes"
                " a few seconds. They are stored encrypted and never shown again.",
            },
        ),
        ("What may trade", {"fields": (("is_active", "automation"),)}),
        ("Performance", {"fields": (("initial_capital", "cost_method"), "history_days")}),
        (
            "Connection",
            {
                "fields": (("connection", "balances_as_of"), "connection_message"),
            },
        ),
    )
    inlines = (BalanceInline,)
    change_form_outer_before_template = "admin/brokers/broker/symbols.html"
    actions_detail = ("test_connection", "show_capabilities")
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

    @display(description="Connection", ordering="connection_ok")
    def connection(self, broker: Broker) -> SafeString:
        """How the last test ended, and when it was."""
        colour, words = {
            True: ("var(--gain)", "works"),
            False: ("var(--loss)", "failed"),
            None: ("var(--soft)", "not tested"),
        }[broker.connection_ok]
        at = broker.connection_checked_at
        return format_html(
            '<span><span class="dot" style="background: {}"></span>{}'
            ' <small class="muted">{}</small></span>',
            colour,
            words,
            f"{at:%Y-%m-%d %H:%M} UTC" if at else "",
        )

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

    @action(description="Capabilities", icon="checklist", url_path="capabilities")
    def show_capabilities(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What its exchange can do, beside the others."""
        return redirect("admin:brokers_broker_capabilities")

    def capabilities(self, request: HttpRequest) -> HttpResponse:
        """What every exchange can do: one column an exchange, one row a capability."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Exchanges",
            "exchanges": [exchange.title() for exchange in Exchange],
            "rows": list_capability_rows(),
        }
        return render(request, "admin/brokers/capabilities.html", context)

    def get_urls(self) -> list[Any]:
        """With the page of capabilities, which is about no broker."""
        view = self.admin_site.admin_view(self.capabilities)
        return [
            path("capabilities/", view, name="brokers_broker_capabilities"),
            *super().get_urls(),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new broker has no connection to tell of."""
        return self.fieldsets if obj else self.fieldsets[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """History is read once, when the broker is added."""
        return (*self.readonly_fields, "history_days") if obj else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """A form that knows what a worker found out about the keys in this request."""
        form = super().get_form(request, obj, **kwargs)
        form.test = getattr(request, "connection_test", None)
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """New keys are tested first: here, because the transaction that saves begins inside."""
        if request.method == "POST":
            request.connection_test = self._test_new_keys(request, object_id)  # type: ignore[attr-defined]
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _test_new_keys(self, request: HttpRequest, object_id: str | None) -> ConnectionTest | None:
        """The finished test, None where there is nothing to test: old keys, a form with other mistakes,
        a broker of somebody else."""
        broker = self.get_object(request, unquote(object_id)) if object_id else None
        if not self.has_add_permission(request) or (object_id and broker is None):
            return None
        form = self.get_form(request, broker, change=broker is not None)(
            request.POST, instance=broker
        )
        form.full_clean()
        if not form.needs_test:
            return None
        return try_keys(owner=form.instance.owner, account=form.instance)

    def save_model(self, request: HttpRequest, obj: Broker, form: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """With what the test of its new keys has found."""
        save_broker(broker=obj, test=form.test)
        is_paper = Environment(obj.environment).is_paper
        if form.test and form.test.report.is_ip_restricted is False and not is_paper:
            messages.warning(
                request,
                "This key works from any address. Allow it at the exchange for this machine's only,"
                " so that it is of no use to a thief.",
            )
