"""Backtests: asking for one, following it, and reading what came out."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from apps.backtests import services
from apps.backtests.forms import BacktestForm, first_values, values_of
from apps.backtests.models import BacktestRun
from apps.backtests.pages import read_result_page
from apps.core.admin import OwnedAdmin, OwnRelatedFilter, leave_dialog
from apps.core.formats import NOTHING, signed_money
from apps.strategies.models import StrategyVersion
from apps.strategies.parameter_fields import make_parameter_fields
from apps.strategies.selectors import list_runnable_versions

STATE_LABELS = {
    "waiting": "info",
    "running": "info",
    "done": "success",
    "failed": "danger",
    "cancelled": "warning",
}
BADGE_LABELS = {"good": "success", "caution": "warning", "don't trust": "danger"}
_NEW = (
    "version",
    ("venue", "symbol_name"),
    ("timeframe", "detail"),
    ("from_date", "to_date"),
    ("balance", "mode"),
)
_COSTS = (("maker_fee", "taker_fee"), ("fee_in", "slippage_bps"))


@admin.register(BacktestRun)
class BacktestRunAdmin(OwnedAdmin):
    """Made once; what it was asked never changes."""

    form = BacktestForm
    list_display = (
        "strategy",
        "market",
        "dates",
        "state_words",
        "earned",
        "trades",
        "trust",
        "asked_at",
    )
    list_filter = ("state", ("version__strategy", OwnRelatedFilter))
    list_select_related = ("version__strategy", "symbol")
    list_per_page = 20
    actions_detail = ("again", "cancel")
    change_form_outer_before_template = "backtests/result.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What may be chosen for a new one; an old one is shown on a page of its own."""
        if obj is not None:
            return []
        chosen = self._find_chosen_version(request)
        parameters = list(make_parameter_fields(chosen)) if chosen else []
        words = "" if parameters else "It has none." if chosen else "Choose a version first."
        shown = {"classes": ("parameters",), "description": words, "fields": parameters}
        return [
            (None, {"fields": _NEW}),
            ("What a fill costs", {"classes": ("fees",), "fields": _COSTS}),
            ("Parameters", shown),
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """With a field for each parameter of the version that is chosen."""
        chosen = self._find_chosen_version(request) if obj is None else None
        if chosen:
            kwargs["form"] = type("BacktestForm", (self.form,), make_parameter_fields(chosen))
        return super().get_form(request, obj, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """What was given in the address, and the fees of the exchange that is chosen."""
        return first_values(request.GET.dict(), timezone.now())

    def _find_chosen_version(self, request: HttpRequest) -> StrategyVersion | None:
        key = (request.POST or request.GET).get("version", "")
        versions = list_runnable_versions(request.user)  # type: ignore[arg-type]  # staff
        return versions.filter(pk=key).first() if key.isdigit() else None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: another run is another row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The owner, once it has ended."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_going_on)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """What came out, or how far it is."""
        run = self._find(request, object_id)
        context = {**(extra_context or {}), "run": run}
        if run and run.has_result:
            context["page"] = read_result_page(run, request.GET.get("page", ""))
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: BacktestRun, form: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """The service makes the run, and a worker takes it."""
        version = form.cleaned_data["version"]
        made = services.start_run(version=version, setup=form.setup, now=timezone.now())
        obj.__dict__.update(made.__dict__)

    def response_add(
        self, request: HttpRequest, obj: BacktestRun, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Follow it."""
        return redirect("admin:backtests_backtestrun_change", obj.pk)

    @display(description="Strategy", ordering="version__strategy__name")
    def strategy(self, run: BacktestRun) -> str:
        """With its version."""
        return str(run.version)

    @display(description="Candles", ordering="symbol__name")
    def market(self, run: BacktestRun) -> str:
        """Symbol, timeframe, and whose prices they are."""
        symbol = run.symbol
        where = f"{symbol.get_exchange_display()}, {symbol.get_environment_display().lower()}"
        return f"{symbol.name} {run.timeframe} ({where})"

    @display(description="From and to (UTC)", ordering="starts_at")
    def dates(self, run: BacktestRun) -> str:
        """Days."""
        return f"{run.starts_at:%Y-%m-%d} to {run.ends_at:%Y-%m-%d}"

    @display(description="State", ordering="state", label=STATE_LABELS)
    def state_words(self, run: BacktestRun) -> tuple[str, str]:
        """With how far it is."""
        return run.state, run.progress if run.is_going_on else run.get_state_display()

    @display(description="Net profit")
    def earned(self, run: BacktestRun) -> SafeString | str:
        """In quote currency."""
        profit = run.metrics.get("net_profit")
        return signed_money(None if profit is None else Decimal(profit), run.symbol.quote)

    @display(description="Trades")
    def trades(self, run: BacktestRun) -> str:
        """How many were closed."""
        count = run.metrics.get("trades")
        return NOTHING if count is None else f"{count:,.0f}"

    @display(description="Trust", label=BADGE_LABELS)
    def trust(self, run: BacktestRun) -> str:
        """How far the result can be trusted."""
        return run.honesty.get("badge", "")

    @display(description="Asked (UTC)", ordering="created_at")
    def asked_at(self, run: BacktestRun) -> str:
        """When."""
        return f"{run.created_at:%Y-%m-%d %H:%M}"

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, while it goes on."""
        run = self._find(request, object_id)
        return run is not None and run.is_going_on

    def has_again_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, once it has ended."""
        run = self._find(request, object_id)
        return run is not None and not run.is_going_on

    @action(
        description="Cancel",
        icon="cancel",
        url_path="cancel",
        permissions=["cancel"],
        dialog={
            "title": "Cancel this backtest?",
            "description": "It ends within a second, without a result.",
            "form_submit_text": "Cancel it",
        },
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Within a second."""
        if run := self._find(request, object_id):
            services.cancel_run(run=run, now=timezone.now())
        return leave_dialog(
            request, reverse("admin:backtests_backtestrun_change", args=[object_id])
        )

    @action(description="Run again", icon="replay", url_path="again", permissions=["again"])
    def again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form, filled in as it was."""
        run = self._find(request, object_id)
        if run is None:
            raise Http404("You have no such backtest.")
        return redirect(f"{reverse('admin:backtests_backtestrun_add')}?{urlencode(values_of(run))}")

    def _find(self, request: HttpRequest, object_id: str | None) -> BacktestRun | None:
        rows = self.get_queryset(request).select_related(*self.list_select_related)
        return rows.filter(pk=object_id).first() if str(object_id).isdigit() else None
