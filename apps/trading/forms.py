"""The forms by which a person trades."""

from decimal import Decimal
from typing import Any, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.utils import timezone
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.brokers.selectors import list_brokers
from apps.core.formats import price
from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide, OrderType
from apps.exchanges.clients import capabilities_of
from apps.markets.models import Symbol
from apps.markets.selectors import find_last_price, list_priced_symbols
from apps.trading.models import Order, Position, new_client_order_id
from apps.trading.ticket import SIZE, Wish, find_problems

Row = TypeVar("Row", bound=Model)
TYPE_WORDS = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP_LOSS: "Stop loss",
    OrderType.TAKE_PROFIT: "Take profit",
    OrderType.STOP_LOSS_LIMIT: "Stop limit",
    OrderType.TAKE_PROFIT_LIMIT: "Take profit limit",
}
_SIDES = [(OrderSide.BUY.value, "Buy"), (OrderSide.SELL.value, "Sell")]


class AmountField(forms.DecimalField):
    """A positive number with as many decimals as the database keeps."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(max_digits=36, decimal_places=18, widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        """Zero and less is no amount."""
        amount = super().clean(value)
        if amount is not None and amount <= 0:
            raise forms.ValidationError("It has to be more than zero.")
        return amount


class TicketForm(forms.Form):
    """An order by hand; what the exchange can't do is not offered, what the order type does not use is
    not asked. `initial` chooses what is shown, `data` is what is validated."""

    broker = forms.ModelChoiceField(
        queryset=Broker.objects.none(), empty_label=None, widget=UnfoldAdminSelectWidget
    )
    symbol = forms.ModelChoiceField(
        queryset=Symbol.objects.none(), empty_label=None, widget=UnfoldAdminSelectWidget
    )
    side = forms.ChoiceField(choices=_SIDES, widget=UnfoldAdminSelectWidget)
    order_type = forms.ChoiceField(choices=(), widget=UnfoldAdminSelectWidget)
    trigger_price = AmountField(help_text="The order wakes up when the market reaches it.")
    price = AmountField(help_text="The worst price it may trade at.")
    quantity = AmountField()
    value = AmountField(help_text="Instead of a quantity: the other one is computed.")
    stop_loss = AmountField(label="Stop-loss, % below the entry price", max_value=99)
    take_profit = AmountField(label="Take-profit, % above the entry price")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        brokers = list_brokers(user).filter(is_active=True)
        broker = _find(brokers, self._shown("broker")) or brokers.first()
        self._offer("broker", brokers, broker)
        if broker:
            self._offer_what_it_trades(broker)
        self._ask_only_what_counts()

    def _shown(self, name: str) -> Any:
        return self.data.get(name) if self.is_bound else self.initial.get(name)

    def _offer(self, name: str, rows: Any, chosen: Any) -> None:
        field: Any = self.fields[name]
        field.queryset = rows
        self.initial[name] = chosen

    def _offer_what_it_trades(self, broker: Broker) -> None:
        symbols = list_priced_symbols(exchange=broker.exchange, environment=broker.environment)
        usual = symbols.filter(name="BTC/USDT").first() or symbols.first()
        self._offer("symbol", symbols, _find(symbols, self._shown("symbol")) or usual)
        symbol: Symbol | None = self.initial["symbol"]
        if symbol:
            self.fields["quantity"].label = f"Quantity, {symbol.base}"
            self.fields["value"].label = f"Value, {symbol.quote}"
        can = capabilities_of(Exchange(broker.exchange)).order_types
        order_type: Any = self.fields["order_type"]
        order_type.choices = [(t.value, words) for t, words in TYPE_WORDS.items() if t in can]

    def _ask_only_what_counts(self) -> None:
        kind = self._shown("order_type")
        order_type = OrderType(kind) if kind in TYPE_WORDS else OrderType.MARKET
        if not order_type.has_limit_price:
            del self.fields["price"]
        if not order_type.is_conditional:
            del self.fields["trigger_price"]
        if self._shown("side") == OrderSide.SELL:
            del self.fields["stop_loss"], self.fields["take_profit"]

    @property
    def wish(self) -> Wish | None:
        """What could be read of it; None without a broker and a symbol that can be chosen."""
        data = self.cleaned_data
        if not data.get("broker") or not data.get("symbol"):
            return None
        return Wish(
            broker=data["broker"],
            symbol=data["symbol"],
            side=OrderSide(data.get("side") or OrderSide.BUY),
            order_type=OrderType(data.get("order_type") or OrderType.MARKET),
            quantity=data.get("quantity"),
            value=data.get("value"),
            price=data.get("price"),
            trigger_price=data.get("trigger_price"),
            stop_loss=_to_share(data.get("stop_loss")),
            take_profit=_to_share(data.get("take_profit")),
        )


class CheckedTicketForm(TicketForm):
    """The same with everything that is wrong with it, said beside the field it is about."""

    def clean(self) -> dict[str, Any]:
        """Also what only the market, the broker and the gate know."""
        data = super().clean() or {}
        wish = self.wish
        for problem in find_problems(wish, now=timezone.now()) if wish else ():
            field = self._place_of(problem.field, data)
            if field not in self.errors:
                self.add_error(field, problem.words)
        return data

    def _place_of(self, field: str, data: dict[str, Any]) -> str | None:
        if field == SIZE:
            return "value" if data.get("value") is not None else "quantity"
        return field if field in self.fields else None


class EditForm(BaseDialogForm):
    """New figures for an order that rests; an empty one stays as it is."""

    quantity = AmountField(help_text="In all, with what is filled already.")
    price = AmountField()
    trigger_price = AmountField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Order.objects.for_user(self.request.user)
        self.order = mine.filter(pk=self.object_id).first()
        for name in ("quantity", "price", "trigger_price"):
            amount = getattr(self.order, name, None)
            if amount is None:
                del self.fields[name]
            else:
                self.fields[name].initial = f"{amount.normalize():f}"


class ExitsForm(BaseDialogForm):
    """Where a position is to end; an empty price is none."""

    stop_loss = AmountField(
        label="Stop-loss price", help_text="Below the market: it sells at a loss."
    )
    take_profit = AmountField(label="Take-profit price", help_text="Above the market.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Position.objects.for_user(self.request.user).select_related("symbol")
        self.position = mine.filter(pk=self.object_id).first()
        for name in ("stop_loss", "take_profit"):
            amount = getattr(self.position, f"{name}_price", None)
            if amount is not None:
                self.fields[name].initial = f"{amount.normalize():f}"

    def clean(self) -> dict[str, Any]:
        """A price on the wrong side of the market would sell at once."""
        data: dict[str, Any] = super().clean() or {}
        last = find_last_price(self.position.symbol) if self.position else None
        stop, target = data.get("stop_loss"), data.get("take_profit")
        if last and stop is not None and stop >= last.price:
            self.add_error("stop_loss", f"It has to be below the last price, {price(last.price)}.")
        if last and target is not None and target <= last.price:
            self.add_error(
                "take_profit", f"It has to be above the last price, {price(last.price)}."
            )
        return data


class OnceForm(BaseDialogForm):
    """A dialog that does its work once, however often it is sent."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=32, initial=new_client_order_id)


def _find(rows: QuerySet[Row], key: object) -> Row | None:
    """The row with this key, whatever was sent as one."""
    text = str(getattr(key, "pk", key) or "")
    return rows.filter(pk=text).first() if text.isdigit() else None


def _to_share(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent / 100
