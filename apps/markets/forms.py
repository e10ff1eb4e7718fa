"""Which candles are wanted, or brought."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.core.venues import paper_environment
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.markets.models import Series, Symbol
from apps.markets.selectors import find_symbol, list_symbol_names
from apps.markets.symbols import request_sync

MAX_BYTES = 300 * 2**20
MIDNIGHT = time(tzinfo=UTC)


def _date_field(label: str, words: str = "") -> forms.DateField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    return forms.DateField(label=label, help_text=words, widget=widget)


class MarketForm(forms.Form):
    """One symbol at one exchange, in one timeframe."""

    exchange = forms.ChoiceField(
        choices=[(e.value, e.value.title()) for e in Exchange], widget=UnfoldAdminSelectWidget
    )
    environment = forms.ChoiceField(label="Prices", widget=UnfoldAdminSelectWidget)
    symbol = forms.CharField(initial="BTC/USDT", widget=UnfoldAdminTextInputWidget)
    timeframe = forms.ChoiceField(
        choices=[(t.value, t.value) for t in Timeframe],
        widget=UnfoldAdminSelectWidget,
        help_text="Longer candles are built from shorter ones.",
    )

    def __init__(self, *args: Any, series: Series | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [Environment.LIVE, Environment.TESTNET, paper_environment()]
        words = {Environment.LIVE: "The exchange's own", Environment.TESTNET: "Of its testnet"}
        self.fields["environment"].choices = [  # type: ignore[attr-defined]  # of a ChoiceField
            (e.value, words.get(e, f"Of the paper exchange ({e})")) for e in offered
        ]
        if series:
            symbol = series.symbol
            self.initial = {
                **self.initial,
                "exchange": symbol.exchange,
                "environment": symbol.environment,
                "symbol": symbol.name,
                "timeframe": series.timeframe,
            }

    def clean(self) -> dict[str, Any]:
        """With the symbol as a row; symbols that were never read are read now."""
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        exchange, environment = Exchange(data["exchange"]), Environment(data["environment"])
        name = data["symbol"].strip().upper()
        data["timeframe"] = Timeframe(data["timeframe"])
        data["market"] = find_symbol(exchange=exchange, environment=environment, name=name)
        if data["market"] is None:
            self.add_error("symbol", self._explain(name, exchange, environment))
        return data

    def _explain(self, name: str, exchange: Exchange, environment: Environment) -> str:
        if list_symbol_names(exchange=exchange, environment=environment):
            return f"{exchange.title()} lists no {name}. Write it like BTC/USDT."
        request_sync(exchange=exchange, environment=environment)
        return (
            f"The symbols of {exchange.title()} are being read for the first time. Try again in a"
            " minute."
        )

    @property
    def market(self) -> Symbol:
        """What was chosen; of a valid form only."""
        market: Symbol = self.cleaned_data["market"]
        return market


class DownloadForm(MarketForm):
    """Candles of whole days in UTC."""

    first = _date_field("From")
    last = _date_field("To", "This day included.")

    @property
    def start(self) -> datetime:
        """The first moment; of a valid form only."""
        return datetime.combine(self.cleaned_data["first"], MIDNIGHT)

    @property
    def end(self) -> datetime:
        """The first moment that is not wanted."""
        return datetime.combine(self.cleaned_data["last"], MIDNIGHT) + timedelta(days=1)


class ImportForm(MarketForm):
    """A file of candles."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.parquet"}),
        help_text="CSV or Parquet with columns for time (UTC), open, high, low, close and volume.",
    )

    def clean_file(self) -> Any:
        """Of a size that is read while the browser waits."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(
                f"It is larger than {MAX_BYTES // 2**20} MB: split it, or use manage.py candles import."
            )
        return file


class ExportForm(forms.Form):
    """Which days of a series, in which kind of file."""

    first = _date_field("From")
    last = _date_field("To")
    kind = forms.ChoiceField(
        label="As",
        choices=[("csv", "CSV"), ("parquet", "Parquet")],
        widget=UnfoldAdminSelectWidget,
    )
