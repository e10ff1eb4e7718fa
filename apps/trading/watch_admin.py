"""The order monitor, as a person sees it: how far it has come with each broker."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display

from apps.core.admin import FactAdmin
from apps.trading.models import BrokerWatch
from apps.trading.streams import ALIVE_FOR


def describe_report(report: Mapping[str, Any] | None) -> str:
    """What the full sweep under way, or the last one, has found, in words."""
    if report is None:
        return "Not swept yet."
    words = [
        f"{len(report['symbols'])} symbols read in {report['seconds']:.1f} s:",
        f"{report['open_orders']} open orders,",
        f"{report['new_fills']} new fills,",
        f"{report['imported']} orders placed elsewhere.",
        *(f"Not explained: {words}." for words in report.get("differences", ())),
        *report["odd"],
    ]
    if left := report.get("left"):
        words[0] = (
            f"Under way: of {len(report['symbols'])} symbols {len(left)} are still to be read."
        )
        if left == [None]:
            words[0] = "Under way: the history of all symbols is still to be read."
    if not report["is_complete"]:
        words.append("Not everything could be read; it is read again at the next sweep.")
    return " ".join(words)


def describe_history(watch: BrokerWatch) -> str:
    """How far back the account's past is known, in words."""
    if watch.fills_until is not None:
        return f"All fills until {watch.fills_until:%Y-%m-%d %H:%M:%S} are booked."
    days = watch.broker.history_days
    if watch.sweep_began_at is None:
        return f"The last {days} days are read when the broker's turn comes."
    return f"The last {days} days are being read. {describe_report(watch.report)}"


@admin.register(BrokerWatch)
class WatchAdmin(FactAdmin):
    """One row for each broker."""

    list_display = (
        "broker",
        "state",
        "polled_at",
        "interval",
        "stream",
        "history",
        "swept_at",
        "last_report",
        "money",
    )
    list_select_related = ("broker",)
    fields = (
        ("broker", "state", "money"),
        ("polled_at", "interval", "stream", "next_poll_at"),
        ("swept_at", "next_sweep_at", "reconciled_at"),
        "history",
        "last_report",
        "error",
        "stream_error",
    )
    readonly_fields = ("state", "interval", "stream", "history", "last_report", "money")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of the user's own brokers."""
        return BrokerWatch.objects.filter(broker__owner_id=request.user.pk)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Under the name that the menu has."""
        title = {"title": "Order monitor"}
        return super().changelist_view(request, {**(extra_context or {}), **title})

    @display(
        description="State",
        label={
            "watching": "success",
            "reconciling": "info",
            "failing": "danger",
            "waiting": "warning",
        },
    )
    def state(self, watch: BrokerWatch) -> str:
        """In one word."""
        if watch.failing_since:
            return "failing"
        if watch.error:
            return "waiting"
        return "watching" if watch.reconciled_at else "reconciling"

    @display(description="Looked at every")
    def interval(self, watch: BrokerWatch) -> str:
        """Longer than 10 s where the exchange's limits do not carry that."""
        return f"{watch.interval_seconds:.0f} s"

    @display(description="Private stream", label={"live": "success", "off": "info"})
    def stream(self, watch: BrokerWatch) -> str:
        """While it is live a look once a minute is enough."""
        alive_at = watch.stream_alive_at
        return "live" if alive_at and timezone.now() - alive_at < ALIVE_FOR else "off"

    @display(description="History")
    def history(self, watch: BrokerWatch) -> str:
        """How far it is booked, or how far the first reading has come."""
        return describe_history(watch)

    @display(description="Full sweep")
    def last_report(self, watch: BrokerWatch) -> str:
        """What it found."""
        return describe_report(watch.report)

    @display(description="Money")
    def money(self, watch: BrokerWatch) -> str:
        """What it is worth."""
        return watch.broker.get_environment_display()
