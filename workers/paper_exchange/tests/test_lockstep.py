import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import websocket

from workers.paper_exchange.markets.candles import MINUTE_MS
from workers.paper_exchange.tests.builders import START_MS
from workers.paper_exchange.tests.serving import (
    Client,
    Process,
    run_to_its_end,
    serve,
    wait_for,
)
from workers.paper_exchange.tests.test_candle_rules import CALM, Replay

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def client() -> Iterator[Client]:
    with serve(Replay(*[CALM] * 6).exchange) as url:
        yield Client(url)


def step(asker: Client, /, **words: object) -> tuple[int, Any]:
    return asker.send("POST", "/paper/step", json.dumps(words), HEADERS)


def waits_for(client: Client) -> list[str]:
    words: list[str] = client.get("/paper/state")[1]["lockstep"]["waits_for"]
    return words


def test_the_clock_stands_until_a_client_steps(client: Client) -> None:
    first = client.get("/api/v3/time")[1]["serverTime"]

    status, answer = step(client)

    assert first == START_MS
    assert (status, answer) == (200, {"market_time_ms": START_MS + MINUTE_MS, "has_ended": False})
    assert client.get("/api/v3/time")[1]["serverTime"] == START_MS + MINUTE_MS


def test_a_client_can_pass_over_candles_and_sees_the_end(client: Client) -> None:
    assert step(client, candles=3)[1]["market_time_ms"] == START_MS + 3 * MINUTE_MS
    assert step(client, candles=100)[1] == {
        "market_time_ms": START_MS + 6 * MINUTE_MS,
        "has_ended": True,
    }


def test_each_client_is_waited_for(client: Client) -> None:
    step(client, client="a")
    step(client, client="b", candles=0)
    with ThreadPoolExecutor() as threads:
        other = threads.submit(step, Client(client.url), client="b", candles=2)
        wait_for(lambda: waits_for(client) == ["a"])
        assert not other.done()
        step(client, client="a", candles=2)
        assert other.result(5)[1]["market_time_ms"] == START_MS + 3 * MINUTE_MS


def test_a_client_that_leaves_is_waited_for_no_longer(client: Client) -> None:
    step(client, client="a")
    step(client, client="a", leave=True)

    assert step(client, client="b")[0] == 200


@pytest.mark.parametrize("words", [{"candles": -1}, {"candle": 1}, {"client": 5}])
def test_a_step_that_is_none_is_refused(client: Client, words: dict[str, object]) -> None:
    assert step(client, **words)[0] == 400
    assert client.get("/api/v3/time")[1]["serverTime"] == START_MS


def test_a_running_clock_takes_no_steps(simulated: Process) -> None:
    status, answer = step(Client(simulated.url))

    assert (status, "--book none" in answer["error"]) == (409, True)


def test_recordings_of_different_timeframes_cannot_go_in_lockstep(tmp_path: Path) -> None:
    for name, length in (("X_BTCUSDT_1m", MINUTE_MS), ("X_ETHUSDT_5m", 5 * MINUTE_MS)):
        rows = [f"{START_MS - START_MS % length + n * length},1,1,1,1,1" for n in range(700)]
        (tmp_path / f"{name}.csv").write_text(
            "\n".join(["open_time,open,high,low,close,volume", *rows])
        )
    market = f"replay:{tmp_path / 'X_BTCUSDT_1m.csv'},{tmp_path / 'X_ETHUSDT_5m.csv'}"

    done = run_to_its_end(
        *("--port", "0", "--market", market, "--book", "none"),
        *("--state", str(tmp_path / "state.jsonl")),
    )

    assert done.returncode == 1
    assert "different timeframes" in done.stderr


def test_a_whole_process_in_lockstep_goes_on_after_a_restart(tmp_path: Path) -> None:
    words = ("--speed", "max", "--state", str(tmp_path / "state.jsonl"))
    process = Process(*words)
    first = step(Client(process.url), candles=5)[1]["market_time_ms"]
    process.stop()
    process = Process(*words)
    second = step(Client(process.url))[1]["market_time_ms"]
    process.stop()

    assert "speed max" in process.ready_line
    assert second == first + MINUTE_MS


def test_a_closed_candle_is_streamed_and_the_next_open_is_paid(client: Client) -> None:
    address = client.url.replace("http", "ws") + "/ws/btcusdt@kline_1m"
    socket = websocket.create_connection(address, timeout=5)
    step(client)
    frame = json.loads(socket.recv())
    while not frame["k"]["x"]:
        frame = json.loads(socket.recv())
    socket.close()
    client.timestamp_ms = client.get("/api/v3/time")[1]["serverTime"]

    status, order = client.signed(
        "POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1"
    )

    assert frame["k"]["T"] + 1 == client.timestamp_ms == START_MS + MINUTE_MS
    assert (status, order["status"], order["fills"][0]["price"]) == (200, "FILLED", "100.00000000")
