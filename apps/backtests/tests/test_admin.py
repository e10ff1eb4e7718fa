import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.backtests.engine.doubts import Badge
from apps.backtests.export import Part, tabulate
from apps.backtests.models import BacktestRun
from apps.backtests.services import claim_run
from apps.backtests.storage import store
from apps.backtests.tests.fakes import HISTORY, make_honesty, make_result
from apps.markets.history.parquet import read_parquet
from apps.markets.models import Candle, Series, Symbol
from apps.strategies.models import StrategyVersion

State = BacktestRun.State


@pytest.fixture(autouse=True)
def _venues(settings: LazySettings, sent: list[int]) -> None:
    settings.PAPER_MARKET = "simulated"


def ask_for(client: Client, version: StrategyVersion, **values: object) -> str:
    client.force_login(version.owner)
    data = {
        "version": version.pk,
        "venue": "binance:simulated",
        "symbol_name": "btc/usdt",
        "timeframe": "",
        "from_date": "2026-01-01",
        "to_date": "2026-01-31",
        "balance": "5000",
        "maker_fee": "0.1",
        "taker_fee": "0.2",
        "fee_in": "base",
        "slippage_bps": "5",
        "mode": "pessimistic",
    }
    response = client.post(reverse("admin:backtests_backtestrun_add"), {**data, **values})
    return "asked" if response.status_code == 302 else response.content.decode()


def test_a_run_is_what_was_asked_for(
    client: Client, version: StrategyVersion, symbol: Symbol, sent: list[int]
) -> None:
    assert ask_for(client, version, parameter_fast="7") == "asked"

    run = BacktestRun.objects.get()
    assert (run.symbol, run.timeframe, run.parameters) == (symbol, "1m", {"fast": 7})
    assert (str(run.starts_at.date()), str(run.ends_at.date())) == ("2026-01-01", "2026-02-01")
    assert (float(run.taker_fee), run.fee_in, run.balance) == (0.002, "base", 5000)
    assert sent == [run.pk]


def test_the_form_begins_with_the_fees_of_the_exchange(
    client: Client, version: StrategyVersion
) -> None:
    client.force_login(version.owner)

    page = client.get(
        reverse("admin:backtests_backtestrun_add"),
        {"venue": "kraken:live", "version": version.pk},
    ).content.decode()

    assert 'name="taker_fee" value="0.4"' in page
    assert 'name="parameter_fast" value="10"' in page


@pytest.mark.parametrize("model", ["strategy", "strategyversion"])
def test_a_strategy_s_page_leads_to_the_form(
    client: Client, version: StrategyVersion, model: str
) -> None:
    client.force_login(version.owner)
    key = version.strategy_id if model == "strategy" else version.pk

    address = reverse(f"admin:strategies_{model}_backtest", args=[key])
    page = client.get(address, follow=True).content.decode()

    assert f'<option value="{version.pk}" selected>' in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"symbol_name": "NO/PE"}, "NO/PE is not listed there."),
        ({"venue": "kraken:live"}, "Its symbols are being read for the first time."),
        ({"to_date": "2025-12-01"}, "Its end has to come after its start."),
        ({"from_date": "1990-01-01"}, "candles, and 2,700,000 are the most a run may have."),
        ({"parameter_fast": "1.5"}, "Enter a whole number."),
        ({"taker_fee": "11"}, "Ensure this value is less than or equal to 10."),
        ({"balance": "0"}, "Ensure this value is greater than or equal to"),
    ],
)
def test_what_can_t_be_run_is_told_on_the_form(
    client: Client,
    version: StrategyVersion,
    symbol: Symbol,
    sent: list[int],
    values: dict[str, str],
    words: str,
) -> None:
    assert words in ask_for(client, version, **values)
    assert sent == []


def test_a_second_run_is_told_on_the_form(client: Client, run: BacktestRun, symbol: Symbol) -> None:
    assert "You have 1 backtest going on, and 1 may at once." in ask_for(client, run.version)


def read(client: Client, run: BacktestRun, user: User | None = None) -> tuple[int, str]:
    client.force_login(user or run.owner)
    response = client.get(reverse("admin:backtests_backtestrun_change", args=[run.pk]))
    return response.status_code, response.content.decode()


def test_a_run_that_goes_on_says_how_far_it_is(
    client: Client, run: BacktestRun, now: datetime
) -> None:
    claim_run(run_id=run.pk, worker="w", now=now)
    BacktestRun.objects.update(phase="simulating", percent=40)

    assert "Simulating, 40 %" in read(client, run)[1]
    address = reverse("backtests:progress", args=[run.pk])
    assert "Simulating, 40 %" in client.get(address).content.decode()


def test_the_page_is_read_again_once_it_has_ended(client: Client, run: BacktestRun) -> None:
    BacktestRun.objects.update(state=State.DONE)
    client.force_login(run.owner)

    response = client.get(reverse("backtests:progress", args=[run.pk]))

    assert response.headers["HX-Refresh"] == "true"


def test_a_run_is_cancelled_on_its_page(client: Client, run: BacktestRun) -> None:
    client.force_login(run.owner)

    client.post(
        reverse("admin:backtests_backtestrun_cancel", args=[run.pk]), {"_form_submitted": "on"}
    )

    run.refresh_from_db()
    assert run.state == State.CANCELLED


def test_again_fills_the_form_in_as_it_was(client: Client, run: BacktestRun) -> None:
    BacktestRun.objects.update(state=State.DONE)
    client.force_login(run.owner)

    page = client.get(
        reverse("admin:backtests_backtestrun_again", args=[run.pk]), follow=True
    ).content.decode()

    for value in ('value="BTC/USDT"', 'name="parameter_fast" value="5"', 'value="2026-01-01"'):
        assert value in page


def test_another_user_s_run_is_not_there(client: Client, run: BacktestRun, bob: User) -> None:
    assert read(client, run, bob)[0] == 302
    assert client.get(reverse("backtests:progress", args=[run.pk])).status_code == 404
    for action in ("cancel", "again"):
        address = reverse(f"admin:backtests_backtestrun_{action}", args=[run.pk])
        assert client.post(address, {"_form_submitted": "on"}).status_code in {302, 403, 404}
    run.refresh_from_db()
    assert run.state == State.WAITING


@pytest.fixture
def done(run: BacktestRun) -> BacktestRun:
    """Alice's run, with a result."""
    result = make_result()
    run.state, run.metrics = State.DONE, dict(result.metrics)
    run.evaluation = {"way": "trace", "reason": "All candles at once."}
    run.save()
    store(run, result, HISTORY)
    return run


def test_a_result_has_its_page(client: Client, done: BacktestRun) -> None:
    page = read(client, done)[1]

    assert "All candles at once." in page
    assert "Sortino: downside over all returns." in page
    assert '<a href="#candles" data-at="1767229200000">2026-01-01 01:00</a>' in page
    assert page.count("data-at=") == 5


def test_a_failed_run_tells_why_and_shows_what_there_is(client: Client, done: BacktestRun) -> None:
    done.state, done.error, done.traceback = (
        State.FAILED,
        "At the candle of ...",
        "Traceback: line 7",
    )
    done.save()

    page = read(client, done)[1]

    assert "At the candle of ..." in page
    assert "Traceback: line 7" in page
    assert "Maximum drawdown" in page


def ask(client: Client, done: BacktestRun, view: str, *args: str, **query: str) -> HttpResponse:
    client.force_login(done.owner)
    return client.get(reverse(f"backtests:{view}", args=[done.pk, *args]), query)


def test_its_curve_is_drawn(client: Client, done: BacktestRun) -> None:
    lines = json.loads(ask(client, done, "curve").content)

    assert [len(lines[name]) for name in ("equity", "held", "drawdown")] == [48, 48, 48]
    assert lines["equity"][0] == {"time": 1_767_229_200, "value": 10_000.0}
    assert min(point["value"] for point in lines["drawdown"]) < 0


def test_its_candles_are_drawn_with_its_trades(client: Client, done: BacktestRun) -> None:
    drawn = json.loads(ask(client, done, "candles", at="1767225600").content)

    assert [marker["what"] for marker in drawn["markers"]][:2] == ["buy", "sell"]
    assert (drawn["earlier"], drawn["later"], drawn["indicators"]) == (None, None, [])


def test_what_the_strategy_computes_is_drawn_on_or_below_the_candles(
    client: Client,
    done: BacktestRun,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours = Series.objects.create(symbol=done.symbol, timeframe="1h")
    row = {"open": 100, "high": 100, "low": 100, "close": 100, "volume": 1, "received_at": now}
    Candle.objects.create(series=hours, opened_at=now, **row)
    lines = {"fast": np.array([101.0]), "rsi": np.array([30.0]), "none": np.array([np.nan])}
    monkeypatch.setattr("apps.backtests.charts.compute_indicators", lambda *_a, **_k: lines)
    BacktestRun.objects.update(timeframe="1h")

    drawn = json.loads(ask(client, done, "candles").content)["indicators"]

    assert [(line["name"], line["pane"], len(line["points"])) for line in drawn] == [
        ("fast", 0, 1), ("rsi", 1, 1), ("none", 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "columns", "rows"),
    [
        ("trades", "entry_time,entry_price,exit_time,exit_price,quantity,fees,pnl,exit_reason", 5),
        ("orders", "time,side,kind,price,quantity,fee,amount,denial", 10),
        ("equity", "open_time,equity", 48),
    ],
)
def test_it_is_downloaded_as_csv(
    client: Client, done: BacktestRun, part: str, columns: str, rows: int
) -> None:
    response = ask(client, done, "download", part, "csv")

    first, *lines = response.content.decode().splitlines()
    assert first.startswith(columns)
    assert len(lines) == rows
    assert f"backtest-{done.pk}-{part}.csv" in response.headers["Content-Disposition"]


@pytest.mark.parametrize("part", ["trades", "orders", "equity"])
def test_it_is_downloaded_as_parquet(
    client: Client, done: BacktestRun, tmp_path: Path, part: str
) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(ask(client, done, "download", part, "parquet").content)

    frame = tabulate(make_result(), Part(part))
    assert len(read_parquet(file)) == len(frame)


@pytest.mark.parametrize("name", ["other.csv", "trades.exe"])
def test_there_is_no_other_file(client: Client, done: BacktestRun, name: str) -> None:
    assert ask(client, done, "download", *name.split(".")).status_code == 404


@pytest.mark.parametrize(
    ("view", "args"), [("curve", ()), ("candles", ()), ("download", ("trades", "csv"))]
)
def test_another_user_s_result_is_not_there(
    client: Client, done: BacktestRun, bob: User, view: str, args: tuple[str, ...]
) -> None:
    client.force_login(bob)

    address = reverse(f"backtests:{view}", args=[done.pk, *args])
    assert client.get(address).status_code == 404


def test_a_result_says_in_words_how_far_to_trust_it(client: Client, run: BacktestRun) -> None:
    honesty = make_honesty("x knows the candle after it.", Badge.DISTRUST)
    BacktestRun.objects.update(state=State.DONE, honesty=honesty.to_json())

    _status, page = read(client, run)

    assert "Don&#x27;t trust</span>" in page
    assert "x knows the candle after it." in page
