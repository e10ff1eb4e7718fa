"""Market data, the same for all users."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from unfold.decorators import display

from apps.core.admin import BoundedPaginator
from apps.core.formats import NOTHING, price, quantity
from apps.domain.environments import Environment, Exchange
from apps.markets import series_admin
from apps.markets.facts_admin import MarketAdmin
from apps.markets.models import Candle, ExchangeHealth, HeartbeatStatus, Symbol
from apps.markets.selectors import find_sync, list_syncs
from apps.markets.symbols import request_sync

__all__ = ["series_admin"]


@admin.register(Candle)
class CandleAdmin(MarketAdmin):
    """Closed candles, what was stored last first."""

    paginator = BoundedPaginator
    list_display = (
        "opened_at",
        "market",
        "timeframe",
        "ohlc",
        "volume_text",
        "heard",
        "state",
    )
    list_filter = ("series__timeframe", "series__symbol__environment")
    list_select_related = ("series__symbol",)
    ordering = ("-pk",)

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

    @display(description="Received")
    def heard(self, candle: Candle) -> Any:
        """When the heartbeat brought it."""
        return candle.received_at if candle.is_heard else NOTHING

    @display(
        description="Strategies",
        label={"called": "success", "stored only": "info", "history": "default"},
    )
    def state(self, candle: Candle) -> str:
        """Whether strategies were called on it."""
        if candle.dispatched_at:
            return "called"
        return "stored only" if candle.is_heard else "history"


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


@admin.register(ExchangeHealth)
class ExchangeHealthAdmin(MarketAdmin):
    """How the exchanges answer."""

    list_display = (
        "exchange",
        "money",
        "state_words",
        "message",
        "calls",
        "failed",
        "mean",
        "last_success_at",
        "checked_at",
    )

    @display(description="Money")
    def money(self, health: ExchangeHealth) -> str:
        """What is traded there."""
        return health.get_environment_display()

    @display(
        description="State",
        label={"connected": "success", "degraded": "warning", "down": "danger"},
    )
    def state_words(self, health: ExchangeHealth) -> str:
        """In words; what was not checked lately is not known."""
        return health.state if health.is_current(timezone.now()) else "not watched now"

    @display(description="Calls", ordering="calls")
    def calls(self, health: ExchangeHealth) -> str:
        """In the minute before the check."""
        return f"{health.calls:,}"

    @display(description="Failed", ordering="failures")
    def failed(self, health: ExchangeHealth) -> str:
        """Of them, with the share."""
        share = 100 * health.failures / health.calls if health.calls else 0
        return f"{health.failures:,} ({share:.0f}\N{NO-BREAK SPACE}%)"

    @display(description="Mean", ordering="mean_ms")
    def mean(self, health: ExchangeHealth) -> str:
        """How long a call took."""
        return "-" if health.mean_ms is None else f"{health.mean_ms:,.0f} ms"


@admin.register(Symbol)
class SymbolAdmin(MarketAdmin):
    """Pairs and the exchange's rules for them."""

    list_display = ("name", "exchange", "environment", "is_trading", "tick", "step", "minimum")
    list_filter = ("exchange", "environment", "is_trading")
    search_fields = ("name",)
    list_before_template = "admin/markets/symbol/syncs.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Above the symbols: how their last reading went, or how far it is."""
        return super().changelist_view(request, {**(extra_context or {}), "syncs": list_syncs()})

    def get_urls(self) -> list[Any]:
        """With the part of the page that refreshes itself."""
        view = self.admin_site.admin_view(self.sync)
        return [
            path("sync/<str:exchange>/<str:environment>/", view, name="markets_symbol_sync"),
            *super().get_urls(),
        ]

    def sync(self, request: HttpRequest, exchange: str, environment: str) -> HttpResponse:
        """How the reading of one exchange's symbols is; a POST starts it. The answer is a part of a
        page, which asks for itself again while there is something to wait for."""
        try:
            where, money = Exchange(exchange), Environment(environment)
        except ValueError:
            raise Http404("There is no such exchange.") from None
        if money.is_paper and exchange not in settings.PAPER_EXCHANGE_URLS:
            raise Http404(f"There is no paper exchange for {exchange}.")
        if request.method == "POST":
            request_sync(exchange=where, environment=money)
        context = {"sync": find_sync(exchange=where, environment=money)}
        return render(request, "admin/markets/symbol/sync.html", context)

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
