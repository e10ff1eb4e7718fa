"""One client's connection to the streams, and what every kind of stream has in common."""

import json
from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Mapping
from typing import NamedTuple

from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workers.paper_exchange.exchange import PaperExchange

MESSAGES_PER_SECOND = 10
MOST_CHANNELS = 1000
#: A connection without a sign of life is closed.
SILENCE_SECONDS = 120
_OPERATIONS = {"subscribe", "unsubscribe", "login"}
Arg = Mapping[str, str]


class StreamError(Exception):
    """A refusal as the stream tells it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Topic(NamedTuple):
    """A channel, and the market or coin that it is about (or `default`)."""

    channel: str
    name: str


class Hub(ABC):
    """Who listens to which topic."""

    def __init__(self, exchange: PaperExchange) -> None:
        self.exchange = exchange
        self.listeners: dict[Topic, dict[StreamSocket, Arg]] = {}

    @property
    def has_markets(self) -> bool:
        """Whether there is anything to listen to."""
        return bool(self.exchange.feed.markets)

    @abstractmethod
    def check(self, socket: "StreamSocket", topic: Topic) -> bool:
        """Whether the topic exists; raises StreamError for one that this socket may not hear."""

    @abstractmethod
    def greet(self, socket: "StreamSocket", topic: Topic, arg: Arg) -> None:
        """Send what a new listener gets first."""

    def login(self, socket: "StreamSocket", arg: Arg) -> None:  # noqa: ARG002
        """Take note of who listens; raises StreamError."""
        raise StreamError(30003, "Invalid op")

    def subscribe(self, socket: "StreamSocket", arg: Arg) -> None:
        """Let a socket listen and send it what is known; raises StreamError."""
        topic = _topic(arg)
        if arg.get("instType") != "SPOT" or not self.check(socket, topic):
            name = "coin" if "coin" in arg else "instId"
            words = f"instType:{arg.get('instType')},channel:{topic.channel},{name}:{topic.name}"
            raise StreamError(30001, f"{words} doesn't exist")
        if sum(socket in each for each in self.listeners.values()) >= MOST_CHANNELS:
            raise StreamError(30007, "Request over limit")
        self.exchange.advance()
        self.listeners.setdefault(topic, {})[socket] = arg
        socket.send({"event": "subscribe", "arg": arg})
        self.greet(socket, topic, arg)

    def unsubscribe(self, socket: "StreamSocket", arg: Arg) -> None:
        """Let a socket listen no longer."""
        self._drop(_topic(arg), socket)
        socket.send({"event": "unsubscribe", "arg": arg})

    def forget(self, socket: "StreamSocket") -> None:
        """A socket has closed."""
        for topic in list(self.listeners):
            self._drop(topic, socket)

    def tell(self, socket: "StreamSocket", arg: Arg, data: object, *, action: str) -> None:
        """Send the data of a channel."""
        now_ms = self.exchange.clock.now_ms()
        socket.send({"action": action, "arg": arg, "data": data, "ts": now_ms})

    def _drop(self, topic: Topic, socket: "StreamSocket") -> None:
        listeners = self.listeners.get(topic, {})
        listeners.pop(socket, None)
        if not listeners:
            self.listeners.pop(topic, None)


class StreamSocket(WebSocketHandler):
    """A connection to /v2/ws/public or /v2/ws/private; `key` is who has logged in on it."""

    def initialize(self, hub: Hub) -> None:
        """Called by Tornado for each connection."""
        self.key = ""
        self._hub = hub
        self._second = self._count = 0
        self._timeout: object = None

    def prepare(self) -> None:
        """Refuse while there is no market: a client that connects again gets what it asks for."""
        if not self._hub.has_markets:
            self.set_status(503)
            self.finish()

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002
        """Any page may listen."""
        return True

    def open(self, *args: str, **kwargs: str) -> None:  # noqa: ARG002
        """Wait for what the client wants."""
        self._wait_for_life()

    def on_message(self, message: str | bytes) -> None:
        """Handle a sign of life, a login or subscriptions."""
        self._wait_for_life()
        if message == "ping":
            self._write("pong")
            return
        if not self._is_slow():
            self._refuse(StreamError(30006, "Request too many"), {})
            return
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("args"), list):
            self._refuse(StreamError(30002, "Illegal request"), {})
            return
        operation = request.get("op")
        if operation not in _OPERATIONS:
            self._refuse(StreamError(30003, "Invalid op"), {})
            return
        for arg in request["args"]:
            self._handle(operation, arg)

    def on_close(self) -> None:
        """Forget the client."""
        self._stop_waiting()
        self._hub.forget(self)

    def send(self, frame: Mapping[str, object]) -> None:
        """Write a frame; a client that is gone is not an error."""
        self._write(json.dumps(frame, separators=(",", ":")))

    def _handle(self, operation: str, arg: object) -> None:
        if not isinstance(arg, dict) or not all(isinstance(v, str | int) for v in arg.values()):
            self._refuse(StreamError(30002, "Illegal request"), {"op": operation})
            return
        told = {name: str(value) for name, value in arg.items()}
        try:
            if operation == "login":
                self._hub.login(self, told)
            elif operation == "subscribe":
                self._hub.subscribe(self, told)
            else:
                self._hub.unsubscribe(self, told)
        except StreamError as error:
            self._refuse(error, {} if operation == "login" else {"arg": told, "op": operation})

    def _refuse(self, error: StreamError, about: Mapping[str, object]) -> None:
        self.send({"event": "error", **about, "code": error.code, "msg": error.text})

    def _write(self, text: str) -> None:
        try:
            written = self.write_message(text)
        except WebSocketClosedError:
            return
        written.add_done_callback(_forget)

    def _is_slow(self) -> bool:
        second = self._hub.exchange.clock.wall_ms() // 1000
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count <= MESSAGES_PER_SECOND

    def _wait_for_life(self) -> None:
        self._stop_waiting()
        self._timeout = IOLoop.current().call_later(SILENCE_SECONDS, self.close)

    def _stop_waiting(self) -> None:
        if self._timeout is not None:
            IOLoop.current().remove_timeout(self._timeout)
            self._timeout = None


def _topic(arg: Arg) -> Topic:
    name = arg.get("coin") if "coin" in arg else arg.get("instId")
    return Topic(str(arg.get("channel")), str(name))


def _forget(written: "Future[None]") -> None:
    """Look at how a write ended, so that a client's leaving is not reported as a fault."""
    if not written.cancelled():
        written.exception()
