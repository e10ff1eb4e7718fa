"""The accounts: lots, transfers, differences, and what brokers were worth."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core.admin import OwnRelatedFilter
from apps.core.formats import NOTHING, price, quantity, signed_money
from apps.trading.models import Difference, EquitySnapshot, Lot, Transfer
from apps.trading.parts_admin import OfBrokerAdmin, describe_book


class OpenLotFilter(admin.SimpleListFilter):
    """Lots with something left."""

    title = "what is left"
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Held or sold."""
        return [("held", "Held"), ("gone", "All of it sold")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """One of both, or all."""
        match self.value():
            case "held":
                return queryset.filter(remaining__gt=0)
            case "gone":
                return queryset.filter(remaining=0)
        return queryset


@admin.register(Lot)
class LotAdmin(OfBrokerAdmin):
    """What is held: which coins, since when, at what cost."""

    list_display = (
        "acquired_at",
        "asset",
        "origin_label",
        "left",
        "amount",
        "unit_cost",
        "total",
        "whose",
    )
    list_filter = (OpenLotFilter, "origin", ("book__broker", OwnRelatedFilter))
    list_select_related = ("book__broker",)
    search_fields = ("asset",)
    fields = (
        ("asset", "origin_label", "money"),
        ("left", "amount"),
        ("unit_cost", "total"),
        ("book", "position"),
        ("acquired_at", "fill"),
    )
    readonly_fields = ("origin_label", "left", "amount", "unit_cost", "total", "money")

    @display(
        description="Origin",
        ordering="origin",
        label={"bought": "success", "adopted": "warning", "dust": "info"},
    )
    def origin_label(self, lot: Lot) -> tuple[str, str]:
        """What was not bought here is flagged."""
        words = {"bought": "bought here", "adopted": "from outside", "dust": "dust of a position"}
        return lot.origin, words[lot.origin]

    @display(description="Left", ordering="remaining")
    def left(self, lot: Lot) -> str:
        """Not sold yet."""
        return quantity(lot.remaining)

    @display(description="Came in", ordering="quantity")
    def amount(self, lot: Lot) -> str:
        """All of it."""
        return quantity(lot.quantity)

    @display(description="Cost per unit")
    def unit_cost(self, lot: Lot) -> str:
        """Fees included; of nothing left there is none."""
        if lot.cost is None:
            return "not known"
        return f"{price(lot.cost / lot.remaining)} {lot.cost_asset}" if lot.remaining else NOTHING

    @display(description="Cost of what is left", ordering="cost")
    def total(self, lot: Lot) -> str:
        """Fees included."""
        return "not known" if lot.cost is None else f"{price(lot.cost)} {lot.cost_asset}"

    @display(description="Book and money")
    def whose(self, lot: Lot) -> SafeString:
        """Whose it is and what it is worth."""
        return describe_book(lot.book, lot.broker)


@admin.register(Transfer)
class TransferAdmin(OfBrokerAdmin):
    """Deposits and withdrawals, newest first."""

    list_display = ("at", "asset", "amount", "at_price", "money", "broker", "note")
    list_filter = (("broker", OwnRelatedFilter),)
    search_fields = ("asset", "note")

    @display(description="Quantity", ordering="quantity")
    def amount(self, transfer: Transfer) -> str:
        """What went out is negative."""
        return quantity(transfer.quantity)

    @display(description="Price in USDT", ordering="price")
    def at_price(self, transfer: Transfer) -> str:
        """When it was first seen."""
        return "not known" if transfer.price is None else price(transfer.price)


@admin.register(Difference)
class DifferenceAdmin(OfBrokerAdmin):
    """What an exchange holds and nothing explains; usually there is none."""

    list_display = (
        "asset",
        "missing",
        "by_fills",
        "by_exchange",
        "first_seen_at",
        "broker",
        "money",
    )
    list_filter = (("broker", OwnRelatedFilter),)
    search_fields = ("asset",)

    @display(description="Unexplained")
    def missing(self, difference: Difference) -> str:
        """What is missing at the exchange is negative."""
        return quantity(difference.amount)

    @display(description="By fills and transfers", ordering="ours")
    def by_fills(self, difference: Difference) -> str:
        """Ours."""
        return quantity(difference.ours)

    @display(description="At the exchange", ordering="theirs")
    def by_exchange(self, difference: Difference) -> str:
        """Theirs."""
        return quantity(difference.theirs)


@admin.register(EquitySnapshot)
class EquityAdmin(OfBrokerAdmin):
    """What brokers were worth, once a minute."""

    list_display = ("at", "broker", "worth", "moved", "earned", "left_out", "money")
    list_filter = (("broker", OwnRelatedFilter),)
    date_hierarchy = "at"
    list_before_template = "admin/trading/equitysnapshot/chart.html"

    @display(description="Equity", ordering="equity")
    def worth(self, snapshot: EquitySnapshot) -> str:
        """In USDT."""
        return f"{price(snapshot.equity)} USDT"

    @display(description="Transferred", ordering="transferred")
    def moved(self, snapshot: EquitySnapshot) -> str:
        """Came from outside, less what went out."""
        return f"{price(snapshot.transferred)} USDT"

    @display(description="Earned since the first look")
    def earned(self, snapshot: EquitySnapshot) -> SafeString | str:
        """By trading and by prices."""
        return signed_money(snapshot.equity - snapshot.transferred, "USDT")

    @display(description="Without a price")
    def left_out(self, snapshot: EquitySnapshot) -> str:
        """Assets that the equity leaves out."""
        return ", ".join(snapshot.unpriced) or NOTHING
