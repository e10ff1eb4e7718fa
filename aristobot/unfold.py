"""The admin's look: menu, theme, badges."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def _is_administrator(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)


def _is_about_a_broker(request: HttpRequest) -> bool:
    brokers = reverse("admin:brokers_broker_changelist")
    exchanges = reverse("admin:brokers_broker_capabilities")
    return request.path.startswith(brokers) and request.path != exchanges


def _open_orders(_request: HttpRequest) -> str:
    return f"{reverse('admin:trading_order_changelist')}?state=open"


def _item(title: str, icon: str, view: str, **extra: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(view), **extra}


def _asset(path: str) -> Any:
    return lambda _request: static(f"aristobot/{path}")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Aristobot",
    "SITE_HEADER": "Aristobot",
    "SITE_SUBHEADER": "Crypto spot trading",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _asset("favicon.svg")},
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "apps.live.dashboard.environment_badge",
    "DASHBOARD_CALLBACK": "apps.live.dashboard.add_dashboard",
    "STYLES": [_asset("app.css")],
    "SCRIPTS": [_asset("theme.js"), _asset("live.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .02 220)",
            "100": "oklch(94% .04 220)",
            "200": "oklch(89% .07 220)",
            "300": "oklch(84% .11 220)",
            "400": "oklch(80% .14 220)",
            "500": "oklch(72% .14 222)",
            "600": "oklch(61% .13 225)",
            "700": "oklch(51% .11 228)",
            "800": "oklch(42% .09 230)",
            "900": "oklch(35% .07 232)",
            "950": "oklch(26% .05 235)",
        }
    },
    "TABS": [
        {
            "models": ["trading.order"],
            "items": [
                {
                    "title": "All orders",
                    "link": reverse_lazy("admin:trading_order_changelist"),
                    "active": lambda request: request.GET.get("state") != "open",
                },
                {
                    "title": "Open orders",
                    "link": _open_orders,
                    "active": lambda request: request.GET.get("state") == "open",
                },
            ],
        }
    ],
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "items": [
                    _item("Dashboard", "dashboard", "admin:index"),
                    _item(
                        "Alerts",
                        "notifications",
                        "admin:core_alert_changelist",
                        badge="apps.live.dashboard.count_alerts",
                        badge_url=reverse_lazy("live:alert_count"),
                    ),
                ]
            },
            {
                "title": "Trading bot",
                "separator": True,
                "items": [
                    _item("Activations", "smart_toy", "admin:bots_activation_changelist"),
                    _item("Positions by strategy", "account_tree", "bots:positions"),
                    _item("Decisions", "psychology", "admin:bots_decision_changelist"),
                    _item("Logs", "terminal", "admin:bots_strategylog_changelist"),
                    _item("Strategies", "code", "admin:strategies_strategy_changelist"),
                    _item("Backtests", "history", "admin:backtests_backtestrun_changelist"),
                ],
            },
            {
                "title": "Trading",
                "separator": True,
                "items": [
                    _item("Manual trading", "touch_app", "live:ticket"),
                    _item("Orders", "receipt_long", "admin:trading_order_changelist"),
                    _item("Fills", "done_all", "admin:trading_fill_changelist"),
                    _item("Order monitor", "radar", "admin:trading_brokerwatch_changelist"),
                    _item(
                        "Positions", "account_balance_wallet", "admin:trading_position_changelist"
                    ),
                    _item("Risk limits", "shield", "admin:trading_riskscope_changelist"),
                ],
            },
            {
                "title": "Accounting",
                "separator": True,
                "items": [
                    _item("Equity", "show_chart", "admin:trading_equitysnapshot_changelist"),
                    _item("Lots", "toll", "admin:trading_lot_changelist"),
                    _item("Transfers", "swap_horiz", "admin:trading_transfer_changelist"),
                    _item("Differences", "difference", "admin:trading_difference_changelist"),
                    _item("Yearly statement", "description", "trading:statement"),
                ],
            },
            {
                "title": "Markets",
                "separator": True,
                "items": [
                    _item("Heartbeat", "ecg_heart", "admin:markets_heartbeatstatus_changelist"),
                    _item("Candles", "candlestick_chart", "admin:markets_candle_changelist"),
                    _item("Price history", "stacked_line_chart", "admin:markets_series_changelist"),
                    _item("Symbols", "currency_exchange", "admin:markets_symbol_changelist"),
                    _item(
                        "Exchange health",
                        "monitor_heart",
                        "admin:markets_exchangehealth_changelist",
                    ),
                    _item("Exchanges", "account_balance", "admin:brokers_broker_capabilities"),
                    _item("Paper exchanges", "science", "live:paper_exchanges"),
                ],
            },
            {
                "title": "My account",
                "separator": True,
                "items": [
                    _item(
                        "Brokers",
                        "key",
                        "admin:brokers_broker_changelist",
                        active=_is_about_a_broker,
                    )
                ],
            },
            {
                "title": "System",
                "separator": True,
                "items": [
                    _item("Task monitor", "monitoring", "tasks", permission=_is_administrator),
                    _item(
                        "Schedules",
                        "schedule",
                        "admin:django_celery_beat_periodictask_changelist",
                        permission=_is_administrator,
                    ),
                    _item(
                        "Users",
                        "group",
                        "admin:accounts_user_changelist",
                        permission=_is_administrator,
                    ),
                ],
            },
        ],
    },
}
