"""WebSocket v2: one address for market data and accounts."""

import json
import secrets
from asyncio import Future
from decimal import Decimal

from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workers.paper_exchange.dialects.kraken import (
    account_channels,
    errors,
    market_channels,
    socket_orders,
    stream_rows,
    trading,
)
from workers.paper_exchange.dialects.kraken.account_channels import AccountChannels, Subscription
from workers.paper_exchange.dialects.kraken.account_rows import Row
from workers.paper_exchange.dialects.kraken.errors import KrakenError
from workers.paper_exchange.dialects.kraken.gateway import Caller, Gateway
from workers.paper_exchange.dialects.kraken.market_channels import Key, MarketChannels

HEARTBEAT_MS = 1000


class StreamSocket(WebSocketHandler):
    """One client's connection."""

    def initialize(
        self, gateway: Gateway, markets: MarketChannels, accounts: AccountChannels
    ) -> None:
        """Called by Tornado for each connection."""
        self._gateway = gateway
        self._markets = markets
        self._accounts = accounts
        self._followed: dict[Key, None] = {}
        self._private: dict[str, Subscription] = {}
        self._has_instruments = False
        #: A token stays good while the connection that used it lives.
        self._keys: dict[str, str] = {}
        self._is_silent = False
        self._heartbeat = PeriodicCallback(self._beat, HEARTBEAT_MS)

    def prepare(self) -> None:
        """Refuse while there is no market: a client that connects again gets what it asks for."""
        if not self._gateway.exchange.feed.markets:
            self.set_status(503)
            self.finish()

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002
        """Market data is public, and accounts have tokens."""
        return True

    def open(self) -> None:
        """Say how the exchange is."""
        status: Row = {
            "version": "2.0.10",
            "system": "online",
            "api_version": "v2",
            "connection_id": secrets.randbits(63),
        }
        self.send(stream_rows.encode({"channel": "status", "type": "update", "data": [status]}))
        self._heartbeat.start()

    def on_message(self, message: str | bytes) -> None:
        """Handle a request: every one is answered, a subscription once for each symbol."""
        try:
            request = json.loads(message, parse_float=Decimal)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
            self.send(stream_rows.encode({"error": "JSON invalid", "success": False}))
            return
        method, params = str(request.get("method")), request.get("params", {})
        received = self._gateway.now_ms
        echo: Row = {"method": method, "time_in": stream_rows.moment(received)}
        if isinstance(request.get("req_id"), int):
            echo["req_id"] = request["req_id"]
        try:
            self._handle(method, params, echo)
        except KrakenError as error:
            self._refuse(echo, error)

    def on_close(self) -> None:
        """Forget the client."""
        self._heartbeat.stop()
        for key in self._followed:
            self._markets.unsubscribe(key, self)
        for subscription in self._private.values():
            self._accounts.unsubscribe(subscription)

    def send(self, text: str) -> None:
        """Write a text frame; a client that is gone is not an error."""
        self._is_silent = False
        try:
            written = self.write_message(text)
        except WebSocketClosedError:
            return
        written.add_done_callback(_forget)

    def _beat(self) -> None:
        """Show that the connection lives, where nothing else does."""
        is_listening = self._followed or self._private or self._has_instruments
        if self._is_silent and is_listening:
            self.send('{"channel":"heartbeat"}')
        self._is_silent = True

    def _handle(self, method: str, params: Row, echo: Row) -> None:
        if method == "ping":
            self._reply(echo | {"method": "pong"})
        elif method in {"subscribe", "unsubscribe"}:
            self._gateway.advance()
            self._subscribe(method, params, echo)
        elif method == "cancel_order":
            self._cancel(params, echo)
        elif method in socket_orders.METHODS:
            caller = self._caller(params)
            fields = {name: value for name, value in params.items() if name != "token"}
            result = socket_orders.METHODS[method](self._gateway, caller, fields)
            if method == "batch_cancel" and isinstance(result, dict):
                self._reply(echo | {"orders_cancelled": result["count"], "success": True})
            else:
                self._reply(echo | {"result": result, "success": True})
        else:
            raise KrakenError("Method not supported")

    def _subscribe(self, method: str, params: Row, echo: Row) -> None:
        name = params.get("channel")
        if name in market_channels.CHANNELS:
            self._follow_markets(method, str(name), params, echo)
        elif name in account_channels.CHANNELS:
            self._follow_account(method, str(name), params, echo)
        elif name == "instrument":
            self._has_instruments = method == "subscribe"
            self._reply(_agreed(echo, {"channel": name, "snapshot": True}))
            if self._has_instruments:
                self._tell_instruments()
        else:
            raise KrakenError("Channel not supported")

    def _follow_markets(self, method: str, name: str, params: Row, echo: Row) -> None:
        symbols, size = params.get("symbol"), params.get("interval", params.get("depth"))
        if not isinstance(symbols, list) or not symbols or not isinstance(size, int | None):
            raise errors.invalid_arguments("symbol")
        has_snapshot = params.get("snapshot", True) is True
        for symbol in symbols:
            told: Row = {"channel": name, "symbol": symbol}
            try:
                key = self._markets.key(name, str(symbol), size)
            except KrakenError as error:
                self._refuse({**echo, "symbol": symbol}, error)
                continue
            if name in {"ohlc", "book"}:
                told["interval" if name == "ohlc" else "depth"] = key[2]
            if method == "unsubscribe":
                self._followed.pop(key, None)
                self._markets.unsubscribe(key, self)
                self._reply(_agreed(echo, told))
                continue
            if key in self._followed:
                self._refuse({**echo, "symbol": symbol}, KrakenError("Already subscribed"))
                continue
            self._followed[key] = None
            self._reply(_agreed(echo, {**told, "snapshot": has_snapshot}))
            self._markets.subscribe(key, self, has_snapshot=has_snapshot)

    def _follow_account(self, method: str, name: str, params: Row, echo: Row) -> None:
        caller = self._caller(params)
        known = self._private.pop(name, None)
        if known is not None:
            self._accounts.unsubscribe(known)
        if method == "unsubscribe":
            self._reply(_agreed(echo, {"channel": name}))
            return
        subscription = Subscription(
            name, caller.account, self, has_status=params.get("order_status", True) is True
        )
        self._private[name] = subscription
        self._reply(_agreed(echo, {"channel": name, "snapshot": True}))
        self._accounts.subscribe(
            subscription,
            has_orders=params.get("snap_orders", True) is True,
            has_trades=params.get("snap_trades", False) is True,
        )

    def _cancel(self, params: Row, echo: Row) -> None:
        caller = self._caller(params)
        for told, parameters in socket_orders.cancels(params):
            try:
                trading.cancel_order(self._gateway, caller, parameters)
            except KrakenError as error:
                self._refuse(echo, error)
            else:
                self._reply(_agreed(echo, told))

    def _tell_instruments(self) -> None:
        feed = self._gateway.exchange.feed
        markets = [(market, feed.is_open(market.symbol)) for market in feed.markets.values()]
        rows = stream_rows.instruments(markets)
        frame: Row = {"channel": "instrument", "type": "snapshot", "data": rows}
        self.send(stream_rows.encode(frame))

    def _caller(self, params: Row) -> Caller:
        token = str(params.get("token", ""))
        if token not in self._keys:
            self._keys[token] = self._gateway.key_of_token(token)
        return self._gateway.caller(self._keys[token])

    def _refuse(self, echo: Row, error: KrakenError) -> None:
        self._reply({**echo, "error": error.text, "success": False})

    def _reply(self, frame: Row) -> None:
        self.send(stream_rows.encode({**frame, "time_out": self._now()}))

    def _now(self) -> str:
        return stream_rows.moment(self._gateway.now_ms)


def _agreed(echo: Row, result: Row) -> Row:
    return {**echo, "result": result, "success": True}


def _forget(written: "Future[None]") -> None:
    """Look at how a write ended, so that a client's leaving is not reported as a fault."""
    if not written.cancelled():
        written.exception()
