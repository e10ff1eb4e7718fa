import sys
from pathlib import Path

import pytest

from workers.supervisor.leftovers import (
    MARK,
    AlreadyRunning,
    find_processes_of,
    only_supervisor,
    stop_processes,
)
from workers.supervisor.spawn import spawn


def test_a_second_supervisor_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with (
        only_supervisor(tmp_path),
        pytest.raises(AlreadyRunning, match=r"already running .* \(process \d+\)"),
        only_supervisor(tmp_path),
    ):
        pytest.fail("two supervisors of one installation")


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    with only_supervisor(tmp_path):
        pass
    with only_supervisor(tmp_path):
        pass


def test_processes_of_a_killed_supervisor_are_found_and_stopped(tmp_path: Path) -> None:
    code = "print('here', flush=True); import time; time.sleep(60)"
    env = {MARK: str(tmp_path)}
    with spawn([sys.executable, "-S", "-c", code], env=env) as child:
        child_found = []
        while not child_found:  # the mark is there as soon as the program has begun
            child_found = find_processes_of(tmp_path)
        stop_processes(child_found, seconds=0.05)

        assert [process.pid for process in child_found] == [child.pid]
        assert child.wait(timeout=5) == -9
    assert find_processes_of(tmp_path) == []
