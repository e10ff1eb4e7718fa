"""The first page of the admin."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from redis import RedisError

from apps.accounts.models import User
from apps.brokers.selectors import list_brokers
from apps.core.alerts import list_open_alerts
from apps.core.health import ProcessHealth, is_listening, list_processes
from apps.core.venues import paper_environment
from apps.domain.environments import Environment
from apps.live import selectors
from apps.trading.selectors import list_open_positions, list_orders, unrealized_pnl

#: What an installation runs; one that shows no sign of life is named on the page.
PROCESSES = (
    "web",
    "webhook",
    "worker orders",
    "worker monitor",
    "worker strategies",
    "worker downloads",
    "worker backtests",
    "beat",
    "heartbeat",
    "streams",
)
_BADGES = {
    Environment.LIVE: ("Real money", "danger"),
    Environment.TESTNET: ("Testnet", "info"),
    Environment.PAPER: ("Paper, live prices", "success"),
    Environment.REPLAY: ("Paper, recorded market", "success"),
    Environment.SIMULATED: ("Paper, simulated market", "success"),
}


def environment_badge(request: HttpRequest) -> list[str] | None:
    """The most serious money that the user trades with, on every page."""
    if not request.user.is_authenticated:
        return None
    active = list_brokers(request.user).filter(is_active=True)
    used = set(active.values_list("environment", flat=True))
    for environment in (Environment.LIVE, Environment.TESTNET):
        if environment in used:
            return list(_BADGES[environment])
    return list(_BADGES[paper_environment()])


def count_alerts(request: HttpRequest) -> str:
    """How many alerts are open, for the menu; nothing for none."""
    if not request.user.is_authenticated:
        return ""
    return str(list_open_alerts(request.user).count() or "")


def add_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's hook: what the first page shows."""
    context.update(read_dashboard(request.user), title="Dashboard")
    return context


def read_dashboard(user: Any) -> dict[str, Any]:
    """Everything on the dashboard; the same for the page and for its refresh."""
    assert isinstance(user, User)  # noqa: S101  only signed-in users get here
    positions = list(list_open_positions(user)[:20])
    return {
        "alerts": list_open_alerts(user)[:3],
        "accounts": selectors.list_accounts(user),
        "positions": [(position, unrealized_pnl(position)) for position in positions],
        "orders": list_orders(user)[:8],
        "activations": [
            (activation, activation.state_at(timezone.now()))
            for activation in selectors.list_activation_cards(user)
        ],
        "chart": selectors.find_chart_activation(user, None),
        "processes": _list_processes(),
        "paper_market": paper_environment(),
        "paper_speed": settings.PAPER_SPEED,
    }


def _list_processes() -> list[ProcessHealth] | None:
    """None when Valkey does not answer, and then nothing is known about any process."""
    asked = {
        "sandbox": settings.SANDBOX_SOCKET,
        "backtest sandbox": settings.BACKTEST_SOCKET,
        **{f"paper {name}": url for name, url in settings.PAPER_EXCHANGE_URLS.items()},
        "flower": settings.FLOWER_URL,
    }
    try:
        announced = list_processes(PROCESSES)
    except RedisError:
        return None
    listening = [ProcessHealth(name, int(is_listening(where))) for name, where in asked.items()]
    return [*announced, *listening]
