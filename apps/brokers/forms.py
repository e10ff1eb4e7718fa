"""The broker's form: keys go in and never come out, and only keys that work are saved."""

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

from apps.brokers.models import Broker, ConnectionTest
from apps.brokers.services import give_paper_keys
from apps.core.venues import is_reachable, paper_environment
from apps.domain.environments import Environment, Exchange
from apps.exchanges.clients import capabilities_of

KEEP = "Leave empty to keep the stored one."
KEYS = ("api_key", "api_secret", "passphrase")
UNSAVED = "Nothing was saved."


def _secret(label: str) -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"})
    return forms.CharField(required=False, widget=widget, label=label)


class BrokerForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """Empty key fields keep what is stored; a paper broker without keys gets its own.

    Keys that are not stored yet need the test of a worker: a form that lacks only this says so in
    `needs_test`, and the admin asks for it with the form's instance.
    """

    api_key = _secret("API key")
    api_secret = _secret("API secret")
    passphrase = _secret("Passphrase")
    accept_withdrawals = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        label="Use it although it can withdraw, or may be able to",
        help_text="Aristobot never withdraws, so its key needs no right to. Whoever steals a key that"
        " has it can empty the account.",
    )

    class Meta:
        model = Broker
        fields = (
            "name",
            "exchange",
            "environment",
            *KEYS,
            "is_active",
            "automation",
            "initial_capital",
            "cost_method",
            "history_days",
        )

    #: What a worker found out about the keys of this very request.
    test: ConnectionTest | None = None
    needs_test = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hint = KEEP if self.instance.pk else "A paper account needs none: it gets its own."
        for name in KEYS:
            self.fields[name].help_text = hint
            self.initial[name] = ""
        self.fields["passphrase"].help_text = f"{_who_needs_a_passphrase()} {hint}"
        if self.instance.initial_capital is not None:
            self.initial["initial_capital"] = f"{self.instance.initial_capital.normalize():f}"
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
        self._stored = Broker(**{name: getattr(self.instance, name) for name in _ACCOUNT})

    def clean(self) -> dict[str, Any]:
        """An exchange that can be reached, and all the keys that it wants."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("exchange") and data.get("environment"):
            exchange, environment = Exchange(data["exchange"]), Environment(data["environment"])
            if impossible := _why_impossible(exchange, environment):
                self.add_error("environment", impossible)
            else:
                self._complete_keys(data, exchange, environment)
        return data

    def _complete_keys(
        self, data: dict[str, Any], exchange: Exchange, environment: Environment
    ) -> None:
        if bool(data.get("api_key")) != bool(data.get("api_secret")):
            raise forms.ValidationError("Enter the API key and its secret together.")
        data.update({name: data.get(name) or getattr(self._stored, name) for name in KEYS})
        if environment.is_paper:
            if not data["api_key"]:
                data.update(self._paper_keys(exchange))
            return
        if not data["api_key"]:
            raise forms.ValidationError("This exchange needs an API key and its secret.")
        if not capabilities_of(exchange).needs_passphrase:
            data["passphrase"] = ""
        elif not data["passphrase"]:
            self.add_error("passphrase", f"{exchange.title()} needs the passphrase of the key.")

    def _paper_keys(self, exchange: Exchange) -> dict[str, str]:
        """New ones, or those that were made for this request and have been tested."""
        account = self.test or Broker(exchange=exchange)
        if self.test is None:
            give_paper_keys(account)
        return {name: getattr(account, name) for name in KEYS}

    def _post_clean(self) -> None:
        """What needs no exchange is checked first: the instance is complete here."""
        super()._post_clean()  # type: ignore[misc]  # of ModelForm
        if not self.errors and not self.instance.is_same_account(self._stored):
            self._check_test()

    def _check_test(self) -> None:
        if self.test is None or not self.instance.is_same_account(self.test):
            self.needs_test = True
            self.add_error(None, f"The exchange was not asked about these keys. {UNSAVED}")
            return
        exchange, report = self.test.get_exchange_display(), self.test.report
        if report is None and self.test.started_at is None:
            words = (
                "No worker answered in time, so the keys could not be tested: nothing was saved."
            )
            self.add_error(None, f"{words} Look at Processes on the dashboard.")
        elif report is None:
            self.add_error(None, f"{exchange} did not answer in time. {UNSAVED} Try again.")
        elif not report.ok:
            self.add_error(None, f"{report.message} {UNSAVED}")
        elif report.can_trade is False:
            self.add_error(None, f"This key may not trade: allow it to at {exchange}. {UNSAVED}")
        elif not self.cleaned_data["accept_withdrawals"]:
            self._check_withdrawals(exchange, report.can_withdraw)

    def _check_withdrawals(self, exchange: str, can_withdraw: bool | None) -> None:  # noqa: FBT001  three answers
        if can_withdraw:
            self.add_error(
                "accept_withdrawals",
                f"This key can withdraw. {UNSAVED} Make one at {exchange} that can't, or switch this"
                " on, and enter the keys again.",
            )
        elif can_withdraw is None and self.instance.environment == Environment.LIVE:
            self.add_error(
                "accept_withdrawals",
                f"Whether this key can withdraw could not be learned. {UNSAVED} Enter the keys and try"
                " again, or switch this on if you know what they may do.",
            )


_ACCOUNT = ("exchange", "environment", *KEYS)


def _who_needs_a_passphrase() -> str:
    names = [e.title() for e in Exchange if capabilities_of(e).needs_passphrase]
    return f"Only for {' and '.join(names)}." if names else "No exchange needs one."


def _why_impossible(exchange: Exchange, environment: Environment) -> str:
    """In words, empty where an account can be there."""
    paper = [Exchange(name).title() for name in settings.PAPER_EXCHANGE_URLS]
    if environment.is_paper and exchange.title() not in paper:
        return f"Paper accounts are there for {' and '.join(paper)} only. Choose another exchange."
    if environment is Environment.TESTNET and not capabilities_of(exchange).has_testnet:
        return f"{exchange.title()} has no testnet. Choose paper money to practise."
    return ""
