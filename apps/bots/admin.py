"""Activations: switching strategies on, and what can be done about those that are."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from apps.bots import decision_admin, services
from apps.bots.forms import (
    ActivationForm,
    ResumeForm,
    StopForm,
    SwitchForm,
)
from apps.bots.models import Activation, State
from apps.bots.selectors import find_open_position, read_overview
from apps.core.admin import OwnedAdmin, dialog_link, leave_dialog
from apps.core.formats import quantity, signed_money
from apps.domain.candles import Timeframe
from apps.strategies.models import StrategyVersion
from apps.strategies.parameter_fields import make_parameter_fields
from apps.strategies.selectors import list_runnable_versions
from apps.trading.forms import OnceForm

__all__ = ["ActivationAdmin", "decision_admin"]

STATE_LABELS = {
    State.RUNNING.value: "success",
    State.WAITING.value: "info",
    State.BROKEN.value: "danger",
    State.SUSPENDED.value: "warning",
}
_NEW = (
    "version",
    "broker",
    ("symbol", "timeframe"),
    "capital",
    ("starts_at", "ends_at"),
)
_KNOWN = (
    ("strategy", "series", "where"),
    ("state", "dates", "envelope"),
    "tuned",
    "error",
)


@admin.register(Activation)
class ActivationAdmin(OwnedAdmin):
    """Made once; what it runs changes by its own actions only."""

    form = ActivationForm
    list_display = ("strategy", "series", "state", "earned", "dates", "where", "changes")
    list_filter = ("is_active",)
    list_select_related = ("version__strategy", "series__symbol", "book__broker")
    list_per_page = 20
    readonly_fields = (
        "strategy",
        "series",
        "where",
        "envelope",
        "state",
        "dates",
        "tuned",
        "error",
    )
    actions_detail = ("sell", "suspend", "resume", "switch_version", "stop")
    change_form_outer_before_template = "admin/bots/activation/overview.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what each has earned."""
        rows = super().get_queryset(request)
        return rows.annotate(realized_pnl=Sum("book__positions__realized_pnl"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What may be chosen for a new one, and what is known of an old one."""
        if obj is not None:
            return [(None, {"fields": _KNOWN})]
        chosen = self._find_chosen_version(request)
        parameters = list(make_parameter_fields(chosen)) if chosen else []
        words = "" if parameters else "It has none." if chosen else "Choose a version first."
        shown = {"classes": ("parameters",), "description": words, "fields": parameters}
        return [
            (None, {"fields": _NEW}),
            ("Parameters", shown),
            ("Real money", {"fields": ("waiver", "confirmation")}),
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """With a field for each parameter of the version that is chosen."""
        chosen = self._find_chosen_version(request) if obj is None else None
        if chosen:
            kwargs["form"] = type("ActivationForm", (self.form,), make_parameter_fields(chosen))
        return super().get_form(request, obj, **kwargs)

    def _find_chosen_version(self, request: HttpRequest) -> StrategyVersion | None:
        key = (request.POST or request.GET).get("version", "")
        versions = list_runnable_versions(request.user)  # type: ignore[arg-type]  # staff
        return versions.filter(pk=key).first() if key.isdigit() else None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """An activation that exists is a fact."""
        return self.readonly_fields if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: its decisions and orders are history. Stop it instead."""
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """One way to save a new one, and nothing to save of what exists."""
        context = {
            "show_save": object_id is None,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        return super().changeform_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """With its money, its last trades and the steps that were skipped."""
        activation = self._find(request, object_id)
        overview = read_overview(activation) if activation else None
        context = {**(extra_context or {}), "overview": overview}
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Activation, form: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """The service makes the activation with its series and book."""
        if change:
            return
        data = form.cleaned_data
        version = data["version"]
        made = services.activate(
            version=version,
            broker=data["broker"],
            symbol=data["market"],
            timeframe=Timeframe(data["timeframe"] or version.strategy.timeframe),
            parameters=form.parameters,
            terms=form.terms,
            waivers=data["waivers"],
            now=timezone.now(),
        )
        obj.__dict__.update(made.__dict__)

    @display(description="Strategy", ordering="version__strategy__name")
    def strategy(self, activation: Activation) -> str:
        """With its version."""
        return str(activation.version)

    @display(description="Broker and money", ordering="book__broker__name")
    def where(self, activation: Activation) -> str:
        """Where it trades, and what that is worth."""
        broker = activation.book.broker
        return f"{broker}, {broker.get_environment_display()}"

    @display(description="Capital")
    def envelope(self, activation: Activation) -> str:
        """What it began with, of its own."""
        capital = activation.book.capital
        if capital is None:
            return "all that is free"
        return f"{quantity(capital)} {activation.series.symbol.quote}"

    @display(description="Parameters")
    def tuned(self, activation: Activation) -> str:
        """Those that were given; the others are what the code declares."""
        given = ", ".join(f"{name} = {value}" for name, value in activation.parameters.items())
        return given or "as the code declares them"

    @display(description="State", label=STATE_LABELS)
    def state(self, activation: Activation) -> str:
        """In words."""
        return activation.state_at(timezone.now()).value

    @display(description="Realised P&L", ordering="realized_pnl")
    def earned(self, activation: Activation) -> SafeString | str:
        """By its sales so far."""
        total: Any = activation.realized_pnl  # type: ignore[attr-defined]  # annotated
        return signed_money(total, activation.series.symbol.quote)

    @display(description="From and until (UTC)", ordering="starts_at")
    def dates(self, activation: Activation) -> str:
        """When it works."""
        end = activation.stopped_at or activation.ends_at
        until = f"{end:%Y-%m-%d %H:%M}" if end else "open"
        return f"{activation.starts_at:%Y-%m-%d %H:%M} to {until}"

    @display(description="Actions")
    def changes(self, activation: Activation) -> SafeString | str:
        """What can be done about it."""
        if activation.state_at(timezone.now()).is_over:
            return ""
        pause = ("suspend", "pause", "Suspend")
        links = [
            pause if activation.is_active else ("resume", "play_arrow", "Resume"),
            ("sell", "output", "Sell now"),
            ("stop", "stop_circle", "Stop"),
        ]
        return format_html_join(
            " ",
            "{}",
            (
                [
                    dialog_link(
                        reverse(f"admin:bots_activation_{name}", args=[activation.pk]), icon, words
                    )
                ]
                for name, icon, words in links
            ),
        )

    def _find(self, request: HttpRequest, object_id: str | None) -> Activation | None:
        rows = self.get_queryset(request).select_related(*self.list_select_related)
        return rows.filter(pk=object_id).first() if str(object_id).isdigit() else None

    def _find_going(self, request: HttpRequest, object_id: str | None) -> Activation | None:
        row = self._find(request, object_id)
        return row if row and not row.state_at(timezone.now()).is_over else None

    def has_going_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, of one that is not over."""
        return self._find_going(request, object_id) is not None

    def has_suspend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, of one that is active."""
        row = self._find_going(request, object_id)
        return row is not None and row.is_active

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, of one that is suspended or was paused."""
        row = self._find_going(request, object_id)
        return row is not None and not row.is_active

    def has_sell_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, of one that holds something."""
        row = self._find(request, object_id)
        return row is not None and find_open_position(row) is not None

    @action(
        description="Sell now",
        icon="output",
        url_path="sell",
        permissions=["sell"],
        dialog={
            "title": "Sell its position now?",
            "description": "All of it is sold at market. The strategy stays active and may buy again on any"
            " of the next candles; suspend it first if it shall not.",
            "form_class": OnceForm,
            "form_submit_text": "Sell it",
        },
    )
    def sell(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """An exit through the gate; its page tells how it goes."""
        order = services.sell_now(
            activation=self.get_queryset(request).get(pk=object_id),
            key=form.cleaned_data["key"],
            now=timezone.now(),
        )
        return leave_dialog(request, reverse("admin:trading_order_change", args=[order.pk]))

    @action(
        description="Suspend",
        icon="pause",
        url_path="suspend",
        permissions=["suspend"],
        dialog={
            "title": "Suspend this strategy?",
            "description": "It is no longer asked until it is resumed. A position that is open stays, with"
            " its stop-loss and take-profit.",
            "form_submit_text": "Suspend it",
        },
    )
    def suspend(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Until it is resumed."""
        services.suspend(activation=self.get_queryset(request).get(pk=object_id))
        messages.success(request, "It is suspended.")
        return self._leave(request, object_id)

    @action(
        description="Resume",
        icon="play_arrow",
        url_path="resume",
        permissions=["resume"],
        dialog={
            "title": "Resume this strategy?",
            "description": "It is asked again from the next candle on.",
            "form_class": ResumeForm,
            "form_submit_text": "Resume it",
        },
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """From the next candle on."""
        try:
            services.resume(
                activation=self.get_queryset(request).get(pk=object_id),
                in_spite_of_error=form.cleaned_data.get("in_spite_of_error", False),
                now=timezone.now(),
            )
            messages.success(request, "It runs again, from the next candle on.")
        except services.Refused as error:
            messages.error(request, str(error))
        return self._leave(request, object_id)

    @action(
        description="Switch version",
        icon="swap_horiz",
        url_path="switch-version",
        permissions=["going"],
        dialog={
            "title": "Run another version?",
            "description": "Of the same strategy, from the next candle on, with the parameters that it still"
            " has. Only while nothing is held.",
            "form_class": SwitchForm,
            "form_submit_text": "Switch to it",
        },
    )
    def switch_version(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """While it is flat."""
        version = form.cleaned_data["version"]
        try:
            services.switch_version(
                activation=self.get_queryset(request).get(pk=object_id),
                version=version,
                waivers=form.cleaned_data["waivers"],
                now=timezone.now(),
            )
            messages.success(request, f"It runs {version}. If it is paused, resume it.")
        except services.Refused as error:
            messages.error(request, str(error))
        return self._leave(request, object_id)

    @action(
        description="Stop",
        icon="stop_circle",
        url_path="stop",
        permissions=["going"],
        dialog={
            "title": "Stop this strategy for good?",
            "description": "It is never asked again; an entry that has not traded yet is cancelled.",
            "form_class": StopForm,
            "form_submit_text": "Stop it",
        },
    )
    def stop(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """For good."""
        try:
            order = services.stop(
                activation=self.get_queryset(request).get(pk=object_id),
                sells=form.sells,
                key=form.cleaned_data["key"],
                now=timezone.now(),
            )
            messages.success(
                request,
                "It is stopped, and its position is being sold." if order else "It is stopped.",
            )
        except services.Refused as error:
            messages.error(request, str(error))
        return self._leave(request, object_id)

    def _leave(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return leave_dialog(request, reverse("admin:bots_activation_change", args=[object_id]))
