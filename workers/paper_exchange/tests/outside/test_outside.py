"""Other people's clients can't tell the paper exchange from the real one; they run in an environment of
their own, because they want other versions of what we have."""

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.domain.environments import Exchange
from apps.domain.paper import paper_secret
from workers.paper_exchange.tests.serving import Process

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE.parents[3] / ".venv-clients"
#: What a trader would do takes seconds; who is still at it then is stuck.
LIMIT_SECONDS = 90
INSTALL_SECONDS = 300

JUDGES = [
    *(("ccxt", exchange) for exchange in Exchange),
    *(("ccxt.pro", exchange) for exchange in Exchange),
    ("python-binance", Exchange.BINANCE),
    ("python-kraken-sdk", Exchange.KRAKEN),
]


@pytest.fixture(scope="session")
def clients_python() -> Path:
    """Their Python, installed first where that is due; a client that can't be installed is a failure."""
    wanted = (HERE / "requirements.txt").read_text()
    stamp, python = ENVIRONMENT / "installed.txt", ENVIRONMENT / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    requirements = str(HERE / "requirements.txt")
    if uv := shutil.which("uv"):
        _run(uv, "venv", "-q", "--clear", "--python", sys.executable, str(ENVIRONMENT))
        _run(uv, "pip", "install", "-q", "--python", str(python), "-r", requirements)
    else:
        _run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
        _run(str(python), "-m", "pip", "install", "-q", "-r", requirements)
    stamp.write_text(wanted)
    return python


def _run(*words: str) -> None:
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Exchange, Process]]:
    """All three exchanges in real time, as a trader's clients expect it."""
    folder = tmp_path_factory.mktemp("outside")
    processes = {
        exchange: Process(
            *("--exchange", exchange, "--state", str(folder / f"{exchange}.jsonl"), "--speed", "10")
        )
        for exchange in Exchange
    }
    yield processes
    for process in processes.values():
        process.stop()


@pytest.mark.parametrize(
    ("client", "exchange"), JUDGES, ids=[f"{client} on {exchange}" for client, exchange in JUDGES]
)
def test_client_does_what_a_trader_would(
    clients_python: Path, served: dict[Exchange, Process], client: str, exchange: Exchange
) -> None:
    key = uuid.uuid4().hex
    words = [exchange.value, served[exchange].url, key, paper_secret(key)]

    done = subprocess.run(
        [str(clients_python), "-I", str(HERE / "judge.py"), client, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    assert len([json.loads(line) for line in done.stdout.splitlines()]) >= 3
