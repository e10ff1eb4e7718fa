"""The WebSocket API: the calls of REST over one connection, and the user data stream."""

import json
from collections.abc import Mapping

from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.dialects.binance.account_streams import AccountStreams
from workers.paper_exchange.dialects.binance.desk import Call, Desk, Reply
from workers.paper_exchange.dialects.binance.errors import BinanceError
from workers.paper_exchange.dialects.binance.limits import count_rows, weight_row
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.dialects.binance.sockets import TextSocket

#: A connection costs this, and so does a subscription.
CONNECTION_WEIGHT = SUBSCRIPTION_WEIGHT = 2
#: Which REST endpoint a method stands for.
METHODS: Mapping[str, tuple[str, str]] = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "klines": ("GET", "/api/v3/klines"),
    "depth": ("GET", "/api/v3/depth"),
    "avgPrice": ("GET", "/api/v3/avgPrice"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
    "order.status": ("GET", "/api/v3/order"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "orderList.place.oco": ("POST", "/api/v3/orderList/oco"),
    "orderList.place.oto": ("POST", "/api/v3/orderList/oto"),
    "orderList.place.otoco": ("POST", "/api/v3/orderList/otoco"),
    "orderList.place.opo": ("POST", "/api/v3/orderList/opo"),
    "orderList.place.opoco": ("POST", "/api/v3/orderList/opoco"),
    "orderList.place": ("POST", "/api/v3/order/oco"),
    "orderList.status": ("GET", "/api/v3/orderList"),
    "orderList.cancel": ("DELETE", "/api/v3/orderList"),
    "openOrderLists.status": ("GET", "/api/v3/openOrderList"),
    "allOrderLists": ("GET", "/api/v3/allOrderList"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "myFilters": ("GET", "/api/v3/myFilters"),
}
Result = dict[str, object] | list[dict[str, object]]


class ApiSocket(TextSocket):
    """One client's connection to /ws-api/v3."""

    def initialize(self, desk: Desk, streams: AccountStreams) -> None:
        """Called by Tornado for each connection."""
        self._desk = desk
        self._streams = streams
        self._connected_ms = desk.exchange.clock.now_ms()
        self._tells_limits = True

    @property
    def has_markets(self) -> bool:
        """Whether there is anything to trade."""
        return bool(self._desk.exchange.feed.markets)

    def open(self) -> None:
        """A connection is counted like a request."""
        self._tells_limits = self.get_query_argument("returnRateLimits", "true") != "false"
        self._desk.limits.spend(self._address, CONNECTION_WEIGHT)

    async def on_message(self, message: str | bytes) -> None:
        """Answer a request."""
        try:
            # Numbers stay as they were written: they are signed so.
            request = json.loads(message, parse_float=str)
        except ValueError:
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
            used = self._desk.limits.spend(self._address, 1)
            self._reply(None, Reply(None, errors.invalid_json(), used, None))
            return
        reply = await self._answer(str(request.get("method", "")), request.get("params", {}))
        self._reply(request.get("id"), reply)

    def on_close(self) -> None:
        """Forget the client."""
        self._streams.unsubscribe(self)

    async def _answer(self, method: str, values: Mapping[str, object]) -> Reply:
        parameters = Parameters.of_json(values)
        call = Call(
            name=METHODS.get(method, ("", "")),
            parameters=parameters,
            key=parameters.peek("apiKey") or "",
            payload=parameters.sorted_payload,
            address=self._address,
        )
        if method in METHODS:
            parameters.text("apiKey")
            return await self._desk.answer(call)
        weight = SUBSCRIPTION_WEIGHT if method.startswith("userDataStream") else 1
        try:
            self._desk.limits.admit(self._address)
            result = self._session(method, call)
        except BinanceError as error:
            return Reply(None, error, self._desk.limits.spend(self._address, weight), None)
        return Reply(result, None, self._desk.limits.spend(self._address, weight), None)

    def _session(self, method: str, call: Call) -> Result:
        """What concerns this connection alone."""
        match method:
            case "userDataStream.subscribe.signature":
                return self._subscribe(call)
            case "userDataStream.subscribe":
                raise errors.invalid_rights()  # without a signature it takes a session
            case "userDataStream.unsubscribe":
                number = call.parameters.integer("subscriptionId")
                call.parameters.finish()
                self._streams.unsubscribe(self, number)
                return {}
            case "session.logon":
                call.parameters.required("apiKey")
                self._desk.authenticated(call)
                raise errors.unsupported_key()
            case "session.status" | "session.logout":
                call.parameters.finish()
                return self._status()
            case "session.subscriptions":
                call.parameters.finish()
                return [{"subscriptionId": n} for n in self._streams.subscriptions(self)]
        raise errors.unsupported_operation()

    def _subscribe(self, call: Call) -> Result:
        call.parameters.required("apiKey")
        account = self._desk.authenticated(call)
        call.parameters.finish()
        return {"subscriptionId": self._streams.subscribe(account, self)}

    def _status(self) -> Result:
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self._tells_limits,
            "serverTime": self._desk.exchange.clock.now_ms(),
            "userDataStream": bool(self._streams.subscriptions(self)),
        }

    def _reply(self, request_id: object, reply: Reply) -> None:
        frame: dict[str, object] = {"id": request_id, "status": 200}
        if reply.error is None:
            frame["result"] = reply.result
        else:
            frame |= {"status": reply.error.status, "error": self._error(reply.error)}
        if self._tells_limits:
            orders = [] if reply.order_counts is None else count_rows(reply.order_counts)
            frame["rateLimits"] = [*orders, weight_row(reply.used_weight)]
        self.send(json.dumps(frame, separators=(",", ":")))

    def _error(self, error: BinanceError) -> dict[str, object]:
        if error.retry_ms is None:
            return error.body
        now_ms = self._desk.exchange.clock.wall_ms()
        return {**error.body, "data": {"serverTime": now_ms, "retryAfter": error.retry_ms}}

    @property
    def _address(self) -> str:
        return str(self.request.remote_ip)
