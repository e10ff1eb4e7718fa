"""What the pages of trading share."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from apps.brokers.models import Broker
from apps.core.admin import FactAdmin
from apps.trading.models import Book


class ReadOnlyInline(TabularInline):
    """Rows of the order that is shown."""

    extra = 0
    max_num = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the order."""
        return True


class OfBrokerAdmin(FactAdmin):
    """Facts about money at a broker."""

    list_select_related: tuple[str, ...] = ("broker",)

    @display(description="Money")
    def money(self, row: Any) -> str:
        """What it is worth."""
        return str(row.broker.get_environment_display())


def describe_book(book: Book, broker: Broker) -> SafeString:
    """A book with its broker and what the money there is worth."""
    money = broker.get_environment_display()
    return format_html('<div>{}<br><small class="muted">{}, {}</small></div>', book, broker, money)
