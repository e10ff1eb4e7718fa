"""What strategies try and do not get."""

import pytest

from apps.strategies.sandbox import Sandbox, StrategyFailed
from workers.sandbox.tests.running import RunningZygote, ask, write_strategy


def test_every_layer_is_on_where_the_kernel_has_it(zygote: RunningZygote) -> None:
    assert zygote.ready_line.startswith("sandbox: ready, ")
    if "strict" not in zygote.ready_line:
        pytest.skip(f"this kernel lacks layers: {zygote.ready_line}")
    assert zygote.ready_line == "sandbox: ready, strict: Landlock, seccomp, limits\n"


@pytest.mark.parametrize(
    "statement",
    [
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "open('/tmp/left-behind', 'w')",
        "import os; os.listdir('/')",
        "import os; os.stat('/etc')",
        "import os; os.fork()",
        "import os; os.execv('/bin/sh', ['sh'])",
        "import os; os.kill(1, 9)",
        "import os; os.write(1, b'x')",
        "import os; os.dup(3)",
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socketpair()",
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    ],
)
def test_is_not_permitted(sandbox: Sandbox, statement: str) -> None:
    with pytest.raises(StrategyFailed, match="Line 4: PermissionError"):
        ask(sandbox, write_strategy(statement))


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("import threading; threading.Thread(target=print).start()", "RuntimeError"),
        ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (99, 99))", "ValueError"),
        ("bytearray(10**9)", "MemoryError"),
        ("np.ones(10**9)", "MemoryError"),
        ("import django", "ModuleNotFoundError"),
        ("import apps.core.fields", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
        ("f = lambda: f()\nf()", "RecursionError"),
    ],
)
def test_fails(sandbox: Sandbox, statement: str, error: str) -> None:
    with pytest.raises(StrategyFailed, match=error):
        ask(sandbox, write_strategy(statement))


def test_raw_system_calls_are_not_permitted(sandbox: Sandbox) -> None:
    # The same on every machine: Landlock's, which could only add rights to an unconfined process.
    code = "import ctypes; self.x = ctypes.CDLL(None).syscall(444, 0, 0, 1); return False"

    assert ask(sandbox, write_strategy(code)).values == {"x": -1.0}


def test_the_environment_is_empty(sandbox: Sandbox) -> None:
    code = write_strategy("import os; self.names = ' '.join(os.environ); return False")

    assert ask(sandbox, code).values == {"names": ""}


@pytest.mark.parametrize(
    "statement",
    ["import os; os._exit(0)", "import os; os.abort()", "import ctypes; ctypes.string_at(0)"],
)
def test_a_crash_is_the_strategy_s_own(sandbox: Sandbox, statement: str) -> None:
    with pytest.raises(StrategyFailed, match="ended before it answered"):
        ask(sandbox, write_strategy(statement))


@pytest.mark.parametrize("data", ["b'x' * 100", "b'\\xff' * 100_000", "b'\\x02\\0\\0\\0[]'"])
def test_a_forged_reply_is_refused(sandbox: Sandbox, data: str) -> None:
    with pytest.raises(StrategyFailed, match="answer"):
        ask(sandbox, write_strategy(f"import os; os.write(0, {data})\nreturn False"))
