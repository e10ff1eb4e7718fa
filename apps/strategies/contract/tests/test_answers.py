"""Answers of strategies, read without trust."""

import json
from decimal import Decimal
from typing import Any

import pytest

from apps.strategies.contract.answers import (
    Answer,
    StrategyFailed,
    parse_reply,
    read_answer,
    read_info,
)

ENTRY = {
    "should_long": True,
    "calculate_position_size": 100.5,
    "calculate_stop_loss": 0.02,
    "calculate_take_profit": None,
}


def read(**changes: Any) -> Answer:
    return read_answer(ENTRY | changes, in_position=False, elapsed_ms=1.0)


def test_an_entry_has_amount_and_fractions() -> None:
    answer = read()

    assert (answer.should_long, answer.should_short) == (True, None)
    assert (answer.amount, answer.stop_loss) == (Decimal("100.5"), Decimal("0.02"))
    assert answer.take_profit is None


def test_without_an_entry_nothing_else_is_read() -> None:
    answer = read(should_long=False, calculate_position_size="never asked")

    assert (answer.should_long, answer.amount) == (False, None)


def test_when_all_is_asked_all_is_read() -> None:
    reply = ENTRY | {"should_long": False, "should_short": True}

    answer = read_answer(reply, in_position=True, elapsed_ms=1.0, asks_all=True)

    assert (answer.should_long, answer.should_short) == (False, True)
    assert answer.amount == Decimal("100.5")


def test_when_all_is_asked_a_wrong_size_counts_without_an_entry() -> None:
    reply = ENTRY | {"should_long": False, "should_short": False, "calculate_position_size": None}

    with pytest.raises(StrategyFailed, match=r"calculate_position_size\(\) returned None"):
        read_answer(reply, in_position=False, elapsed_ms=1.0, asks_all=True)


def test_a_fraction_of_zero_is_none() -> None:
    assert read(calculate_stop_loss=0).stop_loss is None


@pytest.mark.parametrize("value", [None, 1, 0.0, "a Series"])
def test_a_flag_is_true_or_false(value: object) -> None:
    with pytest.raises(StrategyFailed, match=r"should_long\(\) returned .* True or False"):
        read(should_long=value)


@pytest.mark.parametrize("value", [None, -1, float("nan"), float("inf"), 1e16, 10**400, "9", True])
def test_an_amount_is_a_finite_number_from_zero_up(value: object) -> None:
    with pytest.raises(StrategyFailed, match=r"calculate_position_size\(\) returned"):
        read(calculate_position_size=value)


@pytest.mark.parametrize("value", [-0.1, 1, float("nan"), "2%"])
def test_a_stop_loss_leaves_a_price_above_zero(value: object) -> None:
    with pytest.raises(StrategyFailed, match=r"calculate_stop_loss\(\) returned"):
        read(calculate_stop_loss=value)


def test_values_are_what_a_database_takes() -> None:
    answer = read(values={"a": 1, "b": float("nan"), "c": "x\0\ud800", "d": True, "e": [1]})

    assert answer.values == {"a": 1.0, "b": None, "c": "x?", "d": True, "e": None}


def test_values_and_output_are_capped() -> None:
    answer = read(values={f"v{n}": n for n in range(99)}, output="x" * 9999)

    assert (len(answer.values), len(answer.output)) == (30, 4096)


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[" * 60_000, b"[]", b'{"a":' + b"9" * 5000 + b"}"])
def test_what_is_no_reply_is_a_failure(raw: bytes) -> None:
    with pytest.raises(StrategyFailed, match="sent something"):
        parse_reply(raw)


def test_a_failure_has_message_traceback_and_output() -> None:
    reply = {"failure": "Line 3: no.", "traceback": "...", "output": "printed", "line": 3}

    with pytest.raises(StrategyFailed, match=r"Line 3: no\.") as raised:
        parse_reply(json.dumps(reply).encode())
    assert (raised.value.traceback, raised.value.output) == ("...", "printed")
    assert raised.value.line == 3


@pytest.mark.parametrize("line", [None, "3", 3.5, -1, True, 10**30])
def test_a_line_that_is_none_is_unknown(line: object) -> None:
    with pytest.raises(StrategyFailed) as raised:
        parse_reply(json.dumps({"failure": "no", "line": line}).encode())
    assert raised.value.line is None


@pytest.mark.parametrize(
    "changes",
    [{"class_name": "not a name"}, {"lookback": 0}, {"lookback": 5001}, {"parameters": []}],
)
def test_a_declaration_that_can_not_be_used_is_a_failure(changes: dict[str, Any]) -> None:
    with pytest.raises(StrategyFailed):
        read_info({"class_name": "A", "parameters": {}, "lookback": 500} | changes)
