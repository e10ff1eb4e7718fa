"""One HTTP request to one endpoint, and back."""

import inspect
import json

from tornado.web import RequestHandler

from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.auth import authenticate, check_key
from workers.paper_exchange.dialects.kraken.errors import KrakenError
from workers.paper_exchange.dialects.kraken.gateway import Gateway
from workers.paper_exchange.dialects.kraken.parameters import Parameters, parse_form, parse_json
from workers.paper_exchange.dialects.kraken.routes import PRIVATE, PUBLIC

_NOT_FOUND = "<html><body><h1>404 Not Found</h1></body></html>"
_PUBLIC, _PRIVATE = "/0/public/", "/0/private/"


class RestHandler(RequestHandler):
    """Answers every REST path of the dialect; refusals too are told with HTTP 200."""

    def initialize(self, gateway: Gateway) -> None:
        """Called by Tornado for each request."""
        self._gateway = gateway

    async def get(self) -> None:
        """Ask what anybody may see."""
        await self._answer()

    async def post(self) -> None:
        """Ask or act as the owner of a key."""
        await self._answer()

    def set_default_headers(self) -> None:
        """Name the content, not the server."""
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json")

    def compute_etag(self) -> None:
        """No answer is cached."""

    def write_error(self, status_code: int, **kwargs: object) -> None:  # noqa: ARG002
        """What a client sees of a fault of ours."""
        self.finish(json.dumps({"error": [errors.internal().text]}))

    async def _answer(self) -> None:
        path = self.request.path
        if not path.startswith((_PUBLIC, _PRIVATE)):
            self.set_status(404)
            self.set_header("Content-Type", "text/html")
            self.finish(_NOT_FOUND)
            return
        try:
            result = self._call(path)
            if inspect.isawaitable(result):
                result = await result
            reply = {"error": [], "result": result}
        except KrakenError as error:
            reply = {"error": [error.text]}
        self.finish(json.dumps(reply, separators=(",", ":")))

    def _call(self, path: str) -> object:
        public = PUBLIC.get(path.removeprefix(_PUBLIC)) if path.startswith(_PUBLIC) else None
        if public is not None:
            parameters = Parameters({**parse_form(self.request.query), **self._fields()})
            self._gateway.advance()
            return public(self._gateway, parameters)
        private = PRIVATE.get(path.removeprefix(_PRIVATE)) if path.startswith(_PRIVATE) else None
        if private is None or self.request.method != "POST":
            raise errors.unknown_method()
        key = self.request.headers.get("API-Key", "")
        check_key(key)
        gateway, fields = self._gateway, self._fields()
        record = gateway.record(key)
        authenticate(
            key=key,
            signature=self.request.headers.get("API-Sign", ""),
            path=path,
            nonce=str(fields.get("nonce", "")),
            body=self.request.body,
            record=record,
            wall_ms=gateway.wall_ms,
        )
        record.count(private.cost, gateway.limit_ms)
        return private.endpoint(gateway, gateway.caller(key), Parameters(fields))

    def _fields(self) -> dict[str, object]:
        body = self.request.body.decode("utf-8", "replace")
        if self.request.headers.get("Content-Type", "").startswith("application/json"):
            return parse_json(body)
        return parse_form(body)
