"""A strategy's parameters as fields of a form."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.strategies.models import StrategyVersion

#: Before the name of a parameter of the strategy.
_PREFIX = "parameter_"
#: Choosing a version shows its parameters, and leaves everything else as it was typed.
SHOWS_PARAMETERS = {
    "hx-get": ".",
    "hx-target": ".parameters",
    "hx-select": ".parameters",
    "hx-swap": "outerHTML",
}


def field_of(parameter: str) -> str:
    """What the field of a parameter is called."""
    return f"{_PREFIX}{parameter}"


def make_parameter_fields(version: StrategyVersion) -> dict[str, forms.Field]:
    """A field for each parameter of a version; an empty one is its default."""
    return {
        field_of(name): _make_parameter_field(entry) for name, entry in version.parameters.items()
    }


def _make_parameter_field(entry: Mapping[str, Any]) -> forms.Field:
    kind = forms.IntegerField if entry["type"] == "int" else forms.FloatField
    step = entry["step"] or (1 if entry["type"] == "int" else "any")
    bounds = [f"from {entry['min']}"] if entry["min"] is not None else []
    bounds += [f"to {entry['max']}"] if entry["max"] is not None else []
    return kind(
        label=entry["label"],
        required=False,
        initial=entry["default"],
        min_value=entry["min"],
        max_value=entry["max"],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "number", "step": step}),
        help_text=" ".join([*bounds, f"(default {entry['default']})"]).capitalize(),
    )


def read_parameters(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was given of them."""
    return {
        name.removeprefix(_PREFIX): value
        for name, value in data.items()
        if name.startswith(_PREFIX) and value is not None
    }
