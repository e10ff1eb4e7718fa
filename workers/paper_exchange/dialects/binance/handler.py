"""One HTTP request to one endpoint, and back."""

import json
import math

from tornado.web import RequestHandler

from workers.paper_exchange.dialects.binance.auth import signed_payload
from workers.paper_exchange.dialects.binance.desk import Call, Desk, Reply
from workers.paper_exchange.dialects.binance.errors import BinanceError
from workers.paper_exchange.dialects.binance.parameters import Parameters

_NOT_FOUND = "<html><body><h2>404 Not found</h2></body></html>"


class RestHandler(RequestHandler):
    """Answers every REST path of the dialect."""

    def initialize(self, desk: Desk) -> None:
        """Called by Tornado for each request."""
        self._desk = desk

    async def get(self) -> None:
        """Ask."""
        await self._answer()

    async def post(self) -> None:
        """Place."""
        await self._answer()

    async def put(self) -> None:
        """Change."""
        await self._answer()

    async def delete(self) -> None:
        """Cancel."""
        await self._answer()

    def set_default_headers(self) -> None:
        """Name the content, not the server."""
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json;charset=UTF-8")

    def compute_etag(self) -> None:
        """No answer is cached."""

    def write_error(self, status_code: int, **kwargs: object) -> None:  # noqa: ARG002
        """What a client sees of a fault of ours."""
        text = "An unknown error occurred while processing the request."
        self.finish(json.dumps({"code": -1000, "msg": text}))

    async def _answer(self) -> None:
        request = self.request
        name = (str(request.method), request.path)
        if name not in self._desk.routes:
            self.set_status(404)
            self.set_header("Content-Type", "text/html")
            self.finish(_NOT_FOUND)
            return
        try:
            call = Call(
                name=name,
                parameters=Parameters(request.query, request.body.decode("utf-8", "replace")),
                key=request.headers.get("X-MBX-APIKEY", ""),
                payload=signed_payload(request.query.encode(), request.body),
                address=str(request.remote_ip),
            )
            self._send(await self._desk.answer(call))
        except BinanceError as error:
            used = self._desk.limits.spend(str(request.remote_ip), 1)
            self._send(Reply(None, error, used, None))

    def _send(self, reply: Reply) -> None:
        self.set_header("X-MBX-USED-WEIGHT", str(reply.used_weight))
        self.set_header("X-MBX-USED-WEIGHT-1M", str(reply.used_weight))
        if reply.order_counts is not None:
            self.set_header("X-MBX-ORDER-COUNT-10S", str(reply.order_counts[0]))
            self.set_header("X-MBX-ORDER-COUNT-1D", str(reply.order_counts[1]))
        body, error = reply.result, reply.error
        if error is not None:
            self.set_status(error.status)
            body = error.body
            if error.retry_ms is not None:
                wait_ms = error.retry_ms - self._desk.exchange.clock.wall_ms()
                self.set_header("Retry-After", str(math.ceil(wait_ms / 1000)))
        self.finish(json.dumps(body, separators=(",", ":")))
