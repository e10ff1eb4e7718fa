"""Strategies and their versions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from apps.core.admin import FactAdmin, OwnedAdmin, OwnRelatedFilter, leave_dialog
from apps.core.formats import NOTHING
from apps.strategies.catalogue import Sample, list_samples
from apps.strategies.forms import CodeWidget, StrategyForm
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.saving import check_and_save, tell_saved
from apps.strategies.selectors import list_activations, list_verdicts, list_versions, suggest_name
from apps.strategies.services import save_version

SHOWN_VERSIONS = 20


@admin.register(Strategy)
class StrategyAdmin(OwnedAdmin):
    """Code that runs only in the sandbox."""

    form = StrategyForm
    list_display = ("name", "version", "timeframe", "description", "created_at")
    search_fields = ("name", "description")
    fields = (("name", "timeframe"), "description", "code", "upload")
    warn_unsaved_form = True
    change_form_after_template = "strategies/findings_panel.html"
    change_form_outer_after_template = "strategies/versions.html"
    actions_detail = ("backtest", "extract", "download")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the newest version's number."""
        return super().get_queryset(request).annotate(newest=Max("versions__number"))

    @display(description="Version", ordering="newest")
    def version(self, strategy: Strategy) -> str:
        """The newest."""
        newest = strategy.newest  # type: ignore[attr-defined]  # annotated above
        return f"v{newest}" if newest else NOTHING

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """A form that starts from the chosen sample."""
        form = super().get_form(request, obj, **kwargs)
        form.sample = None if obj else _find_sample(request)
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Name and description of the chosen sample."""
        sample = _find_sample(request)
        if sample is None:
            return {}
        name = suggest_name(request.user, sample.title)  # type: ignore[arg-type]  # staff
        return {"name": name, "description": sample.description}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What to start from is chosen first."""
        if request.method == "GET" and "sample" not in request.GET:
            return redirect("strategies:new")
        return super().add_view(request, form_url, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """One way to save, and the versions below the form."""
        strategy = self.get_object(request, object_id) if object_id else None
        context: dict[str, Any] = {
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        if strategy:
            context["versions"] = versions = list_versions(strategy)[:SHOWN_VERSIONS]
            context["verdicts"] = list_verdicts(versions[0]) if versions else []
            context["older"] = max(0, strategy.versions.count() - SHOWN_VERSIONS)
        return super().changeform_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """The code becomes a version once its strategy has a row."""
        super().save_related(request, form, formsets, change)
        form.saved = save_version(
            strategy=form.instance,
            code=form.cleaned_data["code"],
            report=form.report,
            now=timezone.now(),
        )
        tell_saved(request, form.saved)

    def response_add(
        self, request: HttpRequest, obj: Strategy, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Stay with it: what was found in the code is shown there."""
        return redirect("admin:strategies_strategy_change", obj.pk)

    def response_change(self, request: HttpRequest, obj: Strategy) -> HttpResponse:
        """Stay with it."""
        return redirect("admin:strategies_strategy_change", obj.pk)

    @action(description="Backtest", icon="history", url_path="backtest")
    def backtest(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form of a new run, with the newest version."""
        return _begin_backtest(self._find_newest(request, object_id))

    @action(description="Extract parameters", icon="tune", url_path="extract")
    def extract(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Numbers of the newest version's code that may become parameters."""
        return redirect("strategies:extraction", self._find_newest(request, object_id).pk)

    @action(description="Download", icon="download", url_path="download")
    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The newest version's code."""
        return redirect("strategies:download", self._find_newest(request, object_id).pk)

    def _find_newest(self, request: HttpRequest, strategy_id: str) -> StrategyVersion:
        strategy = self.get_object(request, strategy_id)
        newest: StrategyVersion | None = strategy and strategy.versions.first()
        if newest is None:
            raise Http404("You have no such strategy.")
        return newest

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time: each is deleted on a page that says what that takes along."""
        return {}

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Only a strategy that was never switched on: decisions and orders are history."""
        strategy = self.get_object(request, object_id)
        uses = list_activations(strategy) if strategy else []
        if uses:
            shown = ", ".join(map(str, uses[:5])) + (
                f" and {len(uses) - 5} more" if uses[5:] else ""
            )
            messages.error(
                request,
                f"{strategy} can't be deleted: what it decided and ordered is kept as history"
                f" ({shown}). Stop what still runs; its versions stay readable.",
            )
            return redirect("admin:strategies_strategy_change", object_id)
        return super().delete_view(request, object_id, extra_context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """With its versions, which nobody deletes by themselves."""
        counts = [(strategy, strategy.versions.count()) for strategy in objs]
        listed = [f"{strategy}, with {count} versions" for strategy, count in counts]
        totals = {"strategies": len(counts), "versions": sum(count for _, count in counts)}
        return listed, totals, set(), []


def _begin_backtest(version: StrategyVersion) -> HttpResponse:
    return redirect(f"{reverse('admin:backtests_backtestrun_add')}?version={version.pk}")


def _find_sample(request: HttpRequest) -> Sample | None:
    chosen = request.GET.get("sample")
    return next((sample for sample in list_samples() if sample.name == chosen), None)


@admin.register(StrategyVersion)
class StrategyVersionAdmin(FactAdmin):
    """Code as it was saved; read-only, and not in the menu."""

    list_display = ("number", "strategy", "saved", "short_hash", "state", "class_name")
    list_filter = (("strategy", OwnRelatedFilter),)
    list_select_related = ("strategy",)
    fields = (("strategy", "saved", "short_hash"), ("state", "used_by"), "source")
    readonly_fields = ("saved", "short_hash", "state", "used_by", "source")
    change_form_after_template = "strategies/findings_of_version.html"
    actions_detail = ("backtest", "restore", "compare", "download")

    @property
    def media(self) -> Any:
        """With the editor, which shows code that is not edited too."""
        return super().media + CodeWidget().media

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """With what its backtests have found."""
        version = self.get_object(request, object_id) if object_id else None
        context = {"verdicts": list_verdicts(version)} if version else {}
        return super().changeform_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    @display(description="Saved (UTC)", ordering="created_at")
    def saved(self, version: StrategyVersion) -> str:
        """When."""
        return f"{version.created_at:%Y-%m-%d %H:%M}"

    @display(description="Hash", ordering="code_hash")
    def short_hash(self, version: StrategyVersion) -> SafeString:
        """Enough of it to tell two codes apart."""
        return format_html('<code title="{}">{}</code>', version.code_hash, version.short_hash)

    @display(description="State")
    def state(self, version: StrategyVersion) -> SafeString:
        """Whether it may run."""
        tone = "gain" if version.validated_at else "loss"
        return format_html('<span class="{}">{}</span>', tone, version.state)

    @display(description="Active where")
    def used_by(self, version: StrategyVersion) -> str:
        """What runs it now."""
        running = version.activations.filter(is_active=True).select_related(
            "series__symbol", "book__broker"
        )
        return ", ".join(activation.place for activation in running) or NOTHING

    @display(description="Code")
    def source(self, version: StrategyVersion) -> SafeString:
        """As it was saved."""
        return format_html(
            '<textarea data-code readonly rows="32" class="w-full" aria-label="Code">{}</textarea>',
            version.code,
        )

    @action(
        description="Restore",
        icon="restore",
        url_path="restore",
        dialog={
            "title": "Go on from this version?",
            "description": "Its code is checked again and becomes the newest version; nothing is lost,"
            " and what is active keeps running the version it was given.",
            "form_submit_text": "Restore it",
        },
    )
    def restore(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """A new version with the old code."""
        version = self.get_object(request, object_id)
        if version is None:
            messages.error(request, "You have no such version.")
            return leave_dialog(request, reverse("admin:strategies_strategy_changelist"))
        check_and_save(request, version.strategy, version.code)
        target = reverse("admin:strategies_strategy_change", args=[version.strategy_id])
        return leave_dialog(request, target)

    @action(description="Backtest", icon="history", url_path="backtest")
    def backtest(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form of a new run, with this version."""
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404("You have no such version.")
        return _begin_backtest(version)

    @action(description="Compare with the newest", icon="difference", url_path="compare")
    def compare(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What has changed since."""
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404("You have no such version.")
        newest = version.strategy.versions.first()
        target = reverse("strategies:comparison", args=[version.strategy_id])
        return redirect(f"{target}?old={version.number}&new={newest.number}")

    @action(description="Download", icon="download", url_path="download")
    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Its code as a file."""
        return redirect("strategies:download", object_id)
