"""The one admin base for rows that belong to users."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

from apps.core.models import OwnedModel


class _OwnedForm:
    """A new row belongs to who made it, and rules such as "one name a user" are checked with its owner."""

    owner: Any
    instance: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.owner_id is None:
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
        return int(rows.order_by()[: self.LIMIT].count())


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


def leave_dialog(request: HttpRequest, target: str) -> HttpResponse:
    """Go on to `target`: a dialog posts by htmx, which follows its own header only."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": target})
    return redirect(target)
