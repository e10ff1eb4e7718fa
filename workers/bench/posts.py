"""A sender of webhooks that keeps to its pace whatever the server does; in a process without Django."""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

#: A sender gives up then; TradingView does after three seconds.
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Post:
    """What a body was answered, 0 for nothing, and how long after the moment at which it was due."""

    status: int
    milliseconds: float


def send_posts(*, port: int, tokens: Sequence[str], rate: float, seconds: float) -> list[Post]:
    """So many webhooks a second, of all tokens in turn, each on a connection of its own; every second one
    moves exits that there are not, the others are PINGs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(port, list(tokens), rate, seconds, theirs))
    process.start()
    posts = [Post(status, milliseconds) for status, milliseconds in ours.recv()]
    process.join()
    return posts


def _run(port: int, tokens: list[str], rate: float, seconds: float, results: Connection) -> None:
    results.send(asyncio.run(_send_all(port, tokens, rate, int(rate * seconds))))


async def _send_all(
    port: int, tokens: list[str], rate: float, count: int
) -> list[tuple[int, float]]:
    began, tasks = time.monotonic() + 0.5, []
    for number in range(count):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        request = _request(tokens[number % len(tokens)], number, len(tokens))
        tasks.append(asyncio.create_task(_send(port, request, due)))
    return list(await asyncio.gather(*tasks))


async def _send(port: int, request: bytes, due: float) -> tuple[int, float]:
    status = 0
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            status = int((await reader.readline()).split()[1])
            await reader.read()
            writer.close()
    except (OSError, TimeoutError, IndexError):
        status = 0
    return status, (time.monotonic() - due) * 1000


def _request(token: str, number: int, tokens: int) -> bytes:
    fields = {"Action": "PING", "Symbol": "BTCUSDT", "IndicateurName": f"Bench {number}"}
    if number // tokens % 2:
        fields |= {"Action": "MAJ", "PrixSL": "1"}
    return make_request(token, fields)


def make_request(token: str, fields: dict[str, str]) -> bytes:
    """The request of one webhook, as it goes over the wire."""
    body = json.dumps(fields).encode()
    head = (
        f"POST /webhook/{token} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
