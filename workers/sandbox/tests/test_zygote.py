"""The life of the zygote and of its children."""

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeVar

import pytest

from apps.strategies.children import Child
from apps.strategies.contract import wire
from apps.strategies.conversations import Conversation, hold_all
from apps.strategies.sandbox import Sandbox, SandboxUnavailable, StrategyTimeout
from workers.sandbox import zygote_command
from workers.sandbox.tests.running import READY, RunningZygote, ask, wait_until, write_strategy

T = TypeVar("T")
WHO = write_strategy("import os; self.pid = os.getpid(); return False")
COUNTING = "seen = []\n" + write_strategy("seen.append(1); self.count = len(seen); return False")


def hold(conversation: Conversation[T]) -> T:
    (result,) = hold_all([conversation], at_once=1, seconds=5)
    return result


def connect(zygote: RunningZygote, *, seconds: float) -> Child:
    """A process whose client may be busy, or frozen, for so long."""
    child = Child(seconds=seconds)
    hold(child.connect(zygote.socket_path))
    return child


def test_a_child_is_kept_for_the_next_question(sandbox: Sandbox) -> None:
    assert [ask(sandbox, COUNTING).values["count"] for _ in range(3)] == [1, 2, 3]


def test_keys_do_not_share_a_child(sandbox: Sandbox) -> None:
    assert [ask(sandbox, COUNTING, key=key).values["count"] for key in "ab"] == [1, 1]


def test_changed_code_gets_another_child(sandbox: Sandbox, zygote: RunningZygote) -> None:
    first = ask(sandbox, WHO).values["pid"]
    second = ask(sandbox, f"{WHO}\n").values["pid"]

    assert first != second
    wait_until(lambda: zygote.list_children() == [second])


def test_the_child_that_waited_longest_makes_room(zygote: RunningZygote) -> None:
    with Sandbox(zygote.socket_path, max_kept=2) as sandbox:
        pids = {key: ask(sandbox, WHO, key=key).values["pid"] for key in "ab"}
        ask(sandbox, WHO, key="a")
        pids["c"] = ask(sandbox, WHO, key="c").values["pid"]

        wait_until(lambda: zygote.list_children() == [pids["a"], pids["c"]])


def test_no_child_outlives_its_client(zygote: RunningZygote) -> None:
    with Sandbox(zygote.socket_path) as sandbox:
        ask(sandbox, WHO)
        wait_until(lambda: len(zygote.list_children()) == 1)

    wait_until(lambda: not zygote.list_children())


def test_a_busy_child_dies_when_its_client_hangs_up(zygote: RunningZygote) -> None:
    sandbox = Sandbox(zygote.socket_path, timeout_seconds=0.2)

    with pytest.raises(StrategyTimeout):
        sandbox.describe("while True: pass")

    wait_until(lambda: not zygote.list_children())


def test_a_process_is_ready_before_it_is_needed(sandbox: Sandbox, zygote: RunningZygote) -> None:
    wait_until(lambda: len(zygote.list_ready()) == READY)
    ready = zygote.list_ready()

    assert ask(sandbox, WHO).values["pid"] == ready[0]
    wait_until(lambda: zygote.list_children() == ready[:1])


def test_ready_processes_that_die_are_replaced(sandbox: Sandbox, zygote: RunningZygote) -> None:
    wait_until(lambda: len(zygote.list_ready()) == READY)
    ready = zygote.list_ready()

    for pid in ready:
        os.kill(pid, signal.SIGKILL)

    wait_until(lambda: set(zygote.list_ready()).isdisjoint(ready))
    assert ask(sandbox, WHO).values["pid"] not in ready


def test_more_are_served_than_are_ready(zygote: RunningZygote) -> None:
    with Sandbox(zygote.socket_path) as sandbox:
        pids = {ask(sandbox, WHO, key=f"{number}").values["pid"] for number in range(2 * READY)}

    assert len(pids) == 2 * READY


def test_the_number_of_children_is_bounded(zygote: RunningZygote) -> None:
    with ExitStack() as stack:
        for _ in range(64):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(zygote.socket_path)

        with pytest.raises(SandboxUnavailable, match="All 64 places of the sandbox are taken"):
            Sandbox(zygote.socket_path).describe(WHO)
    wait_until(lambda: not zygote.list_children())


def test_who_only_looks_whether_it_listens_uses_no_process(zygote: RunningZygote) -> None:
    wait_until(lambda: len(zygote.list_ready()) == READY)
    ready = zygote.list_ready()

    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(zygote.socket_path)

    assert zygote.list_ready() == ready


def test_a_client_that_freezes_over_a_question_loses_its_process(zygote: RunningZygote) -> None:
    frozen = connect(zygote, seconds=2)
    next(frozen.teach("import time\ntime.sleep(60)"))

    with closing(frozen), pytest.raises(ConnectionResetError):
        hold(frozen.receive(wire.MAX_REPLY))


def test_a_client_that_freezes_between_two_questions_loses_its_process(
    zygote: RunningZygote,
) -> None:
    frozen = connect(zygote, seconds=2)
    hold(frozen.teach(WHO))

    with closing(frozen), pytest.raises(ConnectionResetError):
        hold(frozen.receive(wire.MAX_REPLY))


def test_a_kept_child_waits_for_as_long_as_it_takes(
    zygote: RunningZygote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.strategies.sandbox.GRACE_SECONDS", 0)
    with Sandbox(zygote.socket_path, timeout_seconds=1) as sandbox:
        first = ask(sandbox, WHO).values["pid"]
        time.sleep(1.2)

        assert ask(sandbox, WHO).values["pid"] == first


def test_sigterm_stops_the_zygote_and_its_children(own_zygote: RunningZygote) -> None:
    with Sandbox(own_zygote.socket_path) as sandbox:
        pid = ask(sandbox, WHO).values["pid"]

        assert own_zygote.stop() == 0
        assert not Path(f"/proc/{pid}").exists()
        assert not Path(own_zygote.socket_path).exists()


def test_a_killed_zygote_takes_its_children_along_and_can_be_replaced(
    own_zygote: RunningZygote,
) -> None:
    with Sandbox(own_zygote.socket_path) as sandbox:
        pid = ask(sandbox, WHO).values["pid"]
        own_zygote.stop(signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists())
        with pytest.raises(SandboxUnavailable):
            ask(sandbox, WHO)

        own_zygote.start()

        assert ask(sandbox, WHO).values["pid"] != pid


def test_the_socket_is_for_its_user_alone(zygote: RunningZygote) -> None:
    assert Path(zygote.socket_path).stat().st_mode & 0o777 == 0o600


def test_a_second_zygote_is_refused(zygote: RunningZygote) -> None:
    command = zygote_command(zygote.socket_path)

    result = subprocess.run(
        command, env={}, capture_output=True, text=True, timeout=20, check=False
    )

    assert result.returncode == 1
    assert result.stderr == (
        f"sandbox: can't listen on {zygote.socket_path}: another sandbox listens there\n"
    )
