"""Activations and what they decided."""

import json
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from apps.bots.forms import ActivationForm
from apps.bots.models import Activation, Decision
from apps.bots.services import Terms, activate, resume, suspend
from apps.core.admin import FactAdmin, OwnedAdmin, OwnRelatedFilter, leave_dialog
from apps.core.formats import price, quantity
from apps.domain.candles import Timeframe

ACTION_LABELS = {
    "buy": "success",
    "sell": "danger",
    "hold": "info",
    "wait": "info",
    "failed": "danger",
}


@admin.register(Activation)
class ActivationAdmin(OwnedAdmin):
    """Made once, then switched on and off; what it runs never changes under it."""

    form = ActivationForm
    list_display = ("strategy", "series", "money", "state", "starts_at", "book_broker")
    list_filter = ("is_active",)
    list_select_related = ("version__strategy", "series__symbol", "book__broker")
    readonly_fields = (
        "strategy",
        "series",
        "book_broker",
        "money",
        "envelope",
        "state",
        "error",
        "starts_at",
    )
    actions_detail = ("switch",)
    actions_row = ("switch",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What may be chosen for a new one, and what is known of an old one."""
        if obj is None:
            return (
                "version",
                "broker",
                ("symbol", "timeframe"),
                "capital",
                "parameters",
                "confirmation",
            )
        return (
            ("strategy", "series"),
            ("book_broker", "money", "envelope"),
            ("state", "starts_at"),
            "error",
            "parameters",
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """An activation that exists is a fact."""
        return (*self.readonly_fields, "parameters") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: its decisions and orders are history. Switch it off instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Activation, form: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """The service makes the activation with its series and book."""
        if change:
            return
        data = form.cleaned_data
        made = activate(
            version=data["version"],
            broker=data["broker"],
            symbol=data["market"],
            timeframe=Timeframe(data["timeframe"]),
            parameters=data["parameters"] or {},
            terms=Terms(capital=data["capital"]),
            now=timezone.now(),
        )
        obj.__dict__.update(made.__dict__)

    @display(description="Strategy", ordering="version__strategy__name")
    def strategy(self, activation: Activation) -> str:
        """With its version."""
        return str(activation.version)

    @display(description="Broker", ordering="book__broker__name")
    def book_broker(self, activation: Activation) -> str:
        """Where it trades."""
        return str(activation.book.broker)

    @display(description="Money")
    def money(self, activation: Activation) -> str:
        """What it is worth."""
        return activation.book.broker.get_environment_display()

    @display(description="Capital")
    def envelope(self, activation: Activation) -> str:
        """What it began with, of its own."""
        capital = activation.book.capital
        if capital is None:
            return "all that is free"
        return f"{quantity(capital)} {activation.series.symbol.quote}"

    @display(
        description="State",
        label={"running": "success", "paused by an error": "danger", "switched off": "info"},
    )
    def state(self, activation: Activation) -> str:
        """In words."""
        if activation.is_active:
            return "running"
        return "paused by an error" if activation.error else "switched off"

    @action(
        description="Switch on or off",
        icon="power_settings_new",
        url_path="switch",
        dialog={
            "title": "Switch this strategy on or off?",
            "description": "Off: it is no longer asked, and an open position stays as it is.",
        },
    )
    def switch(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """The other way round than it is."""
        activation = self.get_object(request, object_id)
        if activation is None:
            messages.error(request, "You have no such activation.")
        elif activation.is_active:
            suspend(activation=activation)
            messages.success(request, f"{activation} is off.")
        else:
            resume(activation=activation, now=timezone.now(), in_spite_of_error=True)
            messages.success(request, f"{activation} is on, from the next candle.")
        target = reverse("admin:bots_activation_changelist")
        return leave_dialog(request, target)


@admin.register(Decision)
class DecisionAdmin(FactAdmin):
    """Why it did, or did not, trade: one row a candle."""

    list_display = ("candle_time", "activation", "action_label", "close", "reason", "order", "took")
    list_filter = ("action", ("activation", OwnRelatedFilter))
    list_select_related = (
        "candle",
        "activation__version__strategy",
        "activation__series__symbol",
        "order__symbol",
    )
    fields = (
        ("candle_time", "activation", "action_label"),
        "reason",
        ("close", "balance", "order", "took"),
        "looked_at",
    )
    readonly_fields = ("candle_time", "action_label", "close", "took", "looked_at")

    @display(description="Candle (UTC)", ordering="candle__opened_at")
    def candle_time(self, decision: Decision) -> str:
        """When it opened, on the market's clock."""
        return f"{decision.candle.opened_at:%Y-%m-%d %H:%M}"

    @display(description="Action", label=ACTION_LABELS, ordering="action")
    def action_label(self, decision: Decision) -> tuple[str, str]:
        """Word and colour."""
        return decision.action, decision.get_action_display()

    @display(description="Close", ordering="price")
    def close(self, decision: Decision) -> str:
        """Of the candle."""
        return price(decision.price)

    @display(description="Strategy took")
    def took(self, decision: Decision) -> str:
        """In the sandbox."""
        return "-" if decision.elapsed_ms is None else f"{decision.elapsed_ms:.1f} ms"

    @display(description="What the strategy looked at")
    def looked_at(self, decision: Decision) -> SafeString:
        """Its own plain attributes after the evaluation."""
        return format_html('<div class="raw">{}</div>', json.dumps(decision.values, indent=1))
