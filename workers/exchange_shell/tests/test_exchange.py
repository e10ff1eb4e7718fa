"""`manage.py exchange` against an exchange in memory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.clients import capabilities_of
from apps.exchanges.errors import OrderNotFound
from apps.exchanges.ports import (
    Balance,
    Candles,
    ConnectionReport,
    Credentials,
    Fee,
    Fill,
    OrderRef,
    OrderReport,
    Ticker,
)
from workers.management.commands.exchange import Command

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)

TICKER = Ticker(
    symbol="BTC/USDT", last=Decimal("65000.10"), bid=Decimal("1E-8"), ask=None, at_ms=NOW_MS
)
ORDER = OrderReport(
    symbol="BTC/USDT",
    client_order_id="our-id",
    exchange_order_id="77",
    status=OrderStatus.OPEN,
    exchange_status="NEW",
    side=OrderSide.BUY,
    order_type=OrderType.LIMIT,
    quantity=Decimal("0.5"),
    filled_quantity=Decimal(0),
    filled_quote=None,
    price=Decimal(100),
    created_at=NOW,
    raw={"secretless": "answer"},
)
FILL = Fill(
    trade_id="9",
    exchange_order_id="77",
    symbol="BTC/USDT",
    side=OrderSide.BUY,
    quantity=Decimal(1),
    price=Decimal(2),
    fee=Decimal("0.001"),
    fee_asset="BTC",
    is_maker=True,
    executed_at=NOW,
)
CONNECTED = ConnectionReport(
    ok=True,
    message="Connected.",
    can_trade=True,
    balances=(Balance(asset="BTC", free=Decimal("1.50"), locked=Decimal(0)),),
)


def market(symbol: str) -> Market:
    base, quote = symbol.split("/")
    return Market(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.00001"),
        min_quantity=Decimal("0.00001"),
        max_quantity=Decimal(9000),
        min_notional=Decimal(5),
    )


@dataclass
class FakeClient:
    """Gives fixed answers, and keeps what it was asked and made with."""

    asked: list[object] = field(default_factory=list)
    made_with: dict[str, Any] = field(default_factory=dict)
    connection: ConnectionReport = CONNECTED

    def create(
        self, exchange: Exchange, credentials: Credentials | None, **options: Any
    ) -> "FakeClient":
        self.made_with = {"exchange": exchange, "credentials": credentials, **options}
        return self

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(Exchange.BINANCE)

    def get_server_time(self) -> datetime:
        return NOW

    def get_markets(self) -> list[Market]:
        return [market("BTC/USDT"), market("ETH/USDT")]

    def get_ticker(self, symbol: str) -> Ticker:
        self.asked.append(symbol)
        return TICKER

    def fetch_tickers(self, symbols: Collection[str] | None = None) -> dict[str, Ticker]:
        self.asked.append(symbols)
        return {"BTC/USDT": TICKER}

    def get_candles(self, *arguments: object, **options: object) -> Candles:
        self.asked.append((*arguments, options))
        return Candles(
            opened_at_ms=[NOW_MS, NOW_MS + 60_000],
            open=[1.0, 2.0],
            high=[1.5, 2.5],
            low=[0.5, 1.5],
            close=[1.0, 2.25],
            volume=[10.0, 20.0],
            closed=1,
        )

    def get_balance(self) -> list[Balance]:
        return [
            Balance(asset="BTC", free=Decimal("1.50"), locked=Decimal(0)),
            Balance(asset="USDT", free=Decimal(10000), locked=Decimal("0.25")),
        ]

    def get_fees(self, symbol: str) -> Fee:
        return Fee(symbol=symbol, maker=Decimal("0.001"), taker=Decimal("0.002"))

    def fetch_order(self, ref: OrderRef) -> OrderReport:
        self.asked.append(ref)
        if ref.client_order_id == "unheard-of":
            raise OrderNotFound("No such\n  order.", exchange="binance")
        return ORDER

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        self.asked.append(symbol)
        return [ORDER] if symbol else []

    def fetch_closed_orders(self, symbol: str, *, since: datetime) -> list[OrderReport]:
        self.asked.append((symbol, since))
        return [ORDER]

    def fetch_fills(self, symbol: str, **options: object) -> list[Fill]:
        self.asked.append((symbol, options))
        return [FILL]

    def test_connection(self) -> ConnectionReport:
        return self.connection


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr("workers.management.commands.exchange.create_client", fake.create)
    monkeypatch.setenv("BINANCE_KEY", "the-key")
    monkeypatch.setenv("BINANCE_SECRET", "the-secret")
    return fake


Ask = Callable[..., str]


@pytest.fixture
def ask(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> Ask:
    def run(*words: str) -> str:
        call_command("exchange", "binance", *words)
        return capsys.readouterr().out

    return run


# --- What is asked ---------------------------------------------------------------------------------


def test_server_time(ask: Ask) -> None:
    assert ask("get_server_time") == "server time  2026-01-31T12:00:00Z\n"


def test_all_markets_or_those_named(ask: Ask) -> None:
    assert [row["symbol"] for row in json.loads(ask("get_markets", "--json"))] == [
        "BTC/USDT",
        "ETH/USDT",
    ]
    assert [row["symbol"] for row in json.loads(ask("get_markets", "ETH/USDT", "--json"))] == [
        "ETH/USDT"
    ]


def test_a_market_that_does_not_exist(ask: Ask) -> None:
    with pytest.raises(CommandError, match="There is no market XRP/USDT"):
        ask("get_markets", "BTC/USDT", "XRP/USDT")


def test_tickers(ask: Ask, client: FakeClient) -> None:
    ask("get_ticker", "BTC/USDT")
    ask("fetch_tickers")
    ask("fetch_tickers", "BTC/USDT", "ETH/USDT")

    assert client.asked == ["BTC/USDT", None, ["BTC/USDT", "ETH/USDT"]]


def test_candles(ask: Ask, client: FakeClient) -> None:
    ask("get_candles", "BTC/USDT", "5m", "--start", "2026-01-31", "--limit", "7")

    start = datetime(2026, 1, 31, tzinfo=UTC)
    options = {"start": start, "end": None, "limit": 7}
    assert client.asked == [("BTC/USDT", Timeframe.M5, options)]


def test_a_time_with_an_offset_is_taken_to_utc(ask: Ask, client: FakeClient) -> None:
    ask("fetch_closed_orders", "BTC/USDT", "--since", "2026-01-31T14:00+02:00")

    assert client.asked == [("BTC/USDT", NOW)]


def test_fees(ask: Ask) -> None:
    assert ask("get_fees", "BTC/USDT").splitlines() == [
        "symbol  BTC/USDT",
        "maker   0.001",
        "taker   0.002",
    ]


def test_an_order_by_either_id(ask: Ask, client: FakeClient) -> None:
    ask("fetch_order", "BTC/USDT", "--client-id", "our-id")
    ask("fetch_order", "BTC/USDT", "--exchange-id", "77")

    assert client.asked == [
        OrderRef(symbol="BTC/USDT", client_order_id="our-id"),
        OrderRef(symbol="BTC/USDT", exchange_order_id="77"),
    ]


def test_open_orders_of_one_symbol_or_all(ask: Ask, client: FakeClient) -> None:
    assert ask("fetch_open_orders") == "None.\n"
    assert "our-id" in ask("fetch_open_orders", "BTC/USDT")
    assert client.asked == [None, "BTC/USDT"]


def test_fills(ask: Ask, client: FakeClient) -> None:
    ask("fetch_fills", "BTC/USDT", "--order", "77", "--since", "2026-01-31T12:00Z")

    assert client.asked == [("BTC/USDT", {"exchange_order_id": "77", "since": NOW})]


def test_capabilities(ask: Ask) -> None:
    assert json.loads(ask("capabilities", "--json"))["order_lists"] == ["oco", "oto", "otoco"]


def test_a_connection_that_works(ask: Ask) -> None:
    assert ask("test_connection").splitlines()[-2:] == [
        "balances            asset=BTC free=1.5 locked=0",
        "server time offset  -",
    ]


def test_a_connection_that_does_not_work_is_an_error(
    ask: Ask, client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.connection = replace(CONNECTED, ok=False, message="The key is wrong.")

    with pytest.raises(CommandError, match=r"^The key is wrong\.$"):
        ask("test_connection", "--json")

    assert json.loads(capsys.readouterr().out)["ok"] is False


# --- How it is shown -------------------------------------------------------------------------------


def test_columns_are_aligned_and_numbers_end_alike(ask: Ask) -> None:
    assert ask("get_balance").splitlines() == [
        "asset   free  locked",
        "BTC      1.5       0",
        "USDT   10000    0.25",
    ]


def test_a_table_leaves_out_what_nobody_told(ask: Ask) -> None:
    header, row = ask("fetch_tickers").splitlines()

    assert header.split() == ["symbol", "last", "bid", "at"]
    assert row.split() == ["BTC/USDT", "65000.1", "0.00000001", "2026-01-31T12:00:00Z"]


def test_candles_are_rows(ask: Ask) -> None:
    rows = json.loads(ask("get_candles", "BTC/USDT", "1m", "--json"))

    assert [(row["opened_at"], row["close"], row["is_closed"]) for row in rows] == [
        ("2026-01-31T12:00:00Z", 1.0, True),
        ("2026-01-31T12:01:00Z", 2.25, False),
    ]


def test_json_has_everything_in_words(ask: Ask) -> None:
    (row,) = json.loads(ask("fetch_open_orders", "BTC/USDT", "--json"))

    assert (row["quantity"], row["created_at"], row["side"]) == (
        "0.5",
        "2026-01-31T12:00:00Z",
        "buy",
    )
    assert (row["filled_quote"], row["raw"]) == (None, {"secretless": "answer"})


# --- Where, and as whom ----------------------------------------------------------------------------


def test_another_address(ask: Ask, client: FakeClient) -> None:
    ask("get_ticker", "BTC/USDT", "--base-url", "http://127.0.0.1:9001")

    assert client.made_with == {
        "exchange": Exchange.BINANCE,
        "credentials": None,
        "base_url": "http://127.0.0.1:9001",
        "testnet": False,
    }


def test_the_testnet(ask: Ask, client: FakeClient) -> None:
    ask("get_ticker", "BTC/USDT", "--testnet")

    assert (client.made_with["base_url"], client.made_with["testnet"]) == (None, True)


def test_the_key_comes_from_the_environment(ask: Ask, client: FakeClient) -> None:
    shown = ask("get_balance")

    assert client.made_with["credentials"] == Credentials(
        api_key="the-key", api_secret="the-secret"
    )
    assert "the-key" not in shown
    assert "the-secret" not in shown


def test_the_variables_may_have_another_prefix(
    ask: Ask, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE_KEY", "my-key")
    monkeypatch.setenv("MINE_SECRET", "my-secret")

    ask("get_balance", "--key-env", "MINE")

    assert client.made_with["credentials"] == Credentials(api_key="my-key", api_secret="my-secret")


def test_a_missing_key_names_its_variable(
    ask: Ask, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BINANCE_SECRET")

    with pytest.raises(CommandError, match="get_balance needs an API key: set BINANCE_SECRET in"):
        ask("get_balance")

    assert client.made_with == {}


def test_a_missing_passphrase_is_a_missing_key(
    ask: Ask, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanting = replace(capabilities_of(Exchange.BINANCE), needs_passphrase=True)
    monkeypatch.setattr("workers.management.commands.exchange.capabilities_of", lambda _: wanting)
    with pytest.raises(CommandError, match="set BINANCE_PASSPHRASE in"):
        ask("get_balance")

    monkeypatch.setenv("BINANCE_PASSPHRASE", "words")
    ask("get_balance")

    assert client.made_with["credentials"].passphrase == "words"


# --- What goes wrong -------------------------------------------------------------------------------


def run_from_shell(*words: str) -> None:
    Command().run_from_argv(["manage.py", "exchange", *words])


def test_an_error_of_the_exchange_is_one_line(
    client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_from_shell("binance", "fetch_order", "BTC/USDT", "--client-id", "unheard-of")

    output = capsys.readouterr()
    assert (ended.value.code, output.out, output.err.count("\n")) == (1, "", 1)
    assert output.err.endswith("No such order.\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere"], "argument EXCHANGE: invalid choice: 'nowhere' (choose from"),
        (["binance"], "the following arguments are required: ACTION"),
        (["binance", "place_order"], "argument ACTION: invalid choice: 'place_order'"),
        (["binance", "get_candles", "BTC/USDT", "7m"], "argument TIMEFRAME: invalid choice: '7m'"),
        (["binance", "get_candles", "BTC/USDT", "1m", "--end", "x"], "'x' is no time"),
        (["binance", "get_candles", "BTC/USDT", "1m", "--limit", "0"], "'0' is no number of rows"),
        (["binance", "fetch_order", "BTC/USDT"], "--client-id --exchange-id is required"),
        (["binance", "fetch_closed_orders", "BTC/USDT"], "are required: --since"),
        (["binance", "get_server_time", "--base-url", "host"], "'host' is no address"),
        (["binance", "get_server_time", "--base-url", "http://h:x"], "'http://h:x' is no address"),
    ],
)
def test_wrong_words_are_explained(
    client: FakeClient, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_from_shell(*words)

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
    assert client.made_with == {}


def test_a_fresh_clone_needs_no_secrets(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "exchange", "binance", "capabilities", "--json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ARISTOBOT_VAR": str(tmp_path / "var")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exchange"] == "binance"
    assert list(tmp_path.iterdir()) == []
