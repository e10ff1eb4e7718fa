"""A confined process, seen from outside."""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from apps.strategies.clocks import Clock
from apps.strategies.contract import wire
from apps.strategies.contract.answers import (
    StrategyFailed,
    StrategyInfo,
    parse_reply,
    read_info,
    read_output,
)
from apps.strategies.contract.layers import STRICT, Layer
from apps.strategies.conversations import Conversation

_PIECE = 2**20


class SandboxUnavailable(Exception):
    """The sandbox is not there, or has no room: the strategy was not asked and is not to blame."""


class SandboxTooWeak(SandboxUnavailable):
    """The sandbox lacks a layer, and the code is not that of the owner of the machine."""


class StrategyTimeout(StrategyFailed):
    """The strategy took longer than it may; its process has been killed."""


class ProcessEnded(Exception):
    """The connection to a confined process broke."""


class Child:
    """One connection, which is one confined process with one strategy in it: connect() says what confines
    it, then it is taught its code and asked. With `seconds` the sandbox kills it so long after it was asked
    last, unless it is at rest: also while this process is frozen."""

    layers: Layer
    code: str
    info: StrategyInfo
    #: What the module printed.
    output: str

    def __init__(self, *, seconds: float = 0) -> None:
        self._seconds = seconds
        self._pid = os.getpid()
        self._socket = socket.socket(socket.AF_UNIX)
        self._clock = Clock()

    def close(self) -> None:
        """End the process: the sandbox kills it when the connection is shut down, even if a process
        forked from this one still holds a copy. That copy itself shuts nothing down."""
        if os.getpid() == self._pid:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._clock.close()

    def connect(self, socket_path: str) -> Conversation[None]:
        """Get a process. Raises SandboxUnavailable."""
        try:
            self._socket.connect(socket_path)
            self._clock.wind_up(self._seconds)
            socket.send_fds(self._socket, [wire.HELLO], self._clock.descriptors)
            self._socket.settimeout(0)
            greeting = parse_reply((yield from self.receive(wire.MAX_REPLY)))
        except OSError as error:
            raise SandboxUnavailable(
                f"The sandbox does not answer at {socket_path} ({error}). Start it: manage.py sandbox."
            ) from error
        if "unavailable" in greeting:
            raise SandboxUnavailable(str(greeting["unavailable"]))
        self.layers = Layer.from_names(greeting["layers"])

    def teach(self, code: str) -> Conversation[None]:
        """Have it run the module `code`."""
        reply = yield from self.ask(wire.pack_request({"code": code}))
        self.code = code
        self.info = read_info(reply)
        self.output = read_output(reply)

    def ask(self, request: bytes) -> Conversation[dict[str, Any]]:
        """Send a request and wait for its reply. Raises StrategyFailed and ProcessEnded."""
        self._clock.wind_up(self._seconds)
        try:
            yield from self.send(request)
            return parse_reply((yield from self.receive(wire.MAX_REPLY)))
        except TimeoutError as error:
            raise StrategyTimeout(
                "The strategy took too long and was stopped. Look for a loop that does not end."
            ) from error
        except OSError as error:
            raise ProcessEnded from error

    def rest(self) -> None:
        """Keep it until it is asked again."""
        self._clock.stop()

    def send(self, data: bytes, files: Sequence[int] = ()) -> Conversation[None]:
        """Send bytes, and descriptors of files with the first of them. Raises OSError."""
        rest = memoryview(data)
        while rest:
            try:
                sent = (
                    socket.send_fds(self._socket, [rest], files)
                    if files
                    else self._socket.send(rest)
                )
            except BlockingIOError:
                yield self._socket, EVENT_WRITE
                continue
            rest, files = rest[sent:], ()

    def receive(self, limit: int) -> Conversation[bytes]:
        """One reply of at most `limit` bytes. Raises StrategyFailed and OSError."""
        # Whoever talks without end would otherwise be listened to without end.
        yield self._socket, EVENT_READ
        (size,) = wire.REPLY.unpack((yield from self._read(wire.REPLY.size)))
        if size > limit:
            raise StrategyFailed(f"The strategy's answer is larger than {limit} bytes.")
        return (yield from self._read(size))

    def _read(self, size: int) -> Conversation[bytes]:
        data = bytearray()
        while len(data) < size:
            try:
                piece = self._socket.recv(min(size - len(data), _PIECE))
            except BlockingIOError:
                yield self._socket, EVENT_READ
                continue
            if not piece:
                raise ConnectionResetError("it hung up")
            data += piece
        return bytes(data)


def check_layers(layers: Layer, *, trusted: bool, accept_weak: bool) -> None:
    """Raise SandboxTooWeak where a layer is missing, unless the code is `trusted`, that of the owner of the
    machine, or the risk accepted."""
    missing = STRICT & ~layers
    if missing and not trusted and not accept_weak:
        raise SandboxTooWeak(
            f"The sandbox of this machine lacks {missing.words}. {missing.risk} So it runs strategies"
            " of the machine's owner, a superuser, and of nobody else. `manage.py doctor` says what"
            " is missing; ARISTOBOT_ACCEPT_WEAK_SANDBOX=True accepts the risk."
        )
