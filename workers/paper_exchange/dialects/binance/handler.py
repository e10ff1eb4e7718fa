"""One HTTP request to one endpoint, and back."""

import inspect
import json
from collections.abc import Awaitable

from tornado.web import RequestHandler

from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.dialects.binance.auth import authenticate
from workers.paper_exchange.dialects.binance.errors import BinanceError
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.dialects.binance.routes import (
    ROUTES,
    Route,
    SignedRoute,
    WeightCounter,
)
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.live import UpstreamFailed
from workers.paper_exchange.probe import Probe

_NOT_FOUND = "<html><body><h2>404 Not found</h2></body></html>"


class RestHandler(RequestHandler):
    """Answers every REST path of the dialect."""

    def initialize(
        self, exchange: PaperExchange, weights: WeightCounter, probe: Probe | None
    ) -> None:
        """Called by Tornado for each request."""
        self._exchange = exchange
        self._weights = weights
        self._probe = probe

    async def get(self) -> None:
        """Ask."""
        await self._answer()

    async def post(self) -> None:
        """Place."""
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
        route = ROUTES.get((str(self.request.method), self.request.path))
        if route is None:
            self.set_status(404)
            self.set_header("Content-Type", "text/html")
            self.finish(_NOT_FOUND)
            return
        try:
            reply = self._call(route)
            if inspect.isawaitable(reply):
                reply = await _relayed(reply)
            is_free = isinstance(route, SignedRoute) and route.is_free_on_success
        except BinanceError as error:
            self.set_status(error.status)
            reply, is_free = error.body, False
        self._count(route, is_free=is_free)
        self.finish(json.dumps(reply, separators=(",", ":")))

    def _call(self, route: Route | SignedRoute) -> object:
        exchange, request = self._exchange, self.request
        parameters = Parameters(request.query, request.body.decode("utf-8", "replace"))
        if self._probe and (request.method, request.path) == ("POST", "/api/v3/order"):
            name = parameters.peek("newClientOrderId")
            self._probe("order_request", {"client_order_id": name})
        if not exchange.feed.markets:
            raise errors.unavailable()
        if isinstance(route, Route):
            exchange.advance()
            return route.endpoint(exchange, parameters)
        key = authenticate(
            key=request.headers.get("X-MBX-APIKEY", ""),
            query=request.query.encode(),
            body=request.body,
            parameters=parameters,
            clock=exchange.clock,
        )
        account = exchange.engine.account(key, exchange.advance())
        return route.endpoint(exchange, account, parameters)

    def _count(self, route: Route | SignedRoute, *, is_free: bool) -> None:
        weight = route.weight
        if route.weight_of_all is not None and "symbol=" not in self.request.query:
            weight = route.weight_of_all
        used = self._weights.add(0 if is_free else weight, self._exchange.clock.wall_ms())
        self.set_header("X-MBX-USED-WEIGHT", str(used))
        self.set_header("X-MBX-USED-WEIGHT-1M", str(used))


async def _relayed(answer: Awaitable[object]) -> object:
    """The answer of the real exchange behind a live market."""
    try:
        return await answer
    except UpstreamFailed as failure:
        raise errors.unavailable() from failure
