"""The pages of the limits of risk."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.admin import OwnedAdmin
from apps.core.formats import quantity, share
from apps.domain.risk import RiskState
from apps.trading.models import RiskChange, RiskScope
from apps.trading.parts_admin import ReadOnlyInline

RISK_LABELS = {
    "active": "success",
    "reduce_only": "warning",
    "halted": "danger",
    "flatten": "danger",
}
RISK_LIMITS = (
    "max_order_value",
    "max_position_value",
    "max_open_positions",
    "max_orders_per_minute",
    "max_daily_loss",
    "max_drawdown",
)


class RiskScopeForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's take no argument
    """Limits are positive, and a drawdown is one of a known capital."""

    class Meta:
        model = RiskScope
        fields = ("broker", "book", *RISK_LIMITS)

    def clean(self) -> dict[str, Any]:
        """Everything that is wrong at once."""
        cleaned: dict[str, Any] = super().clean() or {}
        for name in RISK_LIMITS:
            value = cleaned.get(name)
            if value is not None and value <= 0:
                self.add_error(name, "Use a positive number, or leave it empty for no limit.")
        if (drawdown := cleaned.get("max_drawdown")) and drawdown >= 1:
            self.add_error("max_drawdown", "A fraction below 1: 0.2 is 20 %.")
        book = cleaned.get("book") or self.instance.book
        if book and book.capital is None and cleaned.get("max_drawdown"):
            self.add_error(
                "max_drawdown",
                "It is a fraction of the strategy's own capital, and this one has none. Limit its daily"
                " loss, or the drawdown of its broker.",
            )
        return cleaned


class RiskChangeInline(ReadOnlyInline):
    """Who changed its state, when and why."""

    model = RiskChange
    fields = readonly_fields = ("at", "state", "reason", "by")


@admin.register(RiskScope)
class RiskScopeAdmin(OwnedAdmin):
    """Limits for all of a user's trading, one broker or one strategy; for all users, by administrators.
    The state is changed by the switch at the top of every page."""

    form = RiskScopeForm
    inlines = (RiskChangeInline,)
    list_display = ("whose", "state_label", "reason", "limits")
    list_select_related = ("broker", "book", "owner")
    readonly_fields = ("state_words", "reason", "changed_at")
    fieldsets = (
        (
            None,
            {
                "description": "Leave both empty for all your trading. An empty limit is none; where several"
                " hold, of all users, of yours, of a broker and of a strategy, the tightest counts. A"
                " limit of all users holds for each of them by himself.",
                "fields": (("broker", "book"), ("state_words", "reason", "changed_at")),
            },
        ),
        ("Orders and positions", {"fields": (RISK_LIMITS[:2], RISK_LIMITS[2:4])}),
        (
            "Losses",
            {
                "description": "Measured at every reading of the balances, open positions at their market"
                " price, deposits and withdrawals left out, from when the limit is set or trading is"
                " resumed. Of all your trading, brokers with the same kind of money are measured and"
                " stopped together. Beyond the daily loss only exits are left, beyond the drawdown it is"
                " halted; a person resumes.",
                "fields": (RISK_LIMITS[4:],),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The user's own; for administrators also that of everybody."""
        scopes: QuerySet[Any] = admin.ModelAdmin.get_queryset(self, request)
        everybody = Q(owner=None) if request.user.is_superuser else Q()
        return scopes.filter(Q(owner=request.user) | everybody)

    def _is_own(self, request: HttpRequest, obj: Any) -> bool:
        of_everybody = obj is not None and obj.owner_id is None
        return request.user.is_superuser if of_everybody else super()._is_own(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new one has no state yet."""
        first, *rest = super().get_fieldsets(request, obj)
        if obj is None:
            first = (None, {**first[1], "fields": (("broker", "book"),)})
        return (first, *rest)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """A new one has no past yet."""
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: deleting one would resume what is stopped. A limit is emptied instead."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whose it is never changes."""
        return (*self.readonly_fields, *(("broker", "book") if obj else ()))

    @display(description="Whose trading")
    def whose(self, scope: RiskScope) -> str:
        """In words."""
        if scope.owner_id is None:
            return "Each user"
        return str(scope.broker or scope.book or "All of mine")

    @display(description="Limits")
    def limits(self, scope: RiskScope) -> SafeString | str:
        """Those there are, in words."""
        lines = [(words,) for words in _describe_limits(scope)]
        return (
            format_html("<div>{}</div>", format_html_join("", "{}<br>", lines)) if lines else "none"
        )

    @display(description="State")
    def state_words(self, scope: RiskScope) -> str:
        """What may be done."""
        return RiskState(scope.state).words

    @display(description="State", label=RISK_LABELS)
    def state_label(self, scope: RiskScope) -> tuple[str, str]:
        """Word and colour."""
        return scope.state, scope.get_state_display()


def _describe_limits(scope: RiskScope) -> Iterator[str]:
    if scope.max_order_value is not None:
        yield f"an order: {quantity(scope.max_order_value)}"
    if scope.max_position_value is not None:
        yield f"a position: {quantity(scope.max_position_value)}"
    if scope.max_open_positions is not None:
        yield f"open positions: {scope.max_open_positions}"
    if scope.max_orders_per_minute is not None:
        yield f"orders a minute: {scope.max_orders_per_minute}"
    if scope.max_daily_loss is not None:
        yield f"daily loss: {quantity(scope.max_daily_loss)} USDT"
    if scope.max_drawdown is not None:
        yield f"drawdown: {share(scope.max_drawdown)}"
