"""What the exchanges do wrong: rules set from outside, and how often each has struck."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings

from apps.domain.environments import Exchange
from workers.bench.chaos.plan import Rule


class Faults:
    """The rules of one exchange over a run. Its process loses them when it is killed, and the next one
    gets what still holds."""

    def __init__(self, exchange: Exchange, rules: Sequence[Rule], *, seed: int) -> None:
        self._exchange = exchange
        self._rules = rules
        self._seed = seed
        self._hits_before: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()

    @property
    def hits(self) -> Counter[str]:
        """How often each kind of fault had struck when it was last seen."""
        return self._hits_before + self._hits

    def keep(self, elapsed: float) -> None:
        """Remember what has struck, and set the rules where there are none; raises OSError when the
        exchange is away."""
        if told := self._rules_at_work():
            self._hits = _count(told)
            return
        self._hits_before, self._hits = self.hits, Counter()
        self._set([_later(rule, elapsed) for rule in self._rules if _holds_after(rule, elapsed)])
        # The next process draws other cases.
        self._seed += 1

    def end(self) -> None:
        """End all faults; raises OSError when the exchange is away."""
        self._hits = _count(self._rules_at_work()) or self._hits
        self._set([])

    def _rules_at_work(self) -> list[Rule]:
        rules: list[Rule] = _ask(self._exchange, "/paper/faults")["rules"]
        return rules

    def _set(self, rules: Sequence[Rule]) -> None:
        body = json.dumps({"seed": self._seed, "rules": rules}).encode()
        _ask(self._exchange, "/paper/faults", body)


def read_prices(exchange: Exchange) -> dict[str, str]:
    """The last price of every symbol that has one."""
    symbols = _ask(exchange, "/paper/state")["symbols"]
    return {name: row["last_price"] for name, row in symbols.items() if row["last_price"]}


def revoke(keys: Sequence[str], rules: Sequence[Rule]) -> Iterator[Rule]:
    """The rules for one key after the other."""
    for number, rule in enumerate(rules if keys else ()):
        yield {**rule, "key": keys[number % len(keys)]}


def _count(rules: Sequence[Rule]) -> Counter[str]:
    hits: Counter[str] = Counter()
    for rule in rules:
        hits[rule["fault"] + " (carried out)" * rule.get("after", False)] += rule["hits"]
    return hits


def _holds_after(rule: Rule, elapsed: float) -> bool:
    return bool(rule.get("end", elapsed + 1) > elapsed)


def _later(rule: Rule, elapsed: float) -> Rule:
    """The same rule for somebody whose seconds begin only now."""
    return {
        name: max(0.0, value - elapsed) if name in {"start", "end"} else value
        for name, value in rule.items()
    }


def _ask(exchange: Exchange, path: str, body: bytes | None = None) -> Any:
    url = settings.PAPER_EXCHANGE_URLS[exchange.value] + path
    request = urllib.request.Request(  # noqa: S310  an address of our own
        url, data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  as above
        return json.load(answer)
