"""The short form of `manage.py bench chaos`: everything breaks for half a minute."""

import os
import subprocess
import sys
from itertools import pairwise

from apps.domain.environments import Exchange
from workers.bench.chaos.plan import Deed, Victim, make_plan
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
        times = [blow.at for blow in blows if blow.victim is victim]
        if not victim.is_child:
            assert all(later - earlier > 60 for earlier, later in pairwise(times))


def test_every_exchange_has_its_faults() -> None:
    assert make_plan(seed=1, seconds=60).rules.keys() == set(Exchange)
