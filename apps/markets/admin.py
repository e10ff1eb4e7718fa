"""Market data, the same for all users."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from apps.core.formats import price, quantity
from apps.markets.models import Candle, HeartbeatStatus, Symbol


class MarketAdmin(ModelAdmin):
    """Facts of the market: all staff read them, nobody writes them."""

    list_per_page = 50
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff."""
        return bool(request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """All staff."""
        return bool(request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(Candle)
class CandleAdmin(MarketAdmin):
    """Closed candles."""

    list_display = (
        "opened_at",
        "market",
        "timeframe",
        "ohlc",
        "volume_text",
        "received_at",
        "state",
    )
    list_filter = ("series__timeframe", "series__symbol__environment")
    list_select_related = ("series__symbol",)
    ordering = ("-received_at", "-opened_at")

    @display(description="Symbol")
    def market(self, candle: Candle) -> str:
        """With the words for its money."""
        symbol = candle.series.symbol
        return f"{symbol.name} ({symbol.get_environment_display()})"

    @display(description="Timeframe")
    def timeframe(self, candle: Candle) -> str:
        """1m, 5m, ..."""
        return candle.series.timeframe

    @display(description="Open, high, low, close")
    def ohlc(self, candle: Candle) -> str:
        """Four prices."""
        return " / ".join(price(p) for p in (candle.open, candle.high, candle.low, candle.close))

    @display(description="Volume", ordering="volume")
    def volume_text(self, candle: Candle) -> str:
        """Base asset."""
        return f"{candle.volume:,.4f}"

    @display(description="Strategies", label={"called": "success", "stored only": "info"})
    def state(self, candle: Candle) -> str:
        """Whether strategies were called on it."""
        return "called" if candle.dispatched_at else "stored only"


@admin.register(HeartbeatStatus)
class HeartbeatStatusAdmin(MarketAdmin):
    """How the producer of candles is."""

    list_display = (
        "exchange",
        "money",
        "state",
        "following",
        "last_candle_at",
        "started_at",
        "last_error",
    )

    @display(description="Money")
    def money(self, status: HeartbeatStatus) -> str:
        """What its prices are."""
        return status.get_environment_display()

    @display(description="State", label={"connected": "success", "not connected": "danger"})
    def state(self, status: HeartbeatStatus) -> str:
        """In words."""
        return "connected" if status.is_connected else "not connected"

    @display(description="Follows")
    def following(self, status: HeartbeatStatus) -> str:
        """Its series."""
        return ", ".join(status.symbols)


@admin.register(Symbol)
class SymbolAdmin(MarketAdmin):
    """Pairs and the exchange's rules for them."""

    list_display = ("name", "exchange", "environment", "is_trading", "tick", "step", "minimum")
    list_filter = ("exchange", "environment", "is_trading")
    search_fields = ("name",)

    @display(description="Tick", ordering="tick_size")
    def tick(self, symbol: Symbol) -> str:
        """Smallest price change."""
        return quantity(symbol.tick_size)

    @display(description="Step", ordering="step_size")
    def step(self, symbol: Symbol) -> str:
        """Smallest quantity change."""
        return quantity(symbol.step_size)

    @display(description="Minimum", ordering="min_notional")
    def minimum(self, symbol: Symbol) -> str:
        """Smallest order in quote currency."""
        return f"{quantity(symbol.min_notional)} {symbol.quote}"
