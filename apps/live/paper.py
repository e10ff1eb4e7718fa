"""The page about the paper exchanges: what each of them says of itself."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import requests
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest
from django.views.generic import TemplateView

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.brokers.selectors import list_brokers

TIMEOUT_SECONDS = 2
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, InvalidOperation)


class PaperExchangesView(LoginRequiredMixin, TemplateView):
    """Market, speed, accounts, orders and faults; nothing can be changed here."""

    template_name = "live/paper_exchanges.html"
    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the template shows, and what every page of the admin needs."""
        user = self.request.user
        assert isinstance(user, User)  # noqa: S101  only signed-in users get here
        return {
            **super().get_context_data(**kwargs),
            **admin.site.each_context(self.request),
            "title": "Paper exchanges",
            "exchanges": [
                read_paper_exchange(name, url, user)
                for name, url in settings.PAPER_EXCHANGE_URLS.items()
            ],
        }


def read_paper_exchange(name: str, url: str, user: User) -> dict[str, Any]:
    """One exchange's state, or why there is none. A trader sees his own accounts, an administrator all."""
    try:
        with requests.get(f"{url}/paper/state", timeout=TIMEOUT_SECONDS) as reply:
            reply.raise_for_status()
            state = reply.json()
            return _shown(name, url, state, user)
    except (requests.RequestException, *_UNREADABLE) as error:
        return {"name": name.title(), "url": url, "error": f"No answer: {type(error).__name__}."}


def _shown(name: str, url: str, state: dict[str, Any], user: User) -> dict[str, Any]:
    brokers = {_account_id(broker): broker for broker in list_brokers(user)}
    rows = [
        {**row, "broker": brokers.get(row["id"]), "balances": _balances(row["balances"])}
        for row in state["account_list"]
        if user.is_superuser or row["id"] in brokers
    ]
    return {
        **state,
        "name": name.title(),
        "url": url,
        "speed_word": state["speed"] if state["speed"] == "max" else f"{state['speed']:g}",
        "market_time": datetime.fromtimestamp(state["market_time_ms"] / 1000, UTC),
        "symbols": sorted(state["symbols"].items()),
        "account_list": rows,
        "faults": [_described(rule) for rule in state["faults"]],
    }


def _balances(balances: dict[str, dict[str, str]]) -> list[tuple[str, Decimal, Decimal]]:
    """Asset, free and locked, of what there is any of."""
    rows = [(asset, Decimal(b["free"]), Decimal(b["locked"])) for asset, b in balances.items()]
    return sorted(row for row in rows if any(row[1:]))


def _account_id(broker: Broker) -> str:
    """As the paper exchange names an account without telling its key."""
    return hashlib.sha256(broker.api_key.encode()).hexdigest()[:16]


def _described(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule with what was said besides its name, leaving out what keeps its usual value."""
    usual = {"chance": 1.0, "times": None, "start": 0.0, "end": None, "path": "*"}
    words = {
        name: value
        for name, value in rule.items()
        if name not in {"fault", "hits", "key"} and value != usual.get(name, "")
    }
    return {"name": rule["fault"], "hits": rule["hits"], "words": words}
