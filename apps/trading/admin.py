"""Orders, fills and positions: facts, so they are read-only; and the limits of risk."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display

from apps.brokers.models import Broker
from apps.core.admin import FactAdmin, OwnedAdmin, OwnRelatedFilter, dialog_link, leave_dialog
from apps.core.formats import NOTHING, price, quantity, share, signed_money
from apps.domain.orders import LIVE_STATUSES, TERMINAL_STATUSES, OrderStatus
from apps.domain.risk import RiskState
from apps.markets.models import Symbol
from apps.trading import ledger_admin
from apps.trading.forms import EditForm, ExitsForm, OnceForm
from apps.trading.models import Book, Fill, Order, OrderEvent, Position, RiskChange, RiskScope
from apps.trading.path import NotChangeable, request_cancel, request_edit
from apps.trading.protection import PositionClosed, set_exit_prices
from apps.trading.selectors import is_cancellable, is_editable, unrealized_pnl, with_last_price
from apps.trading.ticket import close_position
from apps.trading.watch_admin import WatchAdmin
from apps.trading.words import explain, shown_price

__all__ = ["FillAdmin", "OrderAdmin", "PositionAdmin", "WatchAdmin", "ledger_admin"]

STATUS_LABELS = {
    "created": "info",
    "denied": "danger",
    "submitted": "info",
    "unknown": "danger",
    "open": "info",
    "partially_filled": "warning",
    "filled": "success",
    "cancelled": "warning",
    "rejected": "danger",
    "expired": "warning",
}
SIDE_LABELS = {"buy": "success", "sell": "danger"}

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


class ReadOnlyInline(TabularInline):
    """Rows of the order that is shown."""

    extra = 0
    max_num = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the order."""
        return True


class EventInline(ReadOnlyInline):
    """What happened to it, oldest first."""

    model = OrderEvent
    fields = readonly_fields = ("at", "status", "message", "answer", "trace_id")

    @display(description="The exchange's answer")
    def answer(self, event: OrderEvent) -> SafeString | str:
        """Folded away until it is wanted."""
        if event.raw is None:
            return NOTHING
        text = json.dumps(event.raw, indent=1)
        return format_html(
            '<details><summary>show</summary><div class="raw">{}</div></details>', text
        )


class FillInline(ReadOnlyInline):
    """Its executions."""

    model = Fill
    fields = readonly_fields = (
        "executed_at",
        "amount",
        "at_price",
        "fee_text",
        "liquidity",
        "trade_id",
    )

    @display(description="Quantity")
    def amount(self, fill: Fill) -> str:
        """Base asset."""
        return quantity(fill.quantity)

    @display(description="Price")
    def at_price(self, fill: Fill) -> str:
        """Quote per base."""
        return price(fill.price)

    @display(description="Fee")
    def fee_text(self, fill: Fill) -> str:
        """With its asset."""
        return f"{quantity(fill.fee)} {fill.fee_asset}"


class StateFilter(admin.SimpleListFilter):
    """Open orders are those that something may still happen to."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Open, or not."""
        return [("open", "Open"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By status, which has an index."""
        match self.value():
            case "open":
                return queryset.filter(status__in=LIVE_STATUSES)
            case "ended":
                return queryset.filter(status__in=TERMINAL_STATUSES)
        return queryset


def describe_book(book: Book, broker: Broker) -> SafeString:
    """A book with its broker and what the money there is worth."""
    money = broker.get_environment_display()
    return format_html('{}<br><small class="muted">{}, {}</small>', book, broker, money)


@admin.register(Order)
class OrderAdmin(FactAdmin):
    """Every order we ever wanted, the denied ones included."""

    list_display = (
        "created_at",
        "symbol",
        "side_label",
        "kind",
        "size",
        "filled",
        "telling_price",
        "total",
        "status_label",
        "where",
        "changes",
    )
    # Any other sequence would have to sort all of a user's orders.
    sortable_by = ("created_at",)
    list_filter = (
        StateFilter,
        "status",
        "order_type",
        "source",
        "created_at",
        ("broker", OwnRelatedFilter),
    )
    list_select_related = ("symbol", "broker", "book")
    search_fields = ("client_order_id",)
    search_help_text = "Part of a symbol's name, a client order id or the exchange's id"
    actions_detail = ("cancel", "edit")
    list_before_template = "admin/trading/changes.html"
    change_form_outer_before_template = "admin/trading/order/follow.html"
    inlines = (EventInline, FillInline)
    readonly_fields = (
        "explanation",
        "size",
        "filled",
        "average",
        "limit",
        "trigger",
        "money",
        "stop",
        "target",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("symbol", "side", "order_type"),
                    ("status", "exchange_status"),
                    "explanation",
                    "reason",
                )
            },
        ),
        (
            "Size",
            {
                "fields": (
                    ("size", "filled", "average"),
                    ("limit", "trigger"),
                    ("stop", "target"),
                )
            },
        ),
        ("Where", {"fields": (("broker", "money", "book"), ("source", "purpose", "position"))}),
        (
            "Names and times",
            {
                "fields": (
                    ("client_order_id", "exchange_order_id"),
                    ("created_at", "submitted_at", "terminal_at"),
                    "replaces",
                )
            },
        ),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By what has an index: a part of an id would have to be looked for in every order there is."""
        term = search_term.strip()
        if not term:
            return queryset, False
        symbols = Symbol.objects.filter(name__icontains=term).values("pk")
        brokers = Broker.objects.for_user(request.user).values("pk")
        named = queryset.filter(
            Q(client_order_id=term)
            | Q(exchange_order_id=term, broker__in=brokers)
            | Q(symbol__in=list(symbols.values_list("pk", flat=True)))
        )
        return named, False

    @display(description="Status", label=STATUS_LABELS, ordering="status")
    def status_label(self, order: Order) -> tuple[str, str]:
        """Word and colour."""
        return order.status, order.get_status_display()

    @display(description="Side", label=SIDE_LABELS, ordering="side")
    def side_label(self, order: Order) -> tuple[str, str]:
        """Word and colour."""
        return order.side, order.get_side_display()

    @display(description="Type")
    def kind(self, order: Order) -> str:
        """How it trades, and what for where that is not the same."""
        words = order.get_order_type_display()
        return words if order.purpose == order.order_type else f"{words}, {order.purpose}"

    @display(description="What it means")
    def explanation(self, order: Order) -> str:
        """What happened and what to do."""
        return explain(order)

    @display(description="Size")
    def size(self, order: Order) -> str:
        """In the asset it was asked in."""
        if order.quantity is not None:
            return f"{quantity(order.quantity)} {order.symbol.base}"
        return f"{quantity(order.quote_amount)} {order.symbol.quote}"

    @display(description="Price")
    def telling_price(self, order: Order) -> SafeString:
        """What was paid, else what it waits for, else its limit."""
        number, words = shown_price(order)
        return format_html('{} <small class="muted">{}</small>', price(number), words)

    @display(description="Total")
    def total(self, order: Order) -> str:
        """Quote currency that has changed hands."""
        return (
            f"{price(order.filled_quote)} {order.symbol.quote}" if order.filled_quote else NOTHING
        )

    @display(description="Limit price")
    def limit(self, order: Order) -> str:
        """Quote per base."""
        return price(order.price)

    @display(description="Trigger price")
    def trigger(self, order: Order) -> str:
        """What a conditional order waits for."""
        return price(order.trigger_price)

    @display(description="Stop-loss")
    def stop(self, order: Order) -> str:
        """Below the entry price."""
        return share(order.stop_loss)

    @display(description="Take-profit")
    def target(self, order: Order) -> str:
        """Above the entry price."""
        return share(order.take_profit)

    @display(description="Filled", ordering="filled_quantity")
    def filled(self, order: Order) -> str:
        """Base asset."""
        return quantity(order.filled_quantity)

    @display(description="Average price")
    def average(self, order: Order) -> str:
        """Quote per base."""
        return price(order.average_price)

    @display(description="Money")
    def money(self, order: Order) -> str:
        """What it is worth."""
        return order.broker.get_environment_display()

    @display(description="Book and money")
    def where(self, order: Order) -> SafeString:
        """Whose it is and what it is worth."""
        return describe_book(order.book, order.broker)

    @display(description="Actions")
    def changes(self, order: Order) -> SafeString | str:
        """What can still be done about it."""
        if order.status not in LIVE_STATUSES or order.is_amendment:
            return ""
        if order.cancel_requested_at:
            return "being cancelled"
        links = [("trading_order_cancel", "cancel", "Cancel")]
        if is_editable(order):
            links.append(("trading_order_edit", "edit", "Edit"))
        return format_html_join(
            " ",
            "{}",
            (
                [dialog_link(reverse(f"admin:{name}", args=[order.pk]), icon, words)]
                for name, icon, words in links
            ),
        )

    def _find(self, request: HttpRequest, object_id: str | None) -> Order | None:
        return self.get_queryset(request).filter(pk=object_id).first()

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, while it is not over and not being cancelled already."""
        order = self._find(request, object_id)
        return order is not None and is_cancellable(order)

    def has_edit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, of one that rests with a price of its own."""
        order = self._find(request, object_id)
        return order is not None and is_editable(order)

    @action(
        description="Cancel",
        icon="cancel",
        url_path="cancel",
        permissions=["cancel"],
        dialog={
            "title": "Cancel this order?",
            "description": "The exchange is asked to take it out of its book. What is filled by then stays"
            " yours, and a stop-loss that is cancelled protects no more.",
            "form_submit_text": "Cancel the order",
        },
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """A wish: the exchange decides what comes first, the cancel or a fill."""
        request_cancel(order_id=int(object_id), now=timezone.now(), reason="Cancelled by hand.")
        messages.info(request, "It is being cancelled. Its page tells when the exchange confirms.")
        return leave_dialog(request, reverse("admin:trading_order_change", args=[object_id]))

    @action(
        description="Edit",
        icon="edit",
        url_path="edit",
        permissions=["edit"],
        dialog={
            "title": "Change this order?",
            "description": "Where the exchange can, it changes the order where it rests. Otherwise a new"
            " order takes its place once the old one has ended, for what is not filled by then.",
            "form_class": EditForm,
            "form_submit_text": "Change the order",
        },
    )
    def edit(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Shows what came of it: the new order, a denial, or the old one that is being changed."""
        shown = form.order
        try:
            change = request_edit(
                order=shown,
                quantity=form.cleaned_data.get("quantity"),
                price=form.cleaned_data.get("price"),
                trigger_price=form.cleaned_data.get("trigger_price"),
                now=timezone.now(),
            )
            if change.is_amendment and change.status == OrderStatus.CREATED:
                messages.info(request, "It is being changed. Its history tells when that is done.")
            else:
                shown = change
        except NotChangeable as error:
            messages.error(request, str(error))
        return leave_dialog(request, reverse("admin:trading_order_change", args=[shown.pk]))


@admin.register(Fill)
class FillAdmin(FactAdmin):
    """Executions, newest first."""

    list_display = (
        "executed_at",
        "symbol",
        "side_label",
        "amount",
        "at_price",
        "fee_text",
        "liquidity",
        "money",
        "order",
    )
    list_filter = ("side", ("broker", OwnRelatedFilter))
    list_select_related = ("symbol", "broker", "order__symbol")
    search_fields = ("trade_id", "symbol__name")

    @display(description="Side", label=SIDE_LABELS, ordering="side")
    def side_label(self, fill: Fill) -> tuple[str, str]:
        """Word and colour."""
        return fill.side, fill.get_side_display()

    @display(description="Quantity", ordering="quantity")
    def amount(self, fill: Fill) -> str:
        """Base asset."""
        return quantity(fill.quantity)

    @display(description="Price", ordering="price")
    def at_price(self, fill: Fill) -> str:
        """Quote per base."""
        return price(fill.price)

    @display(description="Fee")
    def fee_text(self, fill: Fill) -> str:
        """With its asset."""
        return f"{quantity(fill.fee)} {fill.fee_asset}"

    @display(description="Money")
    def money(self, fill: Fill) -> str:
        """What it is worth."""
        return fill.broker.get_environment_display()


@admin.register(Position)
class PositionAdmin(FactAdmin):
    """Cycles from the first buy to flat."""

    list_display = (
        "opened_at",
        "what",
        "state",
        "amount",
        "entry",
        "last",
        "unrealized",
        "realized",
        "changes",
    )
    list_before_template = "admin/trading/changes.html"
    sortable_by = ("opened_at",)
    actions_detail = ("close", "change_exits")
    list_filter = (("closed_at", admin.EmptyFieldListFilter), ("book__broker", OwnRelatedFilter))
    list_select_related = ("symbol", "book__broker")
    search_fields = ("symbol__name",)
    fields = (
        ("symbol", "state", "money"),
        ("amount", "entry", "last"),
        ("unrealized", "realized"),
        ("stop_loss_price", "take_profit_price"),
        ("book", "opened_at", "closed_at"),
    )
    readonly_fields = ("state", "amount", "entry", "last", "unrealized", "realized", "money")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the last price."""
        return with_last_price(super().get_queryset(request))

    @display(description="State", label={"open": "success", "closed": "info"})
    def state(self, position: Position) -> str:
        """In words."""
        return "open" if position.is_open else "closed"

    @display(description="Quantity", ordering="quantity")
    def amount(self, position: Position) -> str:
        """Base asset; of a closed one, the dust that is left."""
        return quantity(position.quantity)

    @display(description="Entry price")
    def entry(self, position: Position) -> str:
        """Average cost per unit, fees included."""
        return price(position.to_holding().average_price) if position.is_open else NOTHING

    @display(description="Last price")
    def last(self, position: Position) -> str:
        """The newest close."""
        return price(position.last_price) if position.is_open else NOTHING  # type: ignore[attr-defined]  # annotated

    @display(description="Unrealised P&L")
    def unrealized(self, position: Position) -> SafeString | str:
        """If it were sold now."""
        return signed_money(unrealized_pnl(position), position.symbol.quote)

    @display(description="Realised P&L", ordering="realized_pnl")
    def realized(self, position: Position) -> SafeString | str:
        """Earned by its sales, and whether something is missing in that."""
        earned = signed_money(position.realized_pnl, position.symbol.quote)
        if not position.is_incomplete:
            return earned
        return format_html(
            '{} <small class="muted" title="The price of a fee, or of coins that came from outside, was not'
            ' known, so it is left out.">incomplete</small>',
            earned,
        )

    @display(description="Money")
    def money(self, position: Position) -> str:
        """What it is worth."""
        return position.book.broker.get_environment_display()

    @display(description="Symbol, book and money")
    def what(self, position: Position) -> SafeString:
        """What is held, for whom, and what that is worth."""
        of_book = describe_book(position.book, position.book.broker)
        return format_html("{}<br>{}", position.symbol, of_book)

    @display(description="Actions")
    def changes(self, position: Position) -> SafeString | str:
        """What can still be done about it."""
        if not position.is_open:
            return ""
        links = (("close", "output", "Close"), ("change_exits", "shield", "Exits"))
        return format_html_join(
            " ",
            "{}",
            (
                [
                    dialog_link(
                        reverse(f"admin:trading_position_{name}", args=[position.pk]), icon, words
                    )
                ]
                for name, icon, words in links
            ),
        )

    def has_close_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The owner, while it is open."""
        rows = self.get_queryset(request)
        return bool(rows.filter(pk=object_id, closed_at__isnull=True).exists())

    @action(
        description="Close",
        icon="output",
        url_path="close",
        permissions=["close"],
        dialog={
            "title": "Sell all of it now?",
            "description": "Everything is sold at market. A stop-loss that rests for it is cancelled first.",
            "form_class": OnceForm,
            "form_submit_text": "Sell all of it",
        },
    )
    def close(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """An exit through the gate; its page tells how it goes."""
        order = close_position(
            position=self.get_queryset(request).get(pk=object_id),
            key=form.cleaned_data["key"],
            now=timezone.now(),
        )
        return leave_dialog(request, reverse("admin:trading_order_change", args=[order.pk]))

    @action(
        description="Exits",
        icon="shield",
        url_path="exits",
        permissions=["close"],
        dialog={
            "title": "Where is it to end?",
            "description": "The stop-loss rests at the exchange, where that has one; it is replaced there. An"
            " empty price is removed: without a stop-loss nothing ends a loss.",
            "form_class": ExitsForm,
            "form_submit_text": "Move the exits",
        },
    )
    def change_exits(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """As the two fields say; the position's page shows them."""
        try:
            set_exit_prices(
                position=form.position,
                stop_loss=form.cleaned_data["stop_loss"],
                take_profit=form.cleaned_data["take_profit"],
                now=timezone.now(),
            )
        except PositionClosed as error:
            messages.error(request, str(error))
        return leave_dialog(request, reverse("admin:trading_position_change", args=[object_id]))


class RiskScopeForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's take no argument
    """Limits are positive, and what is measured per broker is not asked of a strategy."""

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
        if cleaned.get("book") or self.instance.book_id:
            for name in ("max_daily_loss", "max_drawdown"):
                if cleaned.get(name):
                    message = "It is measured for a whole broker. Set it there."
                    self.add_error(name, message)
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
    list_display = ("whose", "state_label", "reason", *RISK_LIMITS)
    list_select_related = ("broker", "book", "owner")
    readonly_fields = ("state_words", "reason", "changed_at")
    fieldsets = (
        (
            None,
            {
                "description": "Leave both empty for all your trading. An empty limit is none.",
                "fields": (("broker", "book"), ("state_words", "reason", "changed_at")),
            },
        ),
        ("Orders and positions", {"fields": (RISK_LIMITS[:2], RISK_LIMITS[2:4])}),
        (
            "Losses",
            {
                "description": "Measured for each broker at every reading of its balances, deposits and"
                " withdrawals left out. Beyond the daily loss a broker may only reduce, beyond the"
                " drawdown it is halted; a person resumes.",
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

    @display(description="State")
    def state_words(self, scope: RiskScope) -> str:
        """What may be done."""
        return RiskState(scope.state).words

    @display(description="State", label=RISK_LABELS)
    def state_label(self, scope: RiskScope) -> tuple[str, str]:
        """Word and colour."""
        return scope.state, scope.get_state_display()
