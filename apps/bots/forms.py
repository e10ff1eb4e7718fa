"""The activation's form."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts.models import User
from apps.bots.models import Activation
from apps.bots.selectors import needs_confirmation
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.markets.selectors import find_symbol
from apps.strategies.contract.parameters import merge
from apps.strategies.models import StrategyVersion

REAL_MONEY = "REAL MONEY"


class ActivationForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """A version, a broker, a symbol and a timeframe; the series and the book are made from them."""

    broker = forms.ModelChoiceField(queryset=Broker.objects.none(), widget=UnfoldAdminSelectWidget)
    symbol = forms.CharField(
        initial="BTC/USDT",
        widget=UnfoldAdminTextInputWidget,
        help_text="As the exchange of the broker lists it.",
    )
    timeframe = forms.ChoiceField(
        choices=[(t.value, t.value) for t in Timeframe], widget=UnfoldAdminSelectWidget
    )
    capital = forms.DecimalField(
        required=False,
        min_value=Decimal("0.00000001"),
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Quote currency of its own, with what it makes of it; empty: all that is free.",
    )
    confirmation = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=f"Only for the first strategy with real money: type {REAL_MONEY}.",
    )

    class Meta:
        model = Activation
        fields = ("version", "broker", "symbol", "timeframe", "capital", "parameters")

    owner: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "broker" in self.fields:  # one that exists shows no choices
            brokers: Any = self.fields["broker"]
            brokers.queryset = Broker.objects.for_user(self.owner)

    def clean(self) -> dict[str, Any]:
        """The symbol has to be listed where the broker trades, the parameters declared by the version."""
        data: dict[str, Any] = super().clean() or {}
        broker, version = data.get("broker"), data.get("version")
        if broker and data.get("symbol"):
            data["market"] = self._find_market(broker, data["symbol"])
        if broker and needs_confirmation(broker) and data.get("confirmation") != REAL_MONEY:
            self.add_error(
                "confirmation", f"{broker} trades with real money. Type {REAL_MONEY} to confirm."
            )
        if version:
            self._check_parameters(version, data.get("parameters") or {})
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

    def _check_parameters(self, version: StrategyVersion, given: Any) -> None:
        if not isinstance(given, dict):
            self.add_error("parameters", 'Write them like {"fast": 12}.')
            return
        try:
            merge(version.parameters, given)
        except ValueError as error:
            self.add_error("parameters", str(error))
