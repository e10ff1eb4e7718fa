"""The forms of activations."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts.models import User
from apps.bots.models import Activation
from apps.bots.promotion import Check, Gate, check_gates
from apps.bots.selectors import find_open_position, needs_confirmation
from apps.bots.services import Refused, Terms, check_switch, take_place
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.markets.selectors import find_symbol
from apps.strategies.contract.parameters import merge
from apps.strategies.models import StrategyVersion
from apps.strategies.parameter_fields import SHOWS_PARAMETERS, read_parameters
from apps.strategies.selectors import list_runnable_versions
from apps.trading.models import new_client_order_id

REAL_MONEY = "REAL MONEY"


class ActivationForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """A version, a broker, a symbol and a timeframe; the series and the book are made from them. Its
    parameters are fields that `make_parameter_fields` adds."""

    version = forms.ModelChoiceField(
        queryset=StrategyVersion.objects.none(),
        widget=UnfoldAdminSelectWidget(attrs=SHOWS_PARAMETERS),
        help_text="Only versions that were found valid can run.",
    )
    broker = forms.ModelChoiceField(queryset=Broker.objects.none(), widget=UnfoldAdminSelectWidget)
    symbol = forms.CharField(
        initial="BTC/USDT",
        widget=UnfoldAdminTextInputWidget,
        help_text="As the exchange of the broker lists it.",
    )
    timeframe = forms.ChoiceField(
        required=False,
        choices=[("", "The strategy's"), *((t.value, t.value) for t in Timeframe if t.is_live)],
        widget=UnfoldAdminSelectWidget,
    )
    capital = forms.DecimalField(
        required=False,
        min_value=Decimal("0.00000001"),
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Quote currency of its own, with what it makes of it; empty: all that is free.",
    )
    starts_at = forms.DateTimeField(
        required=False,
        label="Starts (UTC)",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-01-31 08:00"}),
        help_text="Empty: now.",
    )
    ends_at = forms.DateTimeField(
        required=False,
        label="Ends (UTC)",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-12-31 20:00"}),
        help_text="Empty: never. A position that is open then keeps its stop-loss and take-profit.",
    )
    waiver = forms.CharField(
        required=False, label="Why steps are skipped", widget=UnfoldAdminTextInputWidget
    )
    confirmation = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=f"Only for the first strategy with real money: type {REAL_MONEY}.",
    )

    class Meta:
        model = Activation
        fields = ("version",)

    owner: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "broker" not in self.fields:  # one that exists shows no choices
            return
        versions: Any = self.fields["version"]
        versions.queryset = list_runnable_versions(self.owner)
        brokers: Any = self.fields["broker"]
        brokers.queryset = Broker.objects.for_user(self.owner)
        self.fields["waiver"].help_text = _describe_way(settings.PROMOTION_DAYS)

    @property
    def terms(self) -> Terms:
        """How much and how long."""
        data = self.cleaned_data
        return Terms(
            capital=data.get("capital"),
            starts_at=data.get("starts_at"),
            ends_at=data.get("ends_at"),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """What was given of them."""
        return read_parameters(self.cleaned_data)

    def clean(self) -> dict[str, Any]:
        """The symbol has to be listed where the broker trades, the parameters declared by the version, the
        way to real money gone step by step, and a place free."""
        data: dict[str, Any] = super().clean() or {}
        broker, version = data.get("broker"), data.get("version")
        if broker and data.get("symbol"):
            data["market"] = self._find_market(broker, data["symbol"])
        if broker and needs_confirmation(broker) and data.get("confirmation") != REAL_MONEY:
            self.add_error(
                "confirmation", f"{broker} trades with real money. Type {REAL_MONEY} to confirm."
            )
        if version:
            self._check_parameters(version)
        if broker and version and data.get("symbol"):
            data["waivers"] = self._check_gates(version, broker)
        try:
            now = timezone.now()
            self.terms.check(now)
            take_place(now)
        except Refused as error:
            self.add_error(None, str(error))
        return data

    def _find_market(self, broker: Broker, name: str) -> Symbol | None:
        symbol = find_symbol(
            exchange=broker.exchange, environment=broker.environment, name=name.strip().upper()
        )
        if symbol is None or not symbol.is_trading:
            where = f"{broker.get_exchange_display()}, {broker.get_environment_display().lower()}"
            self.add_error(
                "symbol", f"{name} can't be traded there ({where}). Write it like BTC/USDT."
            )
        return symbol

    def _check_parameters(self, version: StrategyVersion) -> None:
        try:
            merge(version.parameters, self.parameters)
        except ValueError as error:
            self.add_error(None, str(error))

    def _check_gates(self, version: StrategyVersion, broker: Broker) -> dict[Gate, str]:
        data = self.cleaned_data
        checks = check_gates(
            version=version,
            broker=broker,
            symbol=data["symbol"].strip().upper(),
            timeframe=data.get("timeframe") or version.strategy.timeframe,
            capital=self.terms.capital,
        )
        return _read_waivers(self, checks)


class StopForm(BaseDialogForm):
    """Ending a strategy; with a position open it has to be said what becomes of that."""

    position = forms.ChoiceField(
        label="Its open position",
        choices=[
            ("", "Choose"),
            ("keep", "Keep it, with its stop-loss and take-profit"),
            ("sell", "Sell it now"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    key = forms.CharField(widget=forms.HiddenInput, max_length=32, initial=new_client_order_id)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Activation.objects.for_user(self.request.user)
        activation = mine.filter(pk=self.object_id).first()
        if activation is None or find_open_position(activation) is None:
            del self.fields["position"]

    @property
    def sells(self) -> bool | None:
        """None where nothing had to be said."""
        choice = self.cleaned_data.get("position")
        return None if choice is None else choice == "sell"


class ResumeForm(BaseDialogForm):
    """Asking a strategy again; one that failed and has not changed only if that is meant."""

    in_spite_of_error = forms.BooleanField(
        required=False, label="Run it though it failed and has not changed since"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Activation.objects.for_user(self.request.user)
        if not mine.filter(pk=self.object_id).exclude(error="").exists():
            del self.fields["in_spite_of_error"]


class SwitchForm(BaseDialogForm):
    """Another version of the same strategy."""

    version = forms.ModelChoiceField(
        queryset=StrategyVersion.objects.none(), widget=UnfoldAdminSelectWidget
    )
    waiver = forms.CharField(
        required=False, label="Why steps are skipped", widget=UnfoldAdminTextInputWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Activation.objects.for_user(self.request.user).select_related(
            "book__broker", "series__symbol"
        )
        self.activation = mine.filter(pk=self.object_id).first()
        if self.activation:
            versions: Any = self.fields["version"]
            versions.queryset = (
                list_runnable_versions(self.request.user)
                .filter(strategy__versions=self.activation.version_id)
                .exclude(pk=self.activation.version_id)
            )

    def clean(self) -> dict[str, Any]:
        """The new version has to go its own way to real money."""
        data: dict[str, Any] = super().clean() or {}
        if self.activation and (version := data.get("version")):
            data["waivers"] = _read_waivers(self, check_switch(self.activation, version))
        return data


def _read_waivers(form: forms.BaseForm, checks: list[Check]) -> dict[Gate, str]:
    """The reason that was typed, for every step that is skipped with it; without one, what is missing."""
    closed = [check for check in checks if not check.is_passed]
    reason = (form.cleaned_data.get("waiver") or "").strip()
    for check in closed:
        if not (reason and check.gate.is_skippable):
            form.add_error("waiver", _link(check))
    return {check.gate: reason for check in closed}


def _link(check: Check) -> SafeString:
    """What is missing, with the page where it is done."""
    link = format_html(' <a href="{}">Backtest it</a>', check.address) if check.address else ""
    return format_html("{}{}", check.words, link)


def _describe_way(days: int) -> str:
    return (
        "Only with real money: a version is backtested on the same market and timeframe, runs"
        f" {days} days in a row on paper or a testnet, then as long with a capital of at most"
        f" {settings.PROMOTION_CAPITAL}. To skip that, say why; the reason is kept."
    )
