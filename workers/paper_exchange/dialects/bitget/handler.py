"""One HTTP request to one endpoint, and back in Bitget's envelope."""

import inspect
import json

from tornado.web import RequestHandler

from workers.paper_exchange.dialects.bitget import errors
from workers.paper_exchange.dialects.bitget.auth import Keyring, authenticate
from workers.paper_exchange.dialects.bitget.errors import GOOD_CODE, BitgetError
from workers.paper_exchange.dialects.bitget.limits import RateLimits
from workers.paper_exchange.dialects.bitget.parameters import Parameters, read_body, read_query
from workers.paper_exchange.dialects.bitget.routes import PLACING, ROUTES, Route, SignedRoute
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.probe import Probe


class RestHandler(RequestHandler):
    """Answers every REST path of the dialect."""

    def initialize(
        self, exchange: PaperExchange, limits: RateLimits, keyring: Keyring, probe: Probe | None
    ) -> None:
        """Called by Tornado for each request."""
        self._exchange = exchange
        self._limits = limits
        self._keyring = keyring
        self._probe = probe

    async def get(self) -> None:
        """Ask."""
        await self._answer()

    async def post(self) -> None:
        """Place, change or cancel."""
        await self._answer()

    def set_default_headers(self) -> None:
        """Name the content, not the server."""
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json;charset=UTF-8")

    def compute_etag(self) -> None:
        """No answer is cached."""

    def write_error(self, status_code: int, **kwargs: object) -> None:  # noqa: ARG002
        """What a client sees of a fault of ours, or of a method that nothing here takes."""
        is_ours = status_code >= errors.system_error().status
        self._refuse(errors.system_error() if is_ours else errors.unknown_path())

    async def _answer(self) -> None:
        try:
            reply = self._call()
            if inspect.isawaitable(reply):
                reply = await reply
        except BitgetError as error:
            self._refuse(error)
            return
        self._send(GOOD_CODE, "success", reply)

    def _call(self) -> object:
        exchange, request = self._exchange, self.request
        route = ROUTES.get((str(request.method), request.path))
        if route is None:
            raise errors.unknown_path()
        self._count(route)
        fields = self._read_fields
        if isinstance(route, Route):
            exchange.advance()
            self._check_market()
            return route.endpoint(exchange, fields())
        key = authenticate(
            request.headers,
            method=str(request.method),
            path=request.path,
            query=request.query,
            body=request.body,
            clock=exchange.clock,
            keyring=self._keyring,
        )
        self._check_market()
        account = exchange.engine.account(key, exchange.advance())
        return route.endpoint(exchange, account, fields())

    def _check_market(self) -> None:
        if not self._exchange.feed.markets:
            raise errors.unavailable()

    def _read_fields(self) -> Parameters:
        request = self.request
        if request.method != "POST":
            return read_query(request.query)
        fields = read_body(request.body)
        if self._probe and request.path in PLACING:
            self._probe("order_request", {"client_order_id": fields.text("clientOid")})
        return fields

    def _count(self, route: Route | SignedRoute) -> None:
        request = self.request
        address = request.remote_ip or ""
        is_private = isinstance(route, SignedRoute)
        is_admitted = self._limits.admit(
            owner=request.headers.get("ACCESS-KEY", address) if is_private else address,
            address=address,
            path=request.path,
            per_second=route.per_second,
            now_ms=self._exchange.clock.limit_ms(),
        )
        if not is_admitted:
            raise errors.too_many_requests()

    def _refuse(self, error: BitgetError) -> None:
        self.set_status(error.status)
        self._send(error.code, error.text, None)

    def _send(self, code: str, text: str, data: object) -> None:
        now_ms = self._exchange.clock.now_ms()
        envelope = {"code": code, "msg": text, "requestTime": now_ms, "data": data}
        self.finish(json.dumps(envelope, separators=(",", ":")))
