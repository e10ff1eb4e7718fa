"""The pages of orders and fills: facts, so they are read-only. Those of positions, risk, the ledger and the
monitor are beside this file."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from apps.brokers.models import Broker
from apps.core.admin import OwnRelatedFilter, dialog_link, leave_dialog
from apps.core.formats import NOTHING, price, quantity, share
from apps.domain.orders import LIVE_STATUSES, TERMINAL_STATUSES, OrderStatus
from apps.markets.models import Symbol
from apps.trading import ledger_admin, position_admin, risk_admin
from apps.trading.edits import NotChangeable, request_edit
from apps.trading.forms import EditForm
from apps.trading.models import Fill, Order, OrderEvent
from apps.trading.parts_admin import OfBrokerAdmin, ReadOnlyInline, describe_book
from apps.trading.path import request_cancel
from apps.trading.selectors import is_cancellable, is_editable
from apps.trading.watch_admin import WatchAdmin
from apps.trading.words import explain, shown_price

__all__ = ["FillAdmin", "OrderAdmin", "WatchAdmin", "ledger_admin", "position_admin", "risk_admin"]

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


@admin.register(Order)
class OrderAdmin(OfBrokerAdmin):
    """Every order we ever wanted, the denied ones included."""

    list_display = (
        "created_at",
        "symbol",
        "side_label",
        "kind",
        "size",
        "traded",
        "telling_price",
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
        return format_html('<div>{}<br><small class="muted">{}</small></div>', price(number), words)

    @display(description="Filled")
    def traded(self, order: Order) -> SafeString | str:
        """Base asset, and the quote currency that changed hands for it."""
        if not order.filled_quantity:
            return NOTHING
        return format_html(
            '<div>{}<br><small class="muted">{} {}</small></div>',
            quantity(order.filled_quantity),
            price(order.filled_quote),
            order.symbol.quote,
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
        """Its price where one was named, else how far below the entry price."""
        return price(order.stop_loss_price) if order.stop_loss_price else share(order.stop_loss)

    @display(description="Take-profit")
    def target(self, order: Order) -> str:
        """Its price where one was named, else how far above the entry price."""
        named = order.take_profit_price
        return price(named) if named else share(order.take_profit)

    @display(description="Filled", ordering="filled_quantity")
    def filled(self, order: Order) -> str:
        """Base asset."""
        return quantity(order.filled_quantity)

    @display(description="Average price")
    def average(self, order: Order) -> str:
        """Quote per base."""
        return price(order.average_price)

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
class FillAdmin(OfBrokerAdmin):
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
