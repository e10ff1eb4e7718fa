"""Where the clients of an exchange in one environment connect to."""

from typing import TypedDict

from django.conf import settings

from apps.core.limits import limit_store
from apps.domain.environments import Environment, Exchange
from apps.exchanges.limits import LimitStore

_PAPER_MARKETS = {
    "simulated": Environment.SIMULATED,
    "replay": Environment.REPLAY,
    "live": Environment.PAPER,
}


class NotRunning(Exception):
    """The paper exchange runs another market than the one that was asked for."""


class StreamOptions(TypedDict):
    """What `create_candle_stream` needs besides the exchange and what to follow."""

    base_url: str | None
    testnet: bool


class ClientOptions(StreamOptions):
    """What `create_client` and `create_order_stream` need besides the exchange and the credentials."""

    limits: LimitStore


def paper_environment() -> Environment:
    """The environment of the paper exchange as it is started in this installation."""
    return _PAPER_MARKETS[settings.PAPER_MARKET.partition(":")[0]]


def paper_speed() -> float:
    """How many times faster than real time the market of the paper exchange runs."""
    return 1.0 if paper_environment() is Environment.PAPER else settings.PAPER_SPEED


def is_reachable(environment: Environment) -> bool:
    """Whether anything answers for this environment: of the paper ones, only the running one."""
    return not environment.is_paper or environment is paper_environment()


def client_options(
    exchange: Exchange, environment: Environment, *, share: float = 1.0
) -> ClientOptions:
    """The place of `stream_options`, whose limits all processes share; raises NotRunning as it does. What
    can wait takes a small `share` of each limit."""
    # The paper exchange's own limits run with its market, and no slower than real time.
    pace = max(1.0, paper_speed()) if environment.is_paper else 1.0
    return {**stream_options(exchange, environment), "limits": limit_store(pace, share)}


def stream_options(exchange: Exchange, environment: Environment) -> StreamOptions:
    """Raises NotRunning for a paper environment that this installation does not run now."""
    if not is_reachable(environment):
        raise NotRunning(
            f"This needs the paper exchange with a {environment} market, and it runs with a "
            f"{paper_environment()} one. Restart with --market {environment} to use it."
        )
    if environment.is_paper:
        return {"base_url": settings.PAPER_EXCHANGE_URLS[exchange], "testnet": False}
    return {"base_url": None, "testnet": environment is Environment.TESTNET}
