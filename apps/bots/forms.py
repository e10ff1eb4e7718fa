"""The activation's form."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from apps.bots.models import Activation
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.markets.selectors import find_symbol
from apps.strategies.models import StrategyVersion


class ActivationForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """A version, a broker, a symbol and a timeframe; the series and the book are made from them."""

    broker = forms.ModelChoiceField(queryset=Broker.objects.none(), widget=UnfoldAdminSelectWidget)
    symbol = forms.CharField(
        initial="BTC/USDT", help_text="As the exchange of the broker lists it."
    )
    timeframe = forms.ChoiceField(
        choices=[(t.value, t.value) for t in Timeframe], widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = Activation
        fields = ("version", "broker", "symbol", "timeframe", "parameters")

    def clean(self) -> dict[str, Any]:
        """The symbol has to be listed where the broker trades, the parameters declared by the version."""
        data: dict[str, Any] = super().clean() or {}
        broker, version = data.get("broker"), data.get("version")
        if broker and data.get("symbol"):
            data["market"] = self._find_market(broker, data["symbol"])
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
        if unknown := given.keys() - version.parameters.keys():
            known = ", ".join(sorted(version.parameters)) or "none"
            self.add_error(
                "parameters", f"{version} has no {', '.join(sorted(unknown))}. It has: {known}."
            )
