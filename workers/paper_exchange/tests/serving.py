"""Exchanges that really listen: in a thread for wire tests, in a process for whole ones."""

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.binance.auth import sign
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.probe import Probe
from workers.paper_exchange.server import build_application
from workers.paper_exchange.tests.builders import KEY, START_MS

PROJECT = Path(__file__).resolve().parents[3]
_LAUNCH = [sys.executable, "-m", "workers.paper_exchange", "--exchange", "binance"]


@contextmanager
def serve(exchange: PaperExchange, probe: Probe | None = None) -> Iterator[str]:
    """The address of an exchange that is served by a thread; its market moves when it is asked."""
    sockets = bind_sockets(0, "127.0.0.1")
    started, loop = threading.Event(), asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def main() -> None:
        application = build_application(exchange, market_kind="test", probe=probe)
        server = HTTPServer(application)
        server.add_sockets(sockets)
        started.set()
        await stopped.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        if not started.wait(10):
            raise TimeoutError("the exchange did not start")
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        loop.close()


class Client:
    """A bare client: signs like the documents say, and shows the exchange's answers as they are."""

    def __init__(self, url: str, key: str = KEY) -> None:
        self.url = url
        self.key = key
        self.timestamp_ms = START_MS

    def get(self, path: str, **parameters: object) -> tuple[int, Any]:
        """An unsigned question."""
        return self.send("GET", f"{path}?{urlencode(parameters)}", "", {})

    def signed(self, method: str, path: str, **parameters: object) -> tuple[int, Any]:
        """A signed request, in the query string or for POST in the body."""
        payload = urlencode({**parameters, "timestamp": self.timestamp_ms})
        payload += "&signature=" + sign(paper_secret(self.key), payload.encode())
        headers = {"X-MBX-APIKEY": self.key}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return self.send(method, path, payload, headers)
        return self.send(method, f"{path}?{payload}", "", headers)

    def send(self, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, Any]:
        """Exactly this request; HTTP status and JSON of the answer."""
        headers = {**headers, "Connection": "close"}
        with requests.request(
            method, self.url + path, data=body or None, headers=headers, timeout=10
        ) as reply:
            return reply.status_code, reply.json()


class Process:
    """A paper exchange in a process of its own."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [*_LAUNCH, "--port", "0", *words],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ready_line = self._first_line()
        self.url = self.ready_line.split(" on ")[1].split(",")[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code

    def _first_line(self) -> str:
        if self.process.stdout is None:
            raise RuntimeError("the process has no output")
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout=15):
                self.process.kill()
                raise TimeoutError("the exchange did not get ready")
        return self.process.stdout.readline().strip()


def run_to_its_end(*words: str) -> "subprocess.CompletedProcess[str]":
    """Start an exchange that is expected to refuse."""
    return subprocess.run(
        [*_LAUNCH, *words],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Look again and again until it is true; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came true")
        time.sleep(0.05)
