"""The form of a backtest."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts.models import User
from apps.backtests.fees import SCHEDULES
from apps.backtests.models import BacktestRun
from apps.backtests.selectors import list_venues
from apps.backtests.services import Costs, Refused, Setup, take_place
from apps.core.formats import quantity
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.markets.models import Symbol
from apps.markets.selectors import find_symbol
from apps.markets.symbols import request_sync
from apps.strategies.contract.parameters import merge
from apps.strategies.models import StrategyVersion
from apps.strategies.parameter_fields import SHOWS_PARAMETERS, field_of, read_parameters
from apps.strategies.selectors import list_runnable_versions

DAYS = 90
_TIMEFRAMES = [(timeframe.value, timeframe.value) for timeframe in Timeframe]
#: Choosing an exchange shows its fees, and leaves everything else as it was typed.
_SHOWS_FEES = {
    "hx-get": ".",
    "hx-target": ".fees",
    "hx-select": ".fees",
    "hx-swap": "outerHTML",
}


class PercentField(forms.DecimalField):
    """A share, typed in percent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_value=Decimal(0),
            max_value=Decimal(10),
            decimal_places=4,
            widget=UnfoldAdminDecimalFieldWidget,
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """As a fraction."""
        return super().clean(value) / 100


class BacktestForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own forms take no argument
    """What to run on which candles, and what a fill costs. Its parameters are fields that
    `make_parameter_fields` adds."""

    version = forms.ModelChoiceField(
        queryset=StrategyVersion.objects.none(),
        widget=UnfoldAdminSelectWidget(attrs=SHOWS_PARAMETERS),
        help_text="Only versions that were found valid can run.",
    )
    venue = forms.ChoiceField(
        label="Exchange",
        widget=UnfoldAdminSelectWidget(attrs=_SHOWS_FEES),
        help_text="Candles of this exchange and of no other.",
    )
    symbol_name = forms.CharField(
        label="Symbol",
        initial="BTC/USDT",
        widget=UnfoldAdminTextInputWidget,
        help_text="As the exchange lists it.",
    )
    timeframe = forms.ChoiceField(
        required=False,
        choices=[("", "The strategy's"), *_TIMEFRAMES],
        widget=UnfoldAdminSelectWidget,
    )
    detail = forms.ChoiceField(
        required=False,
        choices=[("", "none"), *_TIMEFRAMES],
        widget=UnfoldAdminSelectWidget,
        help_text="Finer candles tell which came first, stop-loss or take-profit, where one candle does not.",
    )
    from_date = forms.DateField(
        label="From (UTC)", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    to_date = forms.DateField(
        label="To (UTC)",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text="With this day.",
    )
    balance = forms.DecimalField(
        min_value=Decimal("0.00000001"),
        max_value=Decimal(10) ** 15,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Quote currency to begin with.",
    )
    maker_fee = PercentField(label="Maker fee, %", help_text="Of take-profits, which wait.")
    taker_fee = PercentField(label="Taker fee, %", help_text="Of everything else.")
    fee_in = forms.ChoiceField(
        label="A purchase pays it in",
        choices=BacktestRun.FeeIn.choices,
        widget=UnfoldAdminSelectWidget,
    )
    slippage_bps = forms.DecimalField(
        label="Slippage, bp",
        min_value=Decimal(0),
        max_value=Decimal(1000),
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Hundredths of a percent, against you, on every fill that does not wait.",
    )
    mode = forms.ChoiceField(choices=BacktestRun.Mode.choices, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = BacktestRun
        fields = ("version",)

    owner: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "version" not in self.fields:  # one that exists shows no choices
            return
        versions: Any = self.fields["version"]
        versions.queryset = list_runnable_versions(self.owner)
        venues: Any = self.fields["venue"]
        venues.choices = list_venues()

    def clean(self) -> dict[str, Any]:
        """The symbol has to be listed there, the parameters declared by the version, and the candles some
        that can be had."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("venue") and data.get("symbol_name"):
            data["symbol"] = self._find_market(data["venue"], data["symbol_name"])
        if not self.errors:
            self._check(data)
        return data

    def _check(self, data: dict[str, Any]) -> None:
        try:
            merge(data["version"].parameters, self.setup.parameters)
            self.setup.check(timezone.now())
            take_place(self.owner)
        except (Refused, ValueError) as error:
            self.add_error(None, str(error))

    def _find_market(self, venue: str, name: str) -> Symbol | None:
        exchange, environment = read_venue(venue)
        symbol = find_symbol(exchange=exchange, environment=environment, name=name.strip().upper())
        if symbol is not None:
            return symbol
        if not Symbol.objects.filter(exchange=exchange, environment=environment).exists():
            request_sync(exchange=exchange, environment=environment)
            self.add_error(
                "venue", "Its symbols are being read for the first time. Try again in a minute."
            )
        else:
            self.add_error("symbol_name", f"{name} is not listed there. Write it like BTC/USDT.")
        return None

    @property
    def setup(self) -> Setup:
        """What was asked for."""
        data = self.cleaned_data
        return Setup(
            symbol=data["symbol"],
            timeframe=Timeframe(data["timeframe"] or data["version"].strategy.timeframe),
            detail=Timeframe(data["detail"]) if data["detail"] else None,
            starts_at=_midnight(data["from_date"]),
            ends_at=_midnight(data["to_date"]) + timedelta(days=1),
            balance=data["balance"],
            costs=Costs(
                maker_fee=data["maker_fee"],
                taker_fee=data["taker_fee"],
                fee_in=data["fee_in"],
                slippage_bps=data["slippage_bps"],
            ),
            mode=data["mode"],
            parameters=read_parameters(data),
        )


def first_values(given: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """What the form of a new run begins with: what was given, with the fees of that exchange."""
    venues = [venue for venue, _ in list_venues()]
    venue = given.get("venue", "")
    schedule = SCHEDULES[read_venue(venue if venue in venues else venues[0])[0]]
    today = now.date()
    values = {
        "from_date": today - timedelta(days=DAYS),
        "to_date": today - timedelta(days=1),
        "balance": 10_000,
        "slippage_bps": 5,
        "mode": BacktestRun.Mode.PESSIMISTIC,
        "maker_fee": (schedule.maker * 100).normalize(),
        "taker_fee": (schedule.taker * 100).normalize(),
        "fee_in": schedule.fee_in,
    }
    return values | dict(given)


def values_of(run: BacktestRun) -> dict[str, Any]:
    """What the form was filled in with for this run."""
    values = {
        "version": run.version_id,
        "venue": f"{run.symbol.exchange}:{run.symbol.environment}",
        "symbol_name": run.symbol.name,
        "timeframe": run.timeframe,
        "detail": run.detail,
        "from_date": run.starts_at.date(),
        "to_date": (run.ends_at - timedelta(microseconds=1)).date(),
        "balance": quantity(run.balance).replace(",", ""),
        "maker_fee": (run.maker_fee * 100).normalize(),
        "taker_fee": (run.taker_fee * 100).normalize(),
        "fee_in": run.fee_in,
        "slippage_bps": run.slippage_bps.normalize(),
        "mode": run.mode,
    }
    return values | {field_of(name): value for name, value in run.parameters.items()}


def read_venue(venue: str) -> tuple[Exchange, Environment]:
    """The two halves of a choice."""
    exchange, _, environment = venue.partition(":")
    return Exchange(exchange), Environment(environment)


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time.min, UTC)
