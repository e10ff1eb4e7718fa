"""Stand-ins for an exchange: scripted answers without a socket, and tiny servers with one."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import websocket

from apps.exchanges.http import HttpAnswer, HttpRequest

JOIN_SECONDS = 5.0


def answer(payload: object, status: int = 200, **headers: str) -> HttpAnswer:
    """A JSON answer."""
    return HttpAnswer(status=status, body=json.dumps(payload).encode(), headers=headers)


def payload_of(shared: Path, name: str) -> Any:
    """One recorded Binance payload by `kind/name`."""
    path = shared / "exchanges" / "fixtures" / "binance" / f"{name}.json"
    return json.loads(path.read_text())["payload"]


class StubTransport:
    """Gives the scripted answers in turn, raises those that are errors, and keeps every request."""

    def __init__(self, *answers: HttpAnswer | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The next scripted answer."""
        self.requests.append(request)
        scripted = self.answers.pop(0)
        if isinstance(scripted, Exception):
            raise scripted
        return scripted

    def params(self, index: int = -1) -> dict[str, str]:
        """Parameters of a request, whether in its query or in its body."""
        request = self.requests[index]
        return {name: values[0] for name, values in parse_qs(request.body or request.query).items()}


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The base URL of a server on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(JOIN_SECONDS)


@contextmanager
def stream_server(script: Callable[[websocket.WebSocket, str], None]) -> Iterator[str]:
    """The URL of a WebSocket server whose one connection is served by `script(connection, path)`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(4096)
                connection.sendall(_accept(head.decode()))
                peer = websocket.WebSocket()
                peer.sock = connection
                peer.connected = True
                script(peer, head.decode().split()[1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join(JOIN_SECONDS)


def _accept(head: str) -> bytes:
    key = next(line.split(": ")[1] for line in head.splitlines() if "Sec-WebSocket-Key" in line)
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n\r\n"
    ).encode()
