import json
import signal
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import websocket

from workers.paper_exchange.tests.builders import rising_candles
from workers.paper_exchange.tests.serving import Client, Process, run_to_its_end, wait_for
from workers.paper_exchange.tests.test_replay import write_csv


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(write_csv(tmp_path / "BINANCE_BTCUSDT_1m.csv", rising_candles(3000)))


def signing_now(url: str, key: str = "p" * 16) -> Client:
    client = Client(url, key)
    client.timestamp_ms = int(time.time() * 1000)
    return client


def test_it_says_when_it_is_ready_and_stops_when_it_is_told(tmp_path: Path, recording: str) -> None:
    process = Process(
        "--market", f"replay:{recording}", "--speed", "60", "--state", str(tmp_path / "s")
    )
    _, state = Client(process.url).get("/paper/state")
    address = process.url.replace("http", "ws") + "/ws/btcusdt@kline_1m"
    with closing(websocket.create_connection(address, timeout=5)):
        began = time.monotonic()

        process.process.terminate()
        _, errors = process.process.communicate(timeout=10)

    assert (
        process.ready_line == f"paper exchange: binance on {process.url}, replay market, speed 60"
    )
    assert (state["market"], state["open_orders"]) == ("replay", 0)
    assert state["symbols"]["BTC/USDT"]["is_open"] is True
    assert (process.process.returncode, errors) == (0, "")
    assert time.monotonic() - began < 1


def test_a_killed_exchange_forgets_nothing_it_has_answered(tmp_path: Path, recording: str) -> None:
    words = ("--market", f"replay:{recording}", "--speed", "5", "--state", str(tmp_path / "s"))
    order = {"symbol": "BTCUSDT", "side": "BUY"}
    process = Process(*words)
    client = signing_now(process.url)
    _, bought = client.signed("POST", "/api/v3/order", **order, type="MARKET", quantity="2")
    client.signed(
        "POST", "/api/v3/order", **order, type="LIMIT", timeInForce="GTC", quantity="1", price="300"
    )
    before = [client.signed("GET", path, **query) for path, query in QUESTIONS]

    process.stop(signal.SIGKILL)
    process = Process(*words)
    client = signing_now(process.url)
    after = [client.signed("GET", path, **query) for path, query in QUESTIONS]
    _, state = client.get("/paper/state")
    process.stop()

    assert bought["status"] == "FILLED"
    assert after == before
    assert len(before[1][1]) == 1
    assert state["market_time_ms"] >= bought["transactTime"]


QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("/api/v3/account", {}),
    ("/api/v3/openOrders", {}),
    ("/api/v3/allOrders", {"symbol": "BTCUSDT"}),
    ("/api/v3/myTrades", {"symbol": "BTCUSDT"}),
]


def test_a_whole_market_streams_closed_candles_in_order(simulated: Process) -> None:
    url = simulated.url.replace("http", "ws") + "/ws/btcusdt@kline_1m"
    opened: list[int] = []

    with closing(websocket.create_connection(url, timeout=5)) as stream:
        while len(opened) < 2:
            candle = json.loads(stream.recv())["k"]
            if candle["x"]:
                opened.append(candle["t"])

    assert opened[1] == opened[0] + 60_000


def test_a_live_market_follows_its_upstream(tmp_path: Path, simulated: Process) -> None:
    process = Process("--market", f"live:{simulated.url}", "--state", str(tmp_path / "s"))
    client = signing_now(process.url)
    wait_for(lambda: len(client.get("/paper/state")[1]["symbols"]) == 4)
    url = process.url.replace("http", "ws") + "/ws/btcusdt@kline_1m"
    with closing(websocket.create_connection(url, timeout=5)) as stream:
        while not (candle := json.loads(stream.recv())["k"])["x"]:
            pass
    query = {"symbol": "BTCUSDT", "interval": "1m", "startTime": candle["t"], "limit": 1}
    _, [there] = Client(simulated.url).get("/api/v3/klines", **query)
    _, [here] = client.get("/api/v3/klines", **query)
    client = signing_now(process.url)
    _, bought = client.signed(
        "POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01"
    )
    process.stop()

    assert here == there
    assert (candle["o"], candle["c"]) == (there[1], there[4])
    assert bought["status"] == "FILLED"


def test_a_live_market_without_its_upstream_says_so_and_waits(tmp_path: Path) -> None:
    process = Process("--market", "live:http://127.0.0.1:9", "--state", str(tmp_path / "s"))

    status, refusal = Client(process.url).get("/api/v3/klines", symbol="BTCUSDT", interval="1m")
    wait_for(lambda: Client(process.url).get("/paper/state")[0] == 200)
    process.process.terminate()
    _, errors = process.process.communicate(timeout=10)

    assert (status, refusal["code"]) == (503, -1008)
    assert "http://127.0.0.1:9 can't be followed" in errors


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    state = tmp_path / "s"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        ended = run_to_its_end("--port", port, "--state", str(state))

    assert ended.returncode == 1
    assert f"can't listen on 127.0.0.1:{port}" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not state.exists()


def test_a_damaged_state_file_stops_the_start(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    state.write_text('{"clock_ms":1}\nnonsense\n')

    ended = run_to_its_end("--port", "0", "--state", str(state))

    assert ended.returncode == 1
    assert f"{state}:2: can't be read" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert state.read_text() == '{"clock_ms":1}\nnonsense\n'


def test_a_fault_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('seed = 1\n\n[[rules]]\nfault = "weather"\n')

    done = run_to_its_end(
        *("--port", "0", "--faults", str(file), "--state", str(tmp_path / "state.jsonl"))
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"paper exchange: {file}:3: rule 1: Invalid value 'weather'")


def test_a_fault_file_is_at_work_from_the_start(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('{"rules": [{"fault": "maintenance"}]}')

    process = Process("--faults", str(file), "--state", str(tmp_path / "state.jsonl"))
    status, _answer = Client(process.url).get("/api/v3/time")
    process.stop()

    assert status == 503
