"""The pages of positions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from apps.core.admin import OwnRelatedFilter, dialog_link, leave_dialog
from apps.core.formats import NOTHING, price, quantity, signed_money
from apps.trading.forms import ExitsForm, OnceForm
from apps.trading.models import Position
from apps.trading.parts_admin import OfBrokerAdmin, describe_book
from apps.trading.protection import PositionClosed, set_exit_prices
from apps.trading.selectors import unrealized_pnl, with_last_price
from apps.trading.ticket import close_position


@admin.register(Position)
class PositionAdmin(OfBrokerAdmin):
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
        ("stop", "target"),
        ("book", "opened_at", "closed_at"),
    )
    readonly_fields = (
        "state",
        "amount",
        "entry",
        "last",
        "unrealized",
        "realized",
        "stop",
        "target",
        "money",
    )

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

    @display(description="Stop-loss")
    def stop(self, position: Position) -> str:
        """Where it ends a loss."""
        return price(position.stop_loss_price)

    @display(description="Take-profit")
    def target(self, position: Position) -> str:
        """Where it takes a profit."""
        return price(position.take_profit_price)

    @display(description="Symbol, book and money")
    def what(self, position: Position) -> SafeString:
        """What is held, for whom, and what that is worth."""
        of_book = describe_book(position.book, position.broker)
        return format_html("<div>{}{}</div>", position.symbol, of_book)

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
