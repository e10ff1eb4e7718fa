"""Attacks on the sandbox: none succeeds, the zygote survives each, and the next strategy is answered."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.strategies.sandbox import Sandbox, StrategyFailed
from workers.sandbox.tests.running import RunningZygote, ask, write_strategy

HARMLESS = write_strategy("return True")
SECRET = "a-secret-of-the-machine"


@pytest.fixture(autouse=True)
def survives(zygote: RunningZygote) -> Iterator[None]:
    """Whatever was tried: the zygote lives, and another key is answered."""
    pid = zygote.process.pid
    yield
    with Sandbox(zygote.socket_path) as another:
        assert ask(another, HARMLESS, key="another").should_long is True
    assert zygote.process.poll() is None
    assert zygote.process.pid == pid


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What there is to be reached: servers that listen, a file, a directory, a process."""
    folder = tmp_path_factory.mktemp("t")
    secret = folder / "secret.csv"
    secret.write_text(f"name\n{SECRET}\n", encoding="ascii")
    folder.chmod(0o777)
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
    unix, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    with tcp, udp, unix, abstract:
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "server.sock"))
        unix.listen()
        abstract.bind(f"\0aristobot-test-{os.getpid()}")
        abstract.listen()
        yield {
            "SECRET": str(secret),
            "FOLDER": str(folder),
            "VICTIM": str(victim.pid),
            "TCP": str(tcp.getsockname()[1]),
            "UDP": str(udp.getsockname()[1]),
            "UNIX": str(folder / "server.sock"),
            "ABSTRACT": f"\\0aristobot-test-{os.getpid()}",
        }
    victim.kill()
    victim.wait()


def fill_in(statement: str, target: dict[str, str]) -> str:
    for name, value in target.items():
        statement = statement.replace(f"<{name}>", value)
    return statement


#: Each sets self.got when it succeeds, and does in an unconfined process.
REACHING_OUT = {
    "read a file": "self.got = open('<SECRET>').read()",
    "read a file by its descriptor": "import os; self.got = os.read(os.open('<SECRET>', 0), 99)",
    "list a directory": "import os; self.got = os.listdir('<FOLDER>')",
    "pandas reads a file": "self.got = str(pd.read_csv('<SECRET>').iloc[0, 0])",
    "numpy maps a file": "self.got = bytes(np.memmap('<SECRET>', mode='r'))",
    "numpy reads a file": "self.got = np.fromfile('<SECRET>', dtype='u1').tobytes()",
    "C reads a file": "import ctypes; c = ctypes.CDLL(None)\n"
    "if c.open(b'<SECRET>', 0) >= 0: self.got = 1",
    "environment by /proc": "self.got = open('/proc/self/environ', 'rb')",
    "memory by /proc": "self.got = open('/proc/self/maps').read()",
    "the parent by /proc": "import os; self.got = open('/proc/<VICTIM>/cmdline').read()",
    "the memory of another process": "self.got = open('/proc/<VICTIM>/mem', 'rb')",
    "write a file": "self.got = open('<FOLDER>/left', 'w')",
    "make a directory": "import os; os.mkdir('<FOLDER>/made'); self.got = 1",
    "make a link": "import os; os.symlink('/', '<FOLDER>/link'); self.got = 1",
    "remove a file": "import os; open('<FOLDER>/x', 'w').close(); os.unlink('<FOLDER>/x'); self.got = 1",
    "pandas writes a file": "self.candles.to_csv('<FOLDER>/candles.csv'); self.got = 1",
    "TCP to loopback": "import socket; self.got = socket.create_connection(('127.0.0.1', <TCP>), 1)",
    "UDP to loopback": "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\n"
    "self.got = s.sendto(b'x', ('127.0.0.1', <UDP>))",
    "listen on a port": "import socket; self.got = socket.create_server(('127.0.0.1', 0))",
    "the socket of a server": "import socket; s = socket.socket(socket.AF_UNIX)\n"
    "s.connect('<UNIX>'); self.got = 1",
    "an abstract socket": "import socket; s = socket.socket(socket.AF_UNIX)\n"
    "s.connect('<ABSTRACT>'); self.got = 1",
    "a pair of sockets": "import socket; self.got = socket.socketpair()",
    "fork": "import os; pid = os.fork()\nif pid == 0: os._exit(0)\nself.got = pid",
    "start a program": "import subprocess; self.got = subprocess.run(['/bin/true'])",
    "a shell": "import os; self.got = os.system('exit 0') == 0 or None",
    "a thread": "import threading; t = threading.Thread(target=len, args=('',))\n"
    "t.start(); t.join(); self.got = 1",
    "another process": "import multiprocessing as m; c = m.get_context('fork')\n"
    "p = c.Process(target=len, args=('',)); p.start(); p.join(); self.got = 1",
    "signal another process": "import os; os.kill(<VICTIM>, 0); self.got = 1",
    "signal the parent": "import os; os.kill(os.getppid(), 0); self.got = 1",
    "signal everyone": "import os; os.kill(-1, 0); self.got = 1",
    "trace another process": "import ctypes\n"
    "if ctypes.CDLL(None).ptrace(16, <VICTIM>, 0, 0) == 0: self.got = 1",
    "more priority": "import os; os.nice(0); self.got = 1",
    "other processors": "import os; os.sched_setaffinity(0, os.sched_getaffinity(0)); self.got = 1",
    "executable memory": "import mmap; self.got = mmap.mmap(-1, 4096, prot=7)",
    "memory that becomes executable": "import ctypes, mmap; m = mmap.mmap(-1, 4096)\n"
    "c = ctypes.CDLL(None); a = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
    "if c.mprotect(ctypes.c_void_p(a), 4096, 7) == 0: self.got = 1",
    "a memory file": "import os; self.got = os.memfd_create('x')",
    "a pipe": "import os; self.got = os.pipe()",
    "a copy of a descriptor": "import os; self.got = os.dup(1)",
    "an anonymous inode": "import select; self.got = select.epoll()",
    "a system call by number": "import ctypes\n"
    "if ctypes.CDLL(None).syscall(39 + 63, 0) >= 0: self.got = 1",
    "io_uring": "import ctypes; p = ctypes.create_string_buffer(120)\n"
    "r = ctypes.CDLL(None, use_errno=True).syscall(425, 4, p)\n"
    "if r >= 0 or ctypes.get_errno() != 1: self.got = 1",
    "user namespaces": "import ctypes\nif ctypes.CDLL(None).unshare(0) == 0: self.got = 1",
    "a module from a file": "import sys; sys.path.append('<PROJECT>')\n"
    "import workers.sandbox.tests.running; self.got = 1",
    "a pickle that runs a program": "import io, pickle, pandas\n"
    "class P:\n    def __reduce__(self): import os; return os.listdir, ('/',)\n"
    "self.got = pd.read_pickle(io.BytesIO(pickle.dumps(P())))",
    "an expression that opens": "self.got = eval('open(\\'<SECRET>\\').read()')",
    "limits raised": "import resource as r\n"
    "r.setrlimit(r.RLIMIT_NOFILE, r.getrlimit(r.RLIMIT_NOFILE)); self.got = 1",
    "the clock set": "import time\ntime.clock_settime(0, time.time()); self.got = 1",
}
PROJECT = str(Path(__file__).parents[3])
#: Those that need something this machine may not have.
UNCERTAIN = {"io_uring", "the clock set", "trace another process"}


@pytest.mark.parametrize("attack", REACHING_OUT)
def test_nothing_outside_is_reached(sandbox: Sandbox, target: dict[str, str], attack: str) -> None:
    statement = fill_in(REACHING_OUT[attack], target | {"PROJECT": PROJECT})

    values = attempt(sandbox, f"{statement}\nreturn False")

    assert "got" not in values


def attempt(sandbox: Sandbox, statements: str) -> dict[str, object]:
    """What the strategy saw, if it lived to tell: each attack may as well end in an exception."""
    code = write_strategy(
        "self.got = None\ntry:\n"
        + "\n".join(f"    {line}" for line in statements.splitlines() if line != "return False")
        + "\nexcept BaseException as e: self.why = type(e).__name__\n"
        "if self.got is None: del self.got\nelse: self.got = str(self.got)[:50]\nreturn False"
    )
    return dict(ask(sandbox, code).values)


#: Reads statements, runs each in a process of its own that nothing confines, and says which succeeded.
UNCONFINED = """
import json, os, sys, numpy as np, pandas as pd
class Tested: got, candles = None, pd.DataFrame({'a': [1]})
succeeded = []
for name, statement in json.load(sys.stdin).items():
    pid = os.fork()
    if pid == 0:
        try: exec(statement, {'np': np, 'pd': pd, 'self': Tested})
        finally: os._exit(Tested.got is None)
    if os.waitpid(pid, 0)[1] == 0: succeeded.append(name)
print(json.dumps(succeeded))
"""


def test_the_same_succeeds_without_a_sandbox(target: dict[str, str]) -> None:
    known = target | {"PROJECT": PROJECT}
    statements = {name: fill_in(REACHING_OUT[name], known) for name in REACHING_OUT}

    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", UNCONFINED],
        input=json.dumps(statements),
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )

    succeeded = json.loads(result.stdout.splitlines()[-1])
    assert REACHING_OUT.keys() - UNCERTAIN - set(succeeded) == set()


#: Each ends the process or its time: the strategy is to blame, and nobody else pays.
TOO_MUCH = {
    "a bomb of processes": "import os\nwhile True: os.fork()",
    "a bomb of threads": "import threading\nwhile True: threading.Thread(target=print).start()",
    "a bomb of descriptors": "import os\nx = []\nwhile True: x.append(os.dup(0))",
    "a loop": "while True: pass",
    "a loop in C": "sum(range(10**12))",
    "a loop in a regular expression": "import re; re.match('(a+)+$', 'a' * 64 + 'b')",
    "a loop in numpy": "while True: np.linalg.svd(np.ones((300, 300)))",
    "an integer without end": "(10**7)**(10**7)",
    "sleep": "import time; time.sleep(99)",
    "a loop that catches everything": "while True:\n    try: 1 / 0\n    except BaseException: pass",
    "all memory": "x = []\nwhile True: x.append(bytearray(2**24))",
    "all memory at once": "np.ones(2**40)",
    "a string without end": "'x' * 2**40",
    "endless recursion": "f = lambda: f()\nf()",
    "endless recursion in C": "import ctypes\nx = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
    "an exit": "raise SystemExit",
    "an exit at once": "import os; os._exit(0)",
    "an abort": "import os; os.abort()",
    "a segmentation fault": "import ctypes; ctypes.string_at(0)",
    "a signal to itself": "import os, signal; signal.raise_signal(signal.SIGKILL)",
    "a connection closed": "import os; os.close(0)",
    "a reply that never ends": "import os\nos.write(0, b'\\xff\\0\\0\\0')\nwhile True: pass",
    "a reply drop by drop": "import os, time\nos.write(0, b'\\xff\\0\\0\\0')\n"
    "while True:\n    os.write(0, b' '); time.sleep(0.05)",
    "a reply that is too large": "import os; os.write(0, b'\\xff\\xff\\xff\\x7f')",
    "a reply without reading": "import os\nwhile True: os.write(0, b'x' * 65536)",
    "a reply that is no JSON": "import os; os.write(0, b'\\2\\0\\0\\0{]')",
    "a reply that is no object": "import os; os.write(0, b'\\2\\0\\0\\0[]')",
    "deep JSON": "import os; os.write(0, b'\\0\\x80\\0\\0' + b'[' * 32768)",
    "a huge number in JSON": "import os; d = b'{\"should_long\":' + b'9' * 9000 + b'}'\n"
    "os.write(0, len(d).to_bytes(4, 'little') + d)",
    "a failure forged": 'import os; d = b\'{"failure": [1], "traceback": 5}\'\n'
    "os.write(0, len(d).to_bytes(4, 'little') + d)",
}


@pytest.mark.parametrize("attack", TOO_MUCH)
def test_who_asks_too_much_fails_alone(zygote: RunningZygote, attack: str) -> None:
    with (
        Sandbox(zygote.socket_path, timeout_seconds=1) as sandbox,
        pytest.raises(StrategyFailed),
    ):
        ask(sandbox, write_strategy(f"{TOO_MUCH[attack]}\nreturn None"))


FORGED = {
    "NaN": "float('nan')",
    "infinity": "float('inf')",
    "a flag of another type": "1",
    "a table": "self.candles",
    "a text": "'yes'",
}


@pytest.mark.parametrize("value", FORGED.values(), ids=FORGED)
def test_an_answer_that_is_none_is_refused(sandbox: Sandbox, value: str) -> None:
    with pytest.raises(StrategyFailed, match=r"should_long\(\) returned"):
        ask(sandbox, write_strategy(f"return {value}"))


def test_what_it_says_is_cut_and_made_storable(sandbox: Sandbox) -> None:
    code = write_strategy(
        "print('x\\0\\ud800' * 10**5); self.a = '\\0\\ud800' * 10**5; self.b = 10**400\n"
        "for n in range(999): setattr(self, f'v{n}', float('nan'))\nreturn False"
    )

    answer = ask(sandbox, code)

    assert (len(answer.values), answer.values["b"], answer.values["v0"]) == (30, None, None)
    assert len(answer.output) <= 4096
    f"{answer.output}{answer.values}".encode()
    assert "\0" not in answer.output


LOOKING = """
import gc, sys
seen = []
for frame in sys._current_frames().values():
    while frame:
        seen.append(repr(frame.f_locals)); frame = frame.f_back
seen += [repr(one)[:10**6] for one in gc.get_objects() if type(one) in (dict, list, str, tuple)]
self.found = any(WORD in text for text in seen)
return False
"""


def test_another_user_s_code_is_not_in_the_memory_of_the_next(zygote: RunningZygote) -> None:
    secret = "a-formula-" + "of-somebody"
    with Sandbox(zygote.socket_path) as owner:
        ask(owner, write_strategy(f"self.x = '{secret}'; return False"), key="owner")
        with Sandbox(zygote.socket_path) as other:
            word = "''.join(['a-formula-', 'of-somebody'])"
            answer = ask(other, write_strategy(LOOKING.replace("WORD", word)), key="other")

    assert answer.values["found"] is False


def test_the_own_code_is_found_the_same_way(sandbox: Sandbox) -> None:
    code = write_strategy(LOOKING.replace("WORD", "''.join(['SOME', 'WHERE'])"))

    assert ask(sandbox, f"kept = ['SOMEWHERE']\n{code}").values["found"] is True


def test_no_variable_and_no_setting_is_in_the_process(sandbox: Sandbox) -> None:
    code = write_strategy(
        "import os, sys\nself.names = ' '.join(os.environ)\n"
        "known = {name.split('.')[0] for name in sys.modules}\n"
        "self.django = bool(known & {'django', 'aristobot', 'psycopg'})\n"
        "return False"
    )

    assert ask(sandbox, code).values == {"names": "", "django": False}


def test_only_the_connection_is_open(sandbox: Sandbox) -> None:
    code = write_strategy(
        "import os\nopen_ones = []\nfor n in range(64):\n"
        "    try: os.lseek(n, 0, 1)\n    except OSError as e: e.errno == 9 or open_ones.append(n)\n"
        "    else: open_ones.append(n)\nself.open = str(open_ones); return False"
    )

    assert ask(sandbox, code).values == {"open": "[0]"}


def test_candles_that_are_written_to_are_the_strategy_s_own(sandbox: Sandbox) -> None:
    write = write_strategy("self.candles.iloc[-1] = 0.0; return False")
    read = write_strategy("self.last = self.candles['close'].iloc[-1]; return False")

    ask(sandbox, write, key="a")

    assert ask(sandbox, read, key="b").values["last"] != 0


def test_what_is_kept_for_the_next_question_stays_with_the_key(sandbox: Sandbox) -> None:
    # Allowed: one key is one activation, so a strategy can only remember what it was told itself.
    code = "seen = []\n" + write_strategy("seen.append(1); self.count = len(seen); return False")

    counts = [ask(sandbox, code, key=key).values["count"] for key in ("a", "a", "b")]

    assert counts == [1, 2, 1]


def test_an_answer_sent_ahead_is_the_strategy_s_own_answer(sandbox: Sandbox) -> None:
    # A strategy may answer what it likes, also by writing to its connection: it is read as any answer.
    forged = '{"should_long": true, "calculate_position_size": 1e300}'
    code = write_strategy(
        f"import os; d = b'{forged}'\nos.write(0, len(d).to_bytes(4, 'little') + d)\nreturn False"
    )

    with pytest.raises(StrategyFailed, match=r"calculate_position_size\(\) returned"):
        ask(sandbox, code)
