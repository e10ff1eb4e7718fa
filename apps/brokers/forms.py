"""The broker's form: keys go in and never come out."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.brokers.models import Broker
from apps.brokers.services import give_paper_keys
from apps.core.venues import is_reachable, paper_environment
from apps.domain.environments import Environment

KEEP = "Leave empty to keep the stored one."


class BrokerForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """Empty key fields keep what is stored; a paper broker without keys gets its own."""

    api_key = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        label="API key",
    )
    api_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        label="API secret",
    )

    class Meta:
        model = Broker
        fields = (
            "name",
            "exchange",
            "environment",
            "api_key",
            "api_secret",
            "is_active",
            "automation",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hint = KEEP if self.instance.pk else "A paper account needs none: it gets its own."
        for name in ("api_key", "api_secret"):
            self.fields[name].help_text = hint
            self.initial[name] = ""
        if self.instance.pk:
            # Orders and candles belong to the counterparty they were made at.
            for name in ("exchange", "environment"):
                self.fields[name].disabled = True
        else:
            # A new broker starts as the paper account that works now; the other paper markets don't run.
            self.initial["environment"] = paper_environment()
            self.fields["environment"].choices = [  # type: ignore[attr-defined]  # of a choice field
                (environment.value, environment.money)
                for environment in Environment
                if is_reachable(environment)
            ]
        self._stored = (self.instance.api_key, self.instance.api_secret)

    def clean(self) -> dict[str, Any]:
        """Both keys or none; real and testnet accounts need them."""
        data: dict[str, Any] = super().clean() or {}
        given = [bool(data.get("api_key")), bool(data.get("api_secret"))]
        if any(given) and not all(given):
            raise forms.ValidationError("Enter the API key and its secret together.")
        environment = data.get("environment")
        needs_keys = environment and not Environment(environment).is_paper
        if needs_keys and not any(given) and not all(self._stored):
            raise forms.ValidationError("This exchange needs an API key and its secret.")
        return data

    def save(self, commit: bool = True) -> Broker:  # noqa: FBT001, FBT002  Django's signature
        """Empty fields change no key."""
        if not self.cleaned_data.get("api_key"):
            self.instance.api_key, self.instance.api_secret = self._stored
            give_paper_keys(self.instance)
        broker: Broker = super().save(commit)
        return broker
