"""A sandbox that dies under an evaluation costs at most that one."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Thread

import pytest

from apps.bots.evaluation import evaluate_candle
from apps.bots.models import Activation, Decision
from apps.bots.services import activate
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Candle, Series
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import Sandbox, SandboxUnavailable
from workers.sandbox.tests.running import RunningZygote, wait_until, write_strategy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the confinement is Linux's")
#: Long enough to be killed in the middle of it.
SLOW = write_strategy("""
import time
started = time.process_time()
while time.process_time() < started + 0.3: pass
return False
""")


@pytest.fixture
def zygote(tmp_path: Path) -> Iterator[RunningZygote]:
    """One to kill."""
    running = RunningZygote(tmp_path / "s")
    yield running
    if running.process.returncode is None:
        running.stop()


@pytest.fixture
def activation(broker: Broker, series: Series, now: datetime) -> Activation:
    """A slow strategy at work."""
    strategy = Strategy.objects.create(owner=broker.owner, name="Slow")
    version = StrategyVersion.objects.create(
        owner=broker.owner, strategy=strategy, number=1, code=SLOW, validated_at=now
    )
    return activate(
        version=version,
        broker=broker,
        symbol=series.symbol,
        timeframe=Timeframe.M1,
        parameters={},
        now=now,
    )


def test_a_sandbox_killed_in_the_middle_of_an_evaluation_is_asked_again(
    zygote: RunningZygote,
    activation: Activation,
    add_candle: Callable[..., Candle],
    now: datetime,
) -> None:
    candle = add_candle()

    def kill_it_when_it_computes() -> None:
        wait_until(lambda: bool(zygote.list_children()))
        zygote.stop(signal.SIGKILL)

    killer = Thread(target=kill_it_when_it_computes)
    with closing(Sandbox(zygote.socket_path, accept_weak=True)) as sandbox:
        killer.start()
        with pytest.raises(SandboxUnavailable):
            evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)
        killer.join()
        assert Decision.objects.get().action == "unasked"
        zygote.start()
        evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert Decision.objects.get().action == "wait"
    activation.refresh_from_db()
    assert activation.is_active
