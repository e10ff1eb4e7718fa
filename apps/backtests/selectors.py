"""Reading backtests."""

from django.conf import settings

from apps.accounts.models import User
from apps.backtests.models import BacktestRun
from apps.core.models import OwnedQuerySet
from apps.core.venues import paper_environment
from apps.domain.environments import Environment, Exchange


def list_runs(user: User) -> OwnedQuerySet[BacktestRun]:
    """The user's runs, newest first."""
    return BacktestRun.objects.for_user(user).select_related("version__strategy", "symbol")


def list_venues() -> list[tuple[str, str]]:
    """Where candles come from, as choices: the real exchanges, then the paper ones that run here."""
    paper = paper_environment()
    real = [(exchange, Environment.LIVE) for exchange in Exchange]
    simulated = [
        (exchange, paper) for exchange in Exchange if exchange in settings.PAPER_EXCHANGE_URLS
    ]
    return [
        (f"{exchange.value}:{environment.value}", _describe(exchange, environment))
        for exchange, environment in [*real, *simulated]
    ]


def _describe(exchange: Exchange, environment: Environment) -> str:
    prices = "real prices" if environment is Environment.LIVE else environment.money.split(", ")[1]
    return f"{exchange.value.title()}, {prices}"
