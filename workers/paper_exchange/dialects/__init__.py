"""Wire protocols: what clients of a real exchange send, and what they get back."""

from importlib import import_module
from typing import Any

from apps.domain.environments import Exchange
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.probe import Probe


def handlers_of(spoken: Exchange, exchange: PaperExchange, probe: Probe | None) -> list[Any]:
    """Tornado's rules for everything that this exchange's port answers; a dialect has them in
    `application.handlers`."""
    module = import_module(f"{__name__}.{spoken.value}.application")
    rules: list[Any] = module.handlers(exchange, probe)
    return rules
