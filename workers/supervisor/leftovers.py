"""What an earlier `up` left running because it was killed itself."""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

#: Every process of an installation carries its data directory under this name.
MARK = "ARISTOBOT_SUPERVISED_IN"


class AlreadyRunning(Exception):
    """Another `up` supervises this installation."""


@contextmanager
def only_supervisor(var_dir: Path) -> Iterator[None]:
    """Hold the installation's lock, which the kernel lets go of however this process ends."""
    var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (var_dir / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(
                f"Aristobot is already running on {var_dir} (process {lock.read().strip()}): stop"
                " that one, or set ARISTOBOT_VAR and the ports to run a second installation."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def find_processes_of(var_dir: Path) -> list[psutil.Process]:
    """The processes that an earlier supervisor of `var_dir` started and that still run."""
    return [process for process in psutil.process_iter() if _mark_of(process) == str(var_dir)]


def stop_processes(processes: list[psutil.Process], *, seconds: float) -> None:
    """Let `processes` finish what they do, and kill who has not ended in time."""
    if sys.platform != "linux":  # elsewhere the kernel has not told them that their parent died
        for process in processes:
            if os.getsid(process.pid) == process.pid:
                process.terminate()
    _wait_or_kill(processes, seconds=seconds)


def stop_servers_of(data_dir: Path) -> None:
    """Stop the servers that still run on `data_dir`: a second one would destroy it."""
    servers = [process for process in psutil.process_iter() if _serves(process, data_dir)]
    pids = {server.pid for server in servers}
    for server in servers:
        with suppress(psutil.NoSuchProcess):
            if server.ppid() not in pids:
                server.send_signal(signal.SIGINT)
    _wait_or_kill(servers, seconds=10)


def _wait_or_kill(processes: list[psutil.Process], *, seconds: float) -> None:
    for survivor in _wait(processes, seconds=seconds):
        with suppress(psutil.NoSuchProcess):
            survivor.kill()
    _wait(processes, seconds=5)


def _wait(processes: list[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (left := [each for each in processes if _runs(each)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    # A container's first process may reap nobody: its zombies have ended all the same.
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _mark_of(process: psutil.Process) -> str | None:
    try:
        mark: str | None = process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None  # gone meanwhile, a zombie, or another user's
    return mark


def _serves(process: psutil.Process, data_dir: Path) -> bool:
    try:
        return (
            process.name() in {"postgres", "valkey-server"}
            and _runs(process)
            and Path(process.cwd()) == data_dir
        )
    except (psutil.Error, OSError):
        return False
