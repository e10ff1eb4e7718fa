"""What the exchanges do wrong: rules set from outside, and how often each has struck."""

import json
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from apps.domain.environments import Exchange


def set_rules(exchange: Exchange, *, seed: int, rules: Sequence[Mapping[str, Any]]) -> None:
    """Put these rules in the place of all others; none end all faults."""
    _ask(exchange, "/paper/faults", json.dumps({"seed": seed, "rules": rules}).encode())


def count_hits(exchange: Exchange) -> Counter[str]:
    """How often each kind of fault has struck since its rules were set."""
    hits: Counter[str] = Counter()
    for rule in _ask(exchange, "/paper/faults")["rules"]:
        hits[rule["fault"] + " (carried out)" * rule.get("after", False)] += rule["hits"]
    return hits


def read_prices(exchange: Exchange) -> dict[str, str]:
    """The last price of every symbol that has one."""
    symbols = _ask(exchange, "/paper/state")["symbols"]
    return {name: row["last_price"] for name, row in symbols.items() if row["last_price"]}


def _ask(exchange: Exchange, path: str, body: bytes | None = None) -> Any:
    url = settings.PAPER_EXCHANGE_URLS[exchange.value] + path
    request = urllib.request.Request(  # noqa: S310  an address of our own
        url, data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  as above
        return json.load(answer)
