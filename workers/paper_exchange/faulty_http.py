"""Faults of requests and frames, put around a dialect's handlers, which know nothing of them."""

import asyncio
import json
from collections.abc import Awaitable, Iterable
from typing import Any

from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from apps.domain.environments import Exchange
from workers.paper_exchange.clock import Clock
from workers.paper_exchange.fault_answers import KEY_HEADERS, TIME_PATHS, Answer, answer_for, skewed
from workers.paper_exchange.faults import (
    Banned,
    ClockSkew,
    Faults,
    FrameMissed,
    FrameRepeated,
    FrameRule,
    FrameSwapped,
    HtmlPage,
    KeyRevoked,
    Latency,
    Maintenance,
    RateLimited,
    RequestRule,
    Rule,
    ServerError,
    SocketCut,
    TimeoutAfter,
    TimeoutBefore,
    matches_path,
)
from workers.paper_exchange.faulty_orders import FaultyOrders

_INSTEAD: tuple[type[RequestRule], ...] = (Maintenance, KeyRevoked, Banned, RateLimited)


class Disturbances:
    """What every handler of one exchange asks before it answers."""

    def __init__(
        self, *, exchange: Exchange, faults: Faults, orders: FaultyOrders, clock: Clock
    ) -> None:
        self.faults = faults
        self.orders = orders
        self.clock = clock
        self._exchange = exchange

    def around(self, rules: Iterable[Any]) -> list[Any]:
        """The same rules for Tornado, each handler with faults."""
        return [(rule[0], self._disturbed(rule[1]), *rule[2:]) for rule in rules]

    def answer(self, rule: Rule) -> Answer:
        """What the exchange says when this rule strikes."""
        return answer_for(self._exchange, rule, self.clock.wall_ms())

    def _disturbed(self, handler: type[RequestHandler]) -> type[RequestHandler]:
        mixin = FaultySocket if issubclass(handler, WebSocketHandler) else FaultyRequest
        return type(f"Faulty{handler.__name__}", (mixin, handler), {"disturbances": self})


class FaultyRequest(RequestHandler):
    """Comes before a handler in the order of its base classes."""

    disturbances: Disturbances
    _afterwards: Rule | None = None
    _is_silent = False

    def prepare(self) -> Awaitable[None] | None:
        """Called by Tornado before the request is handled."""
        self._gone = asyncio.Event()
        self.disturbances.orders.follow_rules()
        if self.disturbances.faults.is_quiet:
            return super().prepare()
        return self._disturb()

    def on_connection_close(self) -> None:
        """The client waits no longer."""
        self._gone.set()
        super().on_connection_close()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """Answer, or what a fault makes of the answer."""
        rule = self._afterwards
        if self._is_silent or isinstance(rule, TimeoutAfter):
            return self._say_nothing(rule)
        if isinstance(rule, ServerError | HtmlPage):
            self._afterwards = None
            self.clear()
            return self._finish_with(self.disturbances.answer(rule))
        if isinstance(rule, ClockSkew):
            if chunk is not None:
                self.write(chunk)
            body = b"".join(self._write_buffer)
            self._write_buffer = []
            chunk = skewed(body, rule.skew_ms, self.disturbances.clock.now_ms())
        return super().finish(chunk)

    async def _disturb(self) -> None:
        faults = self.disturbances.faults
        late = faults.strike(Latency, self._is_concerned)
        if late is not None and await self._waits(faults.draw(late.seconds, late)):
            return
        swallowed = faults.strike(TimeoutBefore, self._is_concerned)
        if swallowed is not None:
            if not await self._waits(faults.draw(swallowed.seconds, swallowed)):
                self.detach().close()
            return
        rule = self._instead()
        if rule is not None:
            await self._finish_with(self.disturbances.answer(rule))
            return
        handled = super().prepare()
        if handled is not None:
            await handled
        self._afterwards = self._after()

    def _instead(self) -> Rule | None:
        """What keeps the request from being carried out."""
        faults = self.disturbances.faults
        for kind in _INSTEAD:
            rule = faults.strike(kind, self._is_concerned)
            if rule is not None:
                return rule
        return faults.strike(
            ServerError, lambda rule: not rule.after and self._is_concerned(rule)
        ) or faults.strike(HtmlPage, lambda rule: not rule.after and self._is_concerned(rule))

    def _after(self) -> Rule | None:
        """What keeps its answer from coming as it is."""
        faults = self.disturbances.faults
        if self.request.path in TIME_PATHS:
            return faults.strike(ClockSkew, self._is_concerned)
        return (
            faults.strike(TimeoutAfter, self._is_concerned)
            or faults.strike(ServerError, lambda rule: rule.after and self._is_concerned(rule))
            or faults.strike(HtmlPage, lambda rule: rule.after and self._is_concerned(rule))
        )

    def _is_concerned(self, rule: RequestRule) -> bool:
        request = self.request
        if rule.method not in {"", request.method} or not matches_path(rule, request.path):
            return False
        if rule.key and rule.key not in {request.headers.get(name) for name in KEY_HEADERS}:
            return False
        return not rule.contains or rule.contains in f"{request.query} " + request.body.decode(
            "utf-8", "replace"
        )

    async def _waits(self, seconds: float) -> bool:
        """Wait; whether the client has gone meanwhile, and nothing is to be done for it."""
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except TimeoutError:
            return False
        self._is_silent = True
        self._finished = True
        return True

    def _say_nothing(self, rule: Rule | None) -> "asyncio.Future[None]":
        """Leave the client alone, and close the connection in the end."""
        if isinstance(rule, TimeoutAfter) and not self._is_silent:
            self._is_silent = True
            seconds = self.disturbances.faults.draw(rule.seconds, rule)
            asyncio.get_running_loop().call_later(seconds, self._hang_up)
        return _done()

    def _hang_up(self) -> None:
        if not self._gone.is_set():
            self.detach().close()

    def _finish_with(self, answer: Answer) -> "asyncio.Future[None]":
        self.set_status(answer.status)
        self.set_header("Content-Type", answer.content_type)
        if answer.retry_after is not None:
            self.set_header("Retry-After", str(answer.retry_after))
        return super().finish(answer.body)


class FaultySocket(FaultyRequest, WebSocketHandler):
    """The same for a WebSocket, whose frames can be disturbed as well."""

    _held: "tuple[str | bytes, bool] | None" = None

    def write_message(
        self,
        message: str | bytes | dict[str, Any],
        binary: bool = False,  # noqa: FBT001, FBT002
    ) -> "asyncio.Future[None]":
        """Send a frame, or what a fault makes of it."""
        faults = self.disturbances.faults
        if faults.is_quiet and self._held is None:
            return super().write_message(message, binary)
        frame = json.dumps(message) if isinstance(message, dict) else message
        if faults.strike(Maintenance) or faults.strike(SocketCut, self._holds(frame)):
            self._cut()
            return _done()
        if faults.strike(FrameMissed, self._holds(frame)):
            return _done()
        if self._held is None and faults.strike(FrameSwapped, self._holds(frame)):
            self._held = frame, binary
            return _done()
        written = super().write_message(frame, binary)
        if faults.strike(FrameRepeated, self._holds(frame)):
            written = super().write_message(frame, binary)
        if self._held is not None:
            (frame, binary), self._held = self._held, None
            written = super().write_message(frame, binary)
        return written

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Take a frame of the client's, unless it speaks for a key that was revoked."""
        faults = self.disturbances.faults
        self.disturbances.orders.follow_rules()
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        if not faults.is_quiet and faults.strike(KeyRevoked, lambda rule: rule.key in text):
            self._cut()
            return None
        return super().on_message(message)

    def _holds(self, frame: str | bytes) -> Any:
        text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")

        def concerns(rule: FrameRule) -> bool:
            return matches_path(rule, self.request.path) and rule.contains in text

        return concerns

    def _cut(self) -> None:
        """Break the connection, as a network does: without a word."""
        connection: Any = self.ws_connection
        if connection is not None:
            connection.stream.close()


def _done() -> "asyncio.Future[None]":
    nothing = asyncio.get_running_loop().create_future()
    nothing.set_result(None)
    return nothing
