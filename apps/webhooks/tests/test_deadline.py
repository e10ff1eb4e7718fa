"""What hangs behind the door is not waited for."""

import time
from collections.abc import Callable, Iterable
from io import BytesIO
from threading import Event
from typing import Any

import pytest

from apps.webhooks.deadline import Deadline, Environ


@pytest.fixture
def hung() -> Event:
    """While it is not set, the application does not answer."""
    event = Event()
    event.set()
    return event


@pytest.fixture
def ask(hung: Event) -> Callable[..., tuple[str, bytes]]:
    """Status and body of an answer: `ask("/webhook", b"body")`."""

    def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        hung.wait()
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    deadline = Deadline(application, seconds=0.05)

    def post(path: str = "/webhook", body: bytes = b"") -> tuple[str, bytes]:
        said: list[str] = []
        environ = {
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
        }
        answer = deadline(environ, lambda status, _headers: said.append(status))
        return said[0], b"".join(answer)

    return post


def test_an_answer_in_time_is_passed_on(ask: Callable[..., tuple[str, bytes]]) -> None:
    assert ask("/webhook/token", b"abc") == ("200 OK", b"abc")


def test_of_a_large_body_one_byte_too_many_is_read(ask: Callable[..., tuple[str, bytes]]) -> None:
    assert len(ask(body=b"x" * 100_000)[1]) == 65_537


def test_what_hangs_is_answered_and_not_asked_again(
    ask: Callable[..., tuple[str, bytes]], hung: Event
) -> None:
    hung.clear()

    answers = [ask()[0] for _ in range(3)]

    assert answers == ["503 Service Unavailable"] * 3
    hung.set()
    time.sleep(0.05)
    assert ask(body=b"again") == ("200 OK", b"again")


def test_health_does_not_wait_for_what_hangs(
    ask: Callable[..., tuple[str, bytes]], hung: Event
) -> None:
    hung.clear()
    ask()
    hung.set()

    assert ask("/healthz")[0] == "200 OK"
