"""An exchange and a worker in memory, and facts about exchanges that never change."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal

from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.brokers.models import Account, Broker
from apps.core.tasks import TaskName
from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderListKind, OrderSide, OrderType, TimeInForce
from apps.exchanges import ports
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.errors import ExchangeError

FORM = {
    "name": "New",
    "exchange": "binance",
    "environment": "simulated",
    "is_active": "on",
    "automation": "strategies",
    "cost_method": "average",
    "history_days": "30",
    "balances-TOTAL_FORMS": 0,
    "balances-INITIAL_FORMS": 0,
}
REAL = {"environment": "live", "api_key": "typed-key", "api_secret": "typed-secret"}


def balance(asset: str, free: int | str) -> ports.Balance:
    return ports.Balance(asset=asset, free=Decimal(free), locked=Decimal(0))


def ticker(symbol: str, last: int | str) -> ports.Ticker:
    return ports.Ticker(symbol=symbol, last=Decimal(last), bid=None, ask=None, at_ms=None)


def report(**values: object) -> ports.ConnectionReport:
    """A key as it should be."""
    good = {
        "ok": True,
        "message": "Connected; the key may trade.",
        "can_trade": True,
        "can_withdraw": False,
        "is_ip_restricted": True,
        "permissions": ("spot",),
        "balances": (balance("USDT", 1000),),
    }
    return ports.ConnectionReport(**{**good, **values})  # type: ignore[arg-type]


@dataclass
class FakeClient:
    """Answers what it is told to."""

    report: ports.ConnectionReport = field(default_factory=report)
    prices: dict[str, str] | ExchangeError = field(default_factory=dict)

    def test_connection(self) -> ports.ConnectionReport:
        return self.report

    def fetch_tickers(self, symbols: Collection[str] | None = None) -> dict[str, ports.Ticker]:
        if isinstance(self.prices, ExchangeError):
            raise self.prices
        return {s: ticker(s, self.prices[s]) for s in symbols or () if s in self.prices}


@dataclass
class FakeWorker:
    """Takes messages where a worker would; `accounts` are those it was asked about."""

    act: Callable[..., None]
    client: FakeClient = field(default_factory=FakeClient)
    messages: list[tuple[TaskName, dict[str, object]]] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    is_there: bool = True

    def send(self, task: TaskName, **kwargs: object) -> bool:
        self.messages.append((task, kwargs))
        if self.is_there and task is TaskName.TEST_CONNECTION:
            self.act(**kwargs)
        return True

    def connect(self, account: Account) -> FakeClient:
        self.accounts.append(account)
        return self.client


def capabilities_of(exchange: Exchange) -> Capabilities:
    """Bitget wants passphrases, Kraken has no testnet."""
    return Capabilities(
        exchange=exchange,
        order_types=frozenset({OrderType.MARKET, OrderType.STOP_LOSS_LIMIT}),
        times_in_force=frozenset({TimeInForce.GTC}),
        quote_amount_sides=frozenset({OrderSide.BUY}),
        order_lists=frozenset() if exchange is Exchange.BITGET else frozenset({OrderListKind.OCO}),
        attached_exits=1,
        trailing_has_trigger=False,
        amends="its price",
        amendable_types=frozenset(),
        only_shrinks=False,
        replaces="",
        timeframes=frozenset({Timeframe.M5, Timeframe.M1}),
        stream_timeframes=frozenset({Timeframe.M1}),
        candle_history=720,
        needs_passphrase=exchange is Exchange.BITGET,
        has_testnet=exchange is not Exchange.KRAKEN,
        refuses_late_orders=True,
        tells_key_permissions=True,
        client_order_id_reuse="unique for ever",
        sub_accounts="A key belongs to one.",
    )


def save(client: Client, user: User, broker: Broker | None = None, **values: object) -> str:
    """`saved`, or the page that says why not."""
    client.force_login(user)
    where = (
        reverse("admin:brokers_broker_change", args=[broker.pk])
        if broker
        else reverse("admin:brokers_broker_add")
    )
    response = client.post(where, {**FORM, **values})
    return "saved" if response.status_code == 302 else response.content.decode()
