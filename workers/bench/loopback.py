"""An exchange that answers every question with the same prepared bytes; in a process of its own."""

import asyncio
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection


class _Answering(asyncio.Protocol):
    """Just enough HTTP/1.1: keep-alive, bodies by Content-Length, an answer by the longest path prefix."""

    def __init__(self, answers: Mapping[bytes, bytes]) -> None:
        self._answers = answers
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101  a TCP connection is one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            _, found, length = head.partition(b"content-length:")
            size = end + 4 + (int(length.split(b"\r\n", 1)[0]) if found else 0)
            if len(self._received) < size:
                return
            path = self._received.split(b" ", 2)[1]
            self._received = self._received[size:]
            if self._transport is not None:
                self._transport.write(self._answer(path))

    def _answer(self, path: bytes) -> bytes:
        known = [prefix for prefix in self._answers if path.startswith(prefix)]
        return self._answers[max(known, key=len)] if known else _response(b"{}", status=b"404 No")


def _response(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _serve(bodies: Mapping[str, bytes], ready: Connection) -> None:
    answers = {prefix.encode(): _response(body) for prefix, body in bodies.items()}

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Answering(answers), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def loopback_server(bodies: Mapping[str, bytes]) -> Iterator[str]:
    """The base URL of a server that answers a path with the body of its longest known prefix."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(dict(bodies), theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join(10)
