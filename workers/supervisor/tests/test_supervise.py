import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from workers.supervisor.process import Child, Stage
from workers.supervisor.supervise import StartFailed
from workers.supervisor.tests.conftest import Scene, ends, program

WAIT = "import time; time.sleep(60)"
SAY_PID = r"os.write(1, b'pid %d\n' % os.getpid())"
#: A pool's parent and child: the parent waits for its child, which writes a file when it has finished.
POOL = """
import os, signal, sys, time
child = os.fork()
if not child:
    print("working")
    time.sleep(0.4)
    open("finished", "w").close()
    os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: (os.waitpid(child, 0), os._exit(0)))
time.sleep(60)
"""


def pids_said(said: str) -> list[int]:
    return [int(line.rpartition("pid ")[2]) for line in said.splitlines() if "| pid " in line]


def test_every_line_carries_the_name_of_its_process(scene: Scene) -> None:
    scene.supervisor.start([program("orders", "print('hello'); " + WAIT)])
    scene.run_until(lambda: "hello" in scene.said)

    assert "orders        | hello\n" in scene.said


def test_a_killed_process_starts_again_after_a_pause_and_says_so(scene: Scene) -> None:
    scene.supervisor.start([program("orders", f"import os; {SAY_PID}; {WAIT}")])
    scene.run_until(lambda: len(pids_said(scene.said)) == 1)

    os.kill(pids_said(scene.said)[0], signal.SIGKILL)
    scene.run_until(lambda: len(pids_said(scene.said)) == 2)

    assert "orders        | exited with -9; restarting in 1 s" in scene.said


def test_pauses_double_up_to_half_a_minute_and_end_with_the_tenth_failure() -> None:
    child = Child(program("orders", WAIT))

    pauses = [child.note_failure(now=0.0) for _ in range(10)]

    assert pauses == [1.0, 2, 4, 8, 16, 30, 30, 30, 30, None]


def test_a_minute_of_life_forgets_earlier_failures() -> None:
    child = Child(program("orders", WAIT))
    child.note_failure(now=0.0)
    child.note_failure(now=1.0)

    assert child.note_failure(now=100.0) == 1


def test_a_server_that_ends_at_once_is_a_failed_start(scene: Scene) -> None:
    server = replace(
        program("postgres", "print('no space left'); exit(1)"),
        is_ready=lambda: False,
        must_start=True,
    )
    scene.supervisor.start([server])

    with pytest.raises(StartFailed, match="postgres does not start"):
        scene.supervisor.wait_until_ready([server])

    assert "no space left" in scene.said


def test_stop_signals_the_process_alone_and_lets_its_child_finish(
    scene: Scene, tmp_path: Path
) -> None:
    scene.supervisor.start([program("orders", POOL)])
    scene.run_until(lambda: "working" in scene.said)

    scene.supervisor.stop()

    assert (tmp_path / "finished").exists()


def test_stop_goes_from_the_last_stage_to_the_first(scene: Scene) -> None:
    goodbye = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('goodbye'), exit()))\n"
        "print('here'); time.sleep(60)"
    )
    scene.supervisor.start(
        program(stage.name.lower(), goodbye, stage) for stage in (Stage.SERVERS, Stage.DOORS)
    )
    scene.run_until(lambda: scene.said.count("here") == 2)

    scene.supervisor.stop()

    assert scene.said.index("doors         | goodbye") < scene.said.index("servers       | goodbye")


def test_who_does_not_stop_in_time_is_killed_with_its_children(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.supervisor.supervise.CUT_AFTER_SECONDS", 0.1)
    monkeypatch.setattr("workers.supervisor.supervise.SHORTEST_STOP_SECONDS", 0.1)
    deaf = (
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"os.fork(); {SAY_PID}; {WAIT}"
    )
    scene.supervisor.start([program("orders", deaf)])
    scene.run_until(lambda: len(pids_said(scene.said)) == 2)

    scene.supervisor.stop()

    assert "orders        | did not stop in time; killed" in scene.said
    assert all(ends(pid) for pid in pids_said(scene.said))


def test_children_left_by_a_killed_process_end_before_it_starts_again(scene: Scene) -> None:
    forking = f"import os; os.fork(); {SAY_PID}; {WAIT}"
    scene.supervisor.start([program("orders", forking)])
    scene.run_until(lambda: len(pids_said(scene.said)) == 2)
    parent, child = sorted(pids_said(scene.said))

    os.kill(parent, signal.SIGKILL)
    scene.run_until(lambda: len(pids_said(scene.said)) == 4)

    assert ends(child)
