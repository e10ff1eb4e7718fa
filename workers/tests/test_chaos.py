"""The short form of `manage.py bench chaos`: everything breaks for half a minute."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from typing import Any, get_args

import pytest

from apps.domain.environments import Exchange
from workers.bench.chaos import faults
from workers.bench.chaos.faults import Faults
from workers.bench.chaos.plan import Deed, Rule, Victim, make_plan
from workers.paper_exchange.faults import AnyRule
from workers.tests.installation import PROJECT

SHORT = ("--minutes", "0.5", "--seed", "2", "--settle", "120")


def test_no_order_is_lost_or_doubled_while_everything_breaks() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "bench", "chaos", *SHORT],
        cwd=PROJECT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Violations: 0." in done.stdout


def test_a_seed_is_a_plan() -> None:
    assert make_plan(seed=3, seconds=600) == make_plan(seed=3, seconds=600)
    assert make_plan(seed=3, seconds=600) != make_plan(seed=4, seconds=600)


def test_the_short_form_strikes_everybody() -> None:
    blows = make_plan(seed=2, seconds=30).blows

    kills = {blow.victim for blow in blows if blow.deed is Deed.KILL}
    lasting = {(blow.victim, blow.deed) for blow in blows if blow.seconds}

    assert kills >= set(Victim) - {Victim.VALKEY}
    assert lasting == {(Victim.ORDERS, Deed.FREEZE), (Victim.VALKEY, Deed.HOLD_DOWN)}


def test_nobody_is_killed_so_often_that_the_supervisor_gives_up() -> None:
    blows = make_plan(seed=5, seconds=1800).blows

    for victim in Victim:
        struck = [blow for blow in blows if blow.victim is victim and blow.deed is not Deed.FREEZE]
        times = [blow.at for blow in struck]
        if not victim.is_child:
            assert all(later - earlier > 60 for earlier, later in pairwise(times))


def test_kills_come_at_a_pace_that_leaves_time_to_recover() -> None:
    kills = [blow.at for blow in make_plan(seed=5, seconds=1800).blows if blow.deed is Deed.KILL]

    assert 200 <= len(kills) <= 240
    assert min(later - earlier for earlier, later in pairwise(kills)) > 5


def test_every_exchange_has_every_kind_of_fault() -> None:
    plan = make_plan(seed=1, seconds=1800)

    known = {kind.__struct_config__.tag for kind in get_args(AnyRule)}
    for rules in (plan.rules[exchange] for exchange in Exchange):
        assert {rule["fault"] for rule in [*rules, *plan.revoked]} == known


def test_what_lasts_for_a_while_comes_again() -> None:
    rules = make_plan(seed=1, seconds=900).rules[Exchange.KRAKEN]

    starts = [rule["start"] for rule in rules if rule["fault"] == "maintenance"]
    assert starts == [120, 420, 720]


class PaperExchange:
    """Has rules until it is killed."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def answer(self, _exchange: Exchange, _path: str, body: bytes | None = None) -> Any:
        if body is not None:
            self.rules = [{**rule, "hits": 0} for rule in json.loads(body)["rules"]]
        return {"rules": self.rules}


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> PaperExchange:
    exchange = PaperExchange()
    monkeypatch.setattr(faults, "_ask", exchange.answer)
    return exchange


def test_a_killed_exchange_gets_the_rules_that_still_hold(paper: PaperExchange) -> None:
    rules: list[Rule] = [
        {"fault": "latency"},
        {"fault": "banned", "start": 10.0, "end": 20.0},
        {"fault": "maintenance", "start": 30.0, "end": 40.0},
    ]
    kept = Faults(Exchange.BINANCE, rules, seed=1)
    kept.keep(0)

    paper.rules = []
    kept.keep(35)

    assert paper.rules == [
        {"fault": "latency", "hits": 0},
        {"fault": "maintenance", "start": 0, "end": 5, "hits": 0},
    ]


def test_what_struck_before_an_exchange_was_killed_still_counts(paper: PaperExchange) -> None:
    kept = Faults(Exchange.BINANCE, [{"fault": "latency"}], seed=1)
    for hits in (3, 4):
        kept.keep(0)
        paper.rules[0]["hits"] = hits
        kept.keep(0)
        paper.rules = []
        kept.keep(0)

    assert kept.hits == {"latency": 7}
