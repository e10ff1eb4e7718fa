from apps.core.tasks import QUEUES
from workers.supervisor.table import WORKER_GROUPS, paper_state_file


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
