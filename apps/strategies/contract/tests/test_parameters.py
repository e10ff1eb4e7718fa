"""STRATEGY_PARAMS and the values a strategy runs with."""

from typing import Any

import pytest

from apps.strategies.contract.parameters import merge, read_schema

SCHEMA = read_schema({"fast": {"default": 10, "min": 2, "max": 50}, "share": {"default": 0.1}})


def test_what_a_declaration_leaves_out_is_filled_in() -> None:
    assert SCHEMA["share"] == {
        "default": 0.1, "type": "float", "min": None, "max": None, "step": None, "label": "share"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (["fast"], "has to be a dictionary"),
        ({"not a name": {"default": 1}}, "'not a name' is not a name"),
        ({"fast": 10}, "fast has to be a dictionary with a default"),
        ({"fast": {"min": 1}}, "fast has to be a dictionary with a default"),
        ({"fast": {"default": 1, "maximum": 2}}, r"fast has an unknown entry \['maximum'\]"),
        ({"fast": {"default": 1, "type": "str"}}, "the type of fast"),
        ({"fast": {"default": 1, "min": "0"}}, "min of fast has to be a number"),
        ({"fast": {"default": 1, "min": 2}}, "fast has to be from 2 to None"),
        ({"fast": {"default": float("nan")}}, "fast has to be of type float"),
        ({"fast": {"default": True}}, "fast has to be of type float"),
    ],
)
def test_a_wrong_declaration_is_named(declared: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_schema(declared)


def test_given_values_override_defaults() -> None:
    assert merge(SCHEMA, {"fast": 12}) == {"fast": 12, "share": 0.1}


def test_a_whole_number_from_json_is_an_int() -> None:
    assert repr(merge(SCHEMA, {"fast": 12.0})["fast"]) == "12"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"slow": 20}, "There is no parameter slow. Declared: fast, share."),
        ({"fast": 51}, "Parameter fast has to be from 2 to 50, not 51."),
        ({"fast": 2.5}, "Parameter fast has to be of type int, not 2.5."),
        ({"fast": "12"}, "Parameter fast has to be of type int, not '12'."),
        ({"share": 1e400}, "Parameter share has to be of type float, not inf."),
    ],
)
def test_a_value_that_does_not_fit_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        merge(SCHEMA, given)
