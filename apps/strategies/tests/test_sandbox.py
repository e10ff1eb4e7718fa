"""The client, against a sandbox that follows a script."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.strategies.contract import wire
from apps.strategies.contract.layers import STRICT, Layer
from apps.strategies.sandbox import (
    Answer,
    Candles,
    Question,
    Sandbox,
    SandboxTooWeak,
    SandboxUnavailable,
    StrategyFailed,
    StrategyTimeout,
)

READY: dict[str, Any] = {"layers": STRICT.names}
INFO = {"class_name": "A", "parameters": {}, "lookback": 500}
WAIT = {"should_long": False}
NO_CANDLES = Candles(rows=0, columns=b"")
QUESTION = Question(candles=NO_CANDLES, balance=Decimal(1000), position=None, params={})
#: What one connection hears: the greeting, then one message for each request; it hangs up at the end.
Script = list[dict[str, Any] | bytes]
Play = Callable[..., str]


def pack(message: dict[str, Any] | bytes) -> bytes:
    if isinstance(message, bytes):
        return wire.REPLY.pack(len(message)) + message
    return wire.pack_reply(message)


def follow(connection: socket.socket, script: Script) -> None:
    with connection, connection.makefile("rb") as requests:
        assert requests.read(1) == wire.HELLO
        for number, message in enumerate(script):
            if number:
                size, rows = wire.REQUEST.unpack(requests.read(wire.REQUEST.size))
                requests.read(size + rows * wire.COLUMNS * 8)
            connection.sendall(pack(message))
        if script[-1:] != [WAIT]:
            return
        requests.read(1)  # a kept process waits for its next question


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Call it with one script for each connection, in order; gives the path to connect to."""
    path = str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threads: list[threading.Thread] = []

    def start(*scripts: Script) -> str:
        def accept() -> None:
            for script in scripts:
                follow(listener.accept()[0], script)

        threads.append(threading.Thread(target=accept))
        threads[0].start()
        return path

    with closing(listener):
        yield start
        for thread in threads:
            thread.join(timeout=5)
            assert not thread.is_alive()


def ask(sandbox: Sandbox, key: str = "a") -> bool | None:
    return sandbox.evaluate(key=key, code="...", question=QUESTION).should_long


def test_candles_are_packed_column_after_column() -> None:
    candles = Candles.from_columns(
        opened_at_ms=[1, 2], open=[1.0, 2.0], high=[3, 4], low=[5, 6], close=[7, 8], volume=[9, 10]
    )

    assert candles.rows == 2
    assert memoryview(candles.columns)[:16].cast("q").tolist() == [1, 2]
    assert memoryview(candles.columns)[16:].cast("d").tolist() == list(range(1, 11))


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of rows"):
        Candles.from_columns(
            opened_at_ms=[1, 2], open=[1], high=[1], low=[1], close=[1], volume=[1]
        )


def test_the_last_close_is_that_of_the_newest_candle() -> None:
    candles = Candles.from_columns(
        opened_at_ms=[1, 2], open=[1, 2], high=[3, 4], low=[5, 6], close=[7, 8], volume=[9, 10]
    )

    assert candles.last_close == 8


def test_no_sandbox_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"does not answer at .*/nowhere"):
        Sandbox(str(tmp_path / "nowhere")).describe("...")


def test_a_sandbox_without_room_is_unavailable(play: Play) -> None:
    path = play([{"unavailable": "All places are taken."}])

    with pytest.raises(SandboxUnavailable, match="All places are taken"):
        Sandbox(path).describe("...")


def test_a_silent_sandbox_is_unavailable(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        with pytest.raises(SandboxUnavailable, match="does not answer"):
            Sandbox(str(tmp_path / "s"), timeout_seconds=0.05).describe("...")


def test_a_silent_strategy_is_timed_out(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        sandbox = Sandbox(str(tmp_path / "s"), timeout_seconds=0.2)
        thread = threading.Thread(target=lambda: held.append(greet(listener)))
        held: list[socket.socket] = []
        thread.start()

        with pytest.raises(StrategyTimeout, match="took too long"):
            ask(sandbox)
        thread.join()
        held[0].close()


def greet(listener: socket.socket) -> socket.socket:
    connection = listener.accept()[0]
    connection.sendall(pack(READY))
    return connection


def test_a_kept_process_that_has_ended_is_replaced(play: Play) -> None:
    with Sandbox(play([READY, INFO], [READY, INFO, WAIT])) as sandbox:
        assert ask(sandbox) is False


def test_a_strategy_that_ends_its_process_twice_has_failed(play: Play) -> None:
    sandbox = Sandbox(play([READY, INFO], [READY, INFO]))

    with pytest.raises(StrategyFailed, match="ended before it answered"):
        ask(sandbox)


def test_a_process_is_kept_after_an_answer(play: Play) -> None:
    with Sandbox(play([READY, INFO, WAIT, WAIT])) as sandbox:
        assert [ask(sandbox), ask(sandbox)] == [False, False]


def test_a_process_is_not_kept_after_a_failure(play: Play) -> None:
    with Sandbox(play([READY, INFO, {"failure": "no"}], [READY, INFO, WAIT])) as sandbox:
        with pytest.raises(StrategyFailed):
            ask(sandbox)

        assert ask(sandbox) is False


def test_a_forked_client_leaves_the_connections_of_its_parent_alone(play: Play) -> None:
    with Sandbox(play([READY, INFO, WAIT], [READY, INFO, WAIT])) as sandbox:
        ask(sandbox)
        sandbox._pid = -1

        assert ask(sandbox) is False


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"nonsense", "can't be read"),
        (b"x" * (wire.MAX_REPLY + 1), "larger than 65536 bytes"),
        ({"should_long": 1}, "should_long"),
    ],
)
def test_a_forged_answer_is_a_failure(
    play: Play, answer: dict[str, Any] | bytes, message: str
) -> None:
    sandbox = Sandbox(play([READY, INFO, answer]))

    with pytest.raises(StrategyFailed, match=message):
        ask(sandbox)


def weak(*, lacks: Layer) -> dict[str, Any]:
    return {"layers": (STRICT & ~lacks).names}


@pytest.mark.parametrize("lacks", [Layer.LANDLOCK, Layer.SECCOMP])
def test_a_weak_sandbox_is_not_given_the_code_of_anyone(play: Play, lacks: Layer) -> None:
    path = play([weak(lacks=lacks)])

    with pytest.raises(SandboxTooWeak, match=f"lacks {lacks.words}. {lacks.risk} So it runs"):
        Sandbox(path).describe("...")


def test_a_weak_sandbox_takes_the_code_of_the_machine_s_owner(play: Play) -> None:
    path = play([weak(lacks=Layer.LANDLOCK), INFO])

    assert Sandbox(path).describe("...", trusted=True).class_name == "A"


def test_a_weak_sandbox_can_be_accepted(play: Play) -> None:
    path = play([weak(lacks=Layer.SECCOMP), INFO])

    assert Sandbox(path, accept_weak=True).describe("...").class_name == "A"


def test_a_kept_process_is_not_lent_to_who_is_not_trusted(play: Play) -> None:
    with Sandbox(play([weak(lacks=Layer.SECCOMP), INFO, WAIT])) as sandbox:
        sandbox.evaluate(key="a", code="...", question=replace(QUESTION, trusted=True))

        with pytest.raises(SandboxTooWeak):
            ask(sandbox)


def test_each_of_many_questions_has_its_own_outcome(play: Play) -> None:
    path = play([READY, {"failure": "no"}], [{"unavailable": "full"}], [READY, INFO, WAIT])
    with Sandbox(path, at_once=1) as sandbox:
        asked = [(key, "...", QUESTION) for key in "abc"]

        outcomes = dict(sandbox.evaluate_all(asked))

    assert [type(outcomes[key]) for key in "abc"] == [StrategyFailed, SandboxUnavailable, Answer]
