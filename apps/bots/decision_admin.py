"""What activations decided, printed and failed with."""

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.bots.models import Decision, StrategyLog
from apps.core.admin import FactAdmin, OwnRelatedFilter
from apps.core.formats import price

ACTION_LABELS = {
    "buy": "success",
    "sell": "danger",
    "hold": "info",
    "wait": "info",
    "failed": "danger",
    "unasked": "warning",
}
LEVEL_LABELS = {"info": "info", "warning": "warning", "error": "danger"}


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
        "answered",
        "looked_at",
        ("version", "inputs_digest"),
    )
    readonly_fields = ("candle_time", "action_label", "close", "took", "answered", "looked_at")

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

    @display(description="What it answered")
    def answered(self, decision: Decision) -> SafeString:
        """The return values of its methods."""
        return format_html('<div class="raw">{}</div>', json.dumps(decision.answer, indent=1))

    @display(description="What the strategy looked at")
    def looked_at(self, decision: Decision) -> SafeString:
        """Its own plain attributes after the evaluation."""
        return format_html('<div class="raw">{}</div>', json.dumps(decision.values, indent=1))


@admin.register(StrategyLog)
class StrategyLogAdmin(FactAdmin):
    """What strategies printed and failed with in the last 30 days, newest first."""

    list_display = ("created_at", "level_label", "activation", "beginning")
    list_filter = ("level", ("activation", OwnRelatedFilter))
    list_select_related = ("activation__version__strategy", "activation__series__symbol")
    fields = (
        ("created_at", "level_label"),
        ("activation", "version"),
        "message_text",
        "traceback_text",
        "asked_on",
    )
    readonly_fields = ("created_at", "level_label", "message_text", "traceback_text", "asked_on")

    @display(description="Level", label=LEVEL_LABELS, ordering="level")
    def level_label(self, log: StrategyLog) -> tuple[str, str]:
        """Word and colour."""
        return log.level, log.get_level_display()

    @display(description="Message")
    def beginning(self, log: StrategyLog) -> str:
        """Of what it says."""
        return log.message[:160]

    @display(description="Message")
    def message_text(self, log: StrategyLog) -> SafeString:
        """All of it."""
        return format_html('<div class="raw">{}</div>', log.message)

    @display(description="Traceback")
    def traceback_text(self, log: StrategyLog) -> SafeString:
        """The strategy's own lines."""
        return format_html('<div class="raw">{}</div>', log.traceback or "-")

    @display(description="What it was asked on")
    def asked_on(self, log: StrategyLog) -> SafeString:
        """Digest of its inputs, balance and position."""
        return format_html('<div class="raw">{}</div>', json.dumps(log.data, indent=1))
