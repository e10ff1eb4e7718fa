"""Orders, fills and positions: facts, so they are read-only."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from apps.core.admin import FactAdmin, OwnRelatedFilter
from apps.core.formats import NOTHING, price, quantity, share, signed_money
from apps.trading.models import Fill, Order, OrderEvent, Position
from apps.trading.selectors import unrealized_pnl, with_last_price

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


@admin.register(Order)
class OrderAdmin(FactAdmin):
    """Every order we ever wanted, the denied ones included."""

    list_display = (
        "created_at",
        "symbol",
        "side_label",
        "purpose",
        "size",
        "filled",
        "average",
        "status_label",
        "money",
        "book",
    )
    list_filter = ("status", "side", "source", ("broker", OwnRelatedFilter))
    list_select_related = ("symbol", "broker", "book")
    search_fields = ("client_order_id", "exchange_order_id", "symbol__name")
    inlines = (EventInline, FillInline)
    readonly_fields = ("denial", "size", "filled", "average", "money", "stop", "target")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("symbol", "side", "order_type"),
                    ("status", "exchange_status"),
                    "denial",
                    "reason",
                )
            },
        ),
        ("Size", {"fields": (("size", "filled", "average"), ("stop", "target"))}),
        ("Where", {"fields": (("broker", "money", "book"), ("source", "purpose", "position"))}),
        (
            "Names and times",
            {
                "fields": (
                    ("client_order_id", "exchange_order_id"),
                    ("created_at", "submitted_at", "terminal_at"),
                )
            },
        ),
    )

    @display(description="Status", label=STATUS_LABELS, ordering="status")
    def status_label(self, order: Order) -> tuple[str, str]:
        """Word and colour."""
        return order.status, order.get_status_display()

    @display(description="Side", label=SIDE_LABELS, ordering="side")
    def side_label(self, order: Order) -> tuple[str, str]:
        """Word and colour."""
        return order.side, order.get_side_display()

    @display(description="Why it was denied")
    def denial(self, order: Order) -> str:
        """What happened and what to do."""
        return order.denial_words or NOTHING

    @display(description="Size")
    def size(self, order: Order) -> str:
        """In the asset it was asked in."""
        if order.quantity is not None:
            return f"{quantity(order.quantity)} {order.symbol.base}"
        return f"{quantity(order.quote_amount)} {order.symbol.quote}"

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
        "symbol",
        "state",
        "amount",
        "entry",
        "last",
        "unrealized",
        "realized",
        "money",
        "book",
    )
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
        """Earned by its sales."""
        return signed_money(position.realized_pnl, position.symbol.quote)

    @display(description="Money")
    def money(self, position: Position) -> str:
        """What it is worth."""
        return position.book.broker.get_environment_display()
