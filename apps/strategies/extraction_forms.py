"""Numbers of a strategy's code that may become parameters, a row each."""

from dataclasses import replace
from typing import Any

from django import forms
from django.http import QueryDict
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from apps.strategies.source.extraction import Literal

NUMBERS = {"int": forms.IntegerField, "float": forms.FloatField}
BOUNDS = ("min", "max", "step")


class LiteralForm(forms.Form):
    """One number, and what it would be as a parameter; only a chosen row has to make sense."""

    chosen = forms.BooleanField(required=False, widget=UnfoldBooleanWidget)
    name = forms.CharField(max_length=50, widget=UnfoldAdminTextInputWidget)
    label = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: QueryDict | None, *, literal: Literal, **kwargs: Any) -> None:
        self.literal = literal
        kept = {name: getattr(literal, name) for name in ("name", "label", *BOUNDS)}
        super().__init__(data, initial=kept, use_required_attribute=False, **kwargs)
        for bound in BOUNDS:
            self.fields[bound] = NUMBERS[literal.type](widget=UnfoldAdminTextInputWidget)
        for name, field in self.fields.items():
            words = "Make it a parameter" if name == "chosen" else name.title()
            field.widget.attrs["aria-label"] = f"{words}: line {literal.line}, {literal.value}"

    @property
    def is_chosen(self) -> bool:
        """Whether its box was ticked in what was sent."""
        return self.is_bound and bool(self["chosen"].data)

    @property
    def choice(self) -> Literal:
        """The number as the parameter that was asked for."""
        return replace(
            self.literal, **{name: self.cleaned_data[name] for name in ("name", "label", *BOUNDS)}
        )


def list_forms(literals: list[Literal], data: QueryDict | None) -> list[LiteralForm]:
    """A row for each; the code of a version never changes, so that its place in the list tells which."""
    return [
        LiteralForm(data, literal=literal, prefix=str(index))
        for index, literal in enumerate(literals)
    ]
