from django.conf import LazySettings

from apps.core.tasks import QUEUES
from apps.live.dashboard import PROCESSES
from workers.supervisor.preflight import ports
from workers.supervisor.table import WORKER_GROUPS, paper_state_file, processes


def test_every_queue_has_one_worker_group() -> None:
    served = [queue for group in WORKER_GROUPS for queue in group.queues]

    assert sorted(served) == sorted(QUEUES)


def test_recorded_markets_keep_their_balances_apart() -> None:
    files = {
        paper_state_file("binance", market).name
        for market in ("simulated", "replay:a.csv", "replay:b.csv", "live")
    }

    assert len(files) == 4
    assert "binance-simulated.jsonl" in files


def test_every_paper_exchange_has_a_process_and_a_port(settings: LazySettings) -> None:
    settings.PAPER_EXCHANGE_URLS = {
        "binance": "http://127.0.0.1:9001",
        "kraken": "http://127.0.0.1:9003",
    }

    papers = [spec for spec in processes() if spec.name.startswith("paper ")]

    assert [spec.name for spec in papers] == ["paper binance", "paper kraken"]
    assert "9003" in papers[1].argv
    assert ("the paper Kraken", 9003, "--paper-kraken-port") in [
        (port.owner, port.number, port.flag) for port in ports()
    ]


def test_every_process_of_the_dashboard_is_started() -> None:
    started = {spec.name for spec in processes()}

    assert {name.removeprefix("worker ") for name in PROCESSES} <= started
