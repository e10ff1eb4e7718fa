import json
from pathlib import Path

import pytest

from workers.paper_exchange.faults import (
    Faults,
    FaultsUnreadable,
    Latency,
    Plan,
    RateLimited,
    TimeoutAfter,
    parse_plan,
    read_faults,
)
from workers.paper_exchange.startup import StartError
from workers.paper_exchange.tests.builders import Wall

TOML = """seed = 7

[[rules]]
fault = "timeout_after"
method = "POST"
path = "/api/v3/order*"
chance = 0.5

[[rules]]
fault = "latency"
seconds = [0.1, 0.2]
"""


def faults_of(*rules: Latency | RateLimited, wall: Wall | None = None, seed: int = 1) -> Faults:
    clock = wall or Wall()
    return Faults(lambda: int(clock() * 1000), Plan(rules=rules, seed=seed))


def struck(faults: Faults, count: int) -> list[bool]:
    return [faults.strike(Latency) is not None for _ in range(count)]


def test_a_file_gives_rules_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text(TOML)

    plan = read_faults(tmp_path / "faults.toml")

    assert plan.seed == 7
    assert plan.rules == (
        TimeoutAfter(method="POST", path="/api/v3/order*", chance=0.5),
        Latency(seconds=[0.1, 0.2]),
    )


def test_json_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text(
        json.dumps({"rules": [{"fault": "latency", "seconds": 2, "times": 3}]})
    )

    plan = read_faults(tmp_path / "faults.json")

    assert plan.rules == (Latency(seconds=2.0, times=3),)


@pytest.mark.parametrize(
    ("name", "text", "line", "reason"),
    [
        ("f.toml", TOML.replace("0.5", "1.5"), 3, "rule 1: Expected `float` <= 1.0"),
        ("f.toml", TOML.replace('"latency"', '"lateness"'), 9, "rule 2: Invalid value 'lateness'"),
        ("f.toml", TOML.replace("seed = 7", "seed ="), 1, "Invalid value"),
        ("f.json", '{"rules": [\n{"fault": "latency"},\n{"fault": "banned", "x": 1}]}', 3, "`x`"),
        ("f.json", '{"rules": [\n{"fault": "latency",}]}', 2, "double quotes"),
        ("f.json", '{"rule": []}', 1, "only seed, and rules"),
        ("f.json", "[]", 1, "must be an object"),
    ],
)
def test_an_unreadable_file_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, line: int, reason: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(StartError) as raised:
        read_faults(tmp_path / name)

    assert str(raised.value).startswith(f"{tmp_path / name}:{line}: ")
    assert reason in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"none\.toml: can't be read \(No such file"):
        read_faults(tmp_path / "none.toml")


def test_a_key_is_needed_to_revoke_it() -> None:
    with pytest.raises(FaultsUnreadable, match="missing required field `key`"):
        parse_plan('{"rules": [{"fault": "key_revoked"}]}')


def test_the_same_seed_strikes_the_same_cases() -> None:
    rule = Latency(chance=0.3)

    first, second = struck(faults_of(rule), 50), struck(faults_of(rule), 50)

    assert first == second
    assert 5 < sum(first) < 25
    assert first != struck(faults_of(rule, seed=2), 50)


def test_a_rule_strikes_so_many_times_and_counts_them() -> None:
    faults = faults_of(Latency(times=2))

    assert struck(faults, 4) == [True, True, False, False]
    assert faults.describe()[0]["hits"] == 2


def test_a_rule_holds_between_its_moments() -> None:
    wall = Wall()
    faults = faults_of(Latency(start=10, end=20), wall=wall)
    seen = []
    for _ in range(3):
        seen += struck(faults, 1)
        wall.now += 10

    assert seen == [False, True, False]


def test_without_rules_nothing_strikes() -> None:
    faults = faults_of()

    assert faults.is_quiet
    assert faults.strike(Latency) is None
