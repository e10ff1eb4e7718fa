from datetime import datetime

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.backtests.models import BacktestRun
from apps.backtests.services import claim_run
from apps.backtests.storage import store
from apps.backtests.tests.fakes import make_result
from apps.markets.models import Symbol
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


def test_a_result_has_its_page(client: Client, run: BacktestRun) -> None:
    result = make_result()
    BacktestRun.objects.update(
        state=State.DONE,
        metrics=dict(result.metrics),
        evaluation={"way": "trace", "reason": "All."},
    )
    store(run, result)

    status, _page = read(client, run)

    assert status == 200
