"""The one admin base for rows that belong to users."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from apps.core.alerts import list_alerts, put_away
from apps.core.formats import NOTHING
from apps.core.models import Alert, OwnedModel


class _OwnedForm:
    """A new row belongs to who made it, and rules such as "one name a user" are checked with its owner."""

    owner: Any
    instance: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.instance.owner = self.owner

    def _get_validation_exclusions(self) -> set[str]:
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # of ModelForm
        return exclusions - {"owner"}


class OwnedAdmin(ModelAdmin):
    """Lists, opens, changes, deletes and offers only what belongs to the user who asks, whoever he is.
    Staff need no permission of Django's for their own rows."""

    list_filter_submit = True
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """The user's own rows."""
        return super().get_queryset(request).filter(owner=request.user)

    def _is_own(self, request: HttpRequest, obj: Any) -> bool:
        return bool(request.user.is_staff) and (obj is None or obj.owner_id == request.user.pk)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff."""
        return bool(request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The owner."""
        return self._is_own(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """All staff: a new row is its maker's."""
        return bool(request.user.is_staff)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The owner."""
        return self._is_own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The owner."""
        return self._is_own(request, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only the user's own rows."""
        if issubclass(db_field.related_model, OwnedModel):
            kwargs["queryset"] = db_field.related_model.objects.for_user(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """A form that knows whose row it makes."""
        form = super().get_form(request, obj, **kwargs)
        return type(form.__name__, (_OwnedForm, form), {"owner": request.user})


class BoundedPaginator(Paginator[Any]):
    """Pages of a table that grows for ever: it counts no further than anybody turns pages, so that a page
    of a million rows costs what a page of a thousand does. Filters lead to what is older."""

    LIMIT = 10_000

    @cached_property
    def count(self) -> int:
        """Rows, at most LIMIT."""
        rows: Any = self.object_list
        # In the sequence they are shown in, so that its index is used: a statement is planned once for all
        # values, and without a sequence that plan reads the whole table for the values that are rare.
        sequence = rows.query.order_by[:1]
        return int(rows.order_by(*sequence)[: self.LIMIT].count())


class FactAdmin(OwnedAdmin):
    """Rows that the system writes and a person only reads."""

    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class OwnRelatedFilter(admin.RelatedFieldListFilter):
    """A filter by a related row that offers only the user's own."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """The user's own rows of the related model."""
        rows = field.related_model.objects.for_user(request.user)
        return [(row.pk, str(row)) for row in rows]


def dialog_link(url: str, icon: str, words: str) -> SafeString:
    """A link that opens the dialog of an Unfold action."""
    return format_html(
        '<a href="{0}" hx-get="{0}" hx-target="#modal-content" hx-select="#dialog" title="{2}"'
        ' x-on:htmx:after-on-load="openModal = true" class="dialog-link">'
        '<span class="material-symbols-outlined">{1}</span> {2}</a>',
        url,
        icon,
        words,
    )


def leave_dialog(request: HttpRequest, target: str) -> HttpResponse:
    """Go on to `target`: a dialog posts by htmx, which follows its own header only."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": target})
    return redirect(target)


class OpenFilter(admin.SimpleListFilter):
    """Open alerts, or those whose cause is gone or that were put away."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Open, or not."""
        return [("open", "Open"), ("over", "Over")]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """By whether it has ended."""
        if self.value() is None:
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() == "open")


@admin.register(Alert)
class AlertAdmin(FactAdmin):
    """What the user should know: open ones first, the worst before the others."""

    list_display = (
        "level_label",
        "message",
        "advice",
        "where",
        "count",
        "last_at",
        "state",
        "changes",
    )
    list_display_links = ("level_label", "message")
    sortable_by = ()
    list_filter = (OpenFilter, "level")
    actions_detail = ("put_away",)
    fields = (
        ("level_label", "state"),
        "message",
        "advice",
        "where",
        ("count", "created_at", "last_at", "resolved_at"),
    )
    readonly_fields = ("level_label", "state", "where", "created_at")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """The user's own."""
        return list_alerts(request.user)

    def get_ordering(self, request: HttpRequest) -> Any:
        """As they come from `list_alerts`."""
        return (F("resolved_at").desc(nulls_first=True), "rank", "-last_at")

    @display(
        description="Level", label={"critical": "danger", "warning": "warning", "info": "info"}
    )
    def level_label(self, alert: Alert) -> tuple[str, str]:
        """Word and colour."""
        return alert.level, alert.get_level_display()

    @display(description="Where")
    def where(self, alert: Alert) -> SafeString | str:
        """The page that it is about."""
        return (
            format_html('<a class="dialog-link" href="{}">Look at it</a>', alert.link)
            if alert.link
            else NOTHING
        )

    @display(description="State")
    def state(self, alert: Alert) -> str:
        """In words."""
        return "open" if alert.resolved_at is None else "over"

    @display(description="Actions")
    def changes(self, alert: Alert) -> SafeString | str:
        """What can be done about it."""
        if alert.resolved_at:
            return ""
        return dialog_link(
            reverse("admin:core_alert_put_away", args=[alert.pk]), "done", "Put away"
        )

    def _find_open(self, request: HttpRequest, object_id: str | None) -> Alert | None:
        return self.get_queryset(request).filter(pk=object_id, resolved_at=None).first()

    def has_put_away_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, while it is open."""
        return self._find_open(request, object_id) is not None

    @action(
        description="Put away",
        icon="done",
        url_path="put-away",
        permissions=["put_away"],
        dialog={
            "title": "Put this alert away?",
            "description": "It comes back when the same thing happens again.",
            "form_submit_text": "Put it away",
        },
    )
    def put_away(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """The owner has read it."""
        if alert := self._find_open(request, object_id):
            put_away(alert, now=timezone.now())
        return leave_dialog(request, reverse("admin:core_alert_changelist"))
