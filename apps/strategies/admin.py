"""Strategies and their versions."""

from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display

from apps.core.admin import FactAdmin, OwnedAdmin
from apps.strategies.forms import StrategyForm
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.services import save_version


class VersionInline(TabularInline):
    """What was saved when."""

    model = StrategyVersion
    fields = ("number", "class_name", "lookback", "created_at")
    readonly_fields = fields
    extra = 0
    max_num = 0
    can_delete = False
    tab = True
    show_change_link = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the strategy."""
        return True


@admin.register(Strategy)
class StrategyAdmin(OwnedAdmin):
    """Code that runs only in the sandbox."""

    form = StrategyForm
    list_display = ("name", "version", "description", "created_at")
    search_fields = ("name", "description")
    inlines = (VersionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the newest version's number."""
        return super().get_queryset(request).annotate(newest=Max("versions__number"))

    @display(description="Version", ordering="newest")
    def version(self, strategy: Strategy) -> str:
        """The newest."""
        return f"v{strategy.newest}"  # type: ignore[attr-defined]  # annotated above

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """The code becomes a version once its strategy has a row."""
        super().save_related(request, form, formsets, change)
        save_version(
            strategy=form.instance,
            code=form.cleaned_data["code"],
            report=form.report,
            now=timezone.now(),
        )


@admin.register(StrategyVersion)
class StrategyVersionAdmin(FactAdmin):
    """Code as it was saved; read-only, and not in the menu."""

    list_display = ("strategy", "number", "class_name", "created_at")
    fields = ("strategy", "number", "class_name", "lookback", "parameters", "created_at", "code")
    readonly_fields = fields
