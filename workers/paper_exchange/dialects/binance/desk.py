"""What REST and the WebSocket API have in common: who asks, whether he may, and who answers."""

import inspect
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import NamedTuple

from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.dialects.binance.auth import authenticate
from workers.paper_exchange.dialects.binance.errors import BinanceError
from workers.paper_exchange.dialects.binance.limits import Limits, count_rows
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.dialects.binance.routes import ROUTES, Route, SignedRoute
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.live import UpstreamFailed
from workers.paper_exchange.orders import Account
from workers.paper_exchange.probe import Probe

_PLACE = ("POST", "/api/v3/order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request: its endpoint, parameters, API key, the bytes that were signed, and the sender."""

    name: tuple[str, str]
    parameters: Parameters
    key: str
    payload: bytes
    address: str


class Reply(NamedTuple):
    """An answer or a refusal, what the minute has used, and for new orders their counts."""

    result: object
    error: BinanceError | None
    used_weight: int
    order_counts: tuple[int, int] | None


class Desk:
    """Answers calls within the limits."""

    def __init__(self, exchange: PaperExchange, probe: Probe | None) -> None:
        self.exchange = exchange
        self.limits = Limits(exchange.clock)
        self.routes = {
            **ROUTES,
            ("GET", "/api/v3/rateLimit/order"): SignedRoute(self._order_counts, 40),
        }
        self._probe = probe
        exchange.engine.listeners.append(self.limits.on_event)

    async def answer(self, call: Call) -> Reply:
        """Let the endpoint of a call answer it."""
        route = self.routes[call.name]
        result: object = None
        try:
            self.limits.admit(call.address)
            result = self._ask(route, call)
            if inspect.isawaitable(result):
                result = await _relayed(result)
            error = None
        except BinanceError as refusal:
            error = refusal
        is_free = error is None and isinstance(route, SignedRoute) and route.is_free_on_success
        weight = 0 if is_free else route.weight_of(call.parameters)
        used = self.limits.spend(call.address, weight)
        counts = None
        if isinstance(route, SignedRoute) and route.new_orders:
            counts = self.limits.order_counts(call.key)
        return Reply(result, error, used, counts)

    def authenticated(self, call: Call) -> Account:
        """The account of a signed call; raises BinanceError."""
        key = authenticate(
            key=call.key,
            payload=call.payload,
            parameters=call.parameters,
            clock=self.exchange.clock,
        )
        return self.exchange.engine.account(key, self.exchange.advance())

    def _ask(self, route: Route | SignedRoute, call: Call) -> object:
        if self._probe and call.name == _PLACE:
            name = call.parameters.peek("newClientOrderId")
            self._probe("order_request", {"client_order_id": name})
        if not self.exchange.feed.markets:
            raise errors.unavailable()
        if isinstance(route, Route):
            self.exchange.advance()
            return route.endpoint(self.exchange, call.parameters)
        account = self.authenticated(call)
        if not route.new_orders:
            return route.endpoint(self.exchange, account, call.parameters)
        self.limits.admit_orders(account.key, route.new_orders)
        try:
            return route.endpoint(self.exchange, account, call.parameters)
        except BinanceError:
            self.limits.return_orders(account.key, route.new_orders)
            raise

    def _order_counts(
        self, _exchange: PaperExchange, account: Account, parameters: Parameters
    ) -> object:
        parameters.finish()
        return count_rows(self.limits.order_counts(account.key))


async def _relayed(answer: Awaitable[object]) -> object:
    """The answer of the real exchange behind a live market."""
    try:
        return await answer
    except UpstreamFailed as failure:
        raise errors.unavailable() from failure
