"""What the machine's owner may ask the exchange, and tell it."""

import hashlib
import ipaddress
import json
import math
from typing import Any

import msgspec
from tornado.web import HTTPError, RequestHandler

from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.faults import Faults, FaultsUnreadable, parse_plan
from workers.paper_exchange.lockstep import Lockstep
from workers.paper_exchange.orders import Account

#: Accounts that are listed, those last changed first.
LISTED_ACCOUNTS = 50
MOST_CANDLES = 10_000_000


def control_handlers(exchange: PaperExchange, *, market_kind: str, faults: Faults) -> list[Any]:
    """Tornado's rules for everything below /paper."""
    lockstep = Lockstep(exchange) if exchange.waits_for_clients else None
    owned = {"exchange": exchange, "market_kind": market_kind, "faults": faults}
    return [
        ("/paper/state", StateHandler, {**owned, "lockstep": lockstep}),
        ("/paper/faults", FaultsHandler, {"faults": faults}),
        ("/paper/step", StepHandler, {"exchange": exchange, "lockstep": lockstep}),
    ]


class ControlHandler(RequestHandler):
    """Answers in JSON; changes are for programs on this machine alone."""

    def prepare(self) -> None:
        """Refuse what comes from elsewhere, or from a page in somebody's browser."""
        self.set_header("Content-Type", "application/json")
        if self.request.method == "GET":
            return
        try:
            is_near = ipaddress.ip_address(self.request.remote_ip or "").is_loopback
        except ValueError:
            is_near = False
        if not is_near:
            raise HTTPError(403, "only from this machine, over loopback")
        if not self.request.headers.get("Content-Type", "").startswith("application/json"):
            raise HTTPError(415, "send JSON, with Content-Type: application/json")

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ARG002  Tornado gives it
        """The reason as JSON."""
        error = kwargs.get("exc_info", (None, None))[1]
        message = error.log_message if isinstance(error, HTTPError) else None
        self.finish(json.dumps({"error": message or self._reason}))

    def finish_json(self, answer: object) -> None:
        """Answer."""
        self.finish(json.dumps(answer))


class StateHandler(ControlHandler):
    """GET /paper/state: how the exchange is, as JSON; answered from the first moment on."""

    def initialize(
        self, exchange: PaperExchange, market_kind: str, faults: Faults, lockstep: Lockstep | None
    ) -> None:
        """Called by Tornado for each request."""
        self._exchange = exchange
        self._market_kind = market_kind
        self._faults = faults
        self._lockstep = lockstep

    def get(self) -> None:
        """Answer with market, clock, prices, accounts and faults."""
        exchange, lockstep = self._exchange, self._lockstep
        now_ms = exchange.advance()
        quotes = {symbol: exchange.feed.quote(symbol) for symbol in exchange.feed.markets}
        accounts = sorted(
            exchange.engine.accounts.values(), key=lambda each: each.updated_ms, reverse=True
        )
        speed = exchange.clock.speed
        self.finish_json(
            {
                "exchange": exchange.engine.venue.exchange.value,
                "market": self._market_kind,
                "speed": "max" if speed == math.inf else speed,
                "market_time_ms": now_ms,
                "symbols": {
                    symbol: {
                        "last_price": str(quote.price) if quote else None,
                        "is_open": exchange.feed.is_open(symbol),
                    }
                    for symbol, quote in quotes.items()
                },
                "accounts": len(accounts),
                "open_orders": exchange.engine.open_order_count,
                "account_list": [_account_row(each) for each in accounts[:LISTED_ACCOUNTS]],
                "faults": self._faults.describe(),
                "lockstep": None
                if lockstep is None
                else {
                    "clients": lockstep.clients,
                    "waits_for": lockstep.waits_for,
                    "has_ended": lockstep.has_ended,
                },
            }
        )


class FaultsHandler(ControlHandler):
    """GET /paper/faults: the rules at work. POST: put others in their place, as a --faults file has
    them; no rules end all faults."""

    def initialize(self, faults: Faults) -> None:
        """Called by Tornado for each request."""
        self._faults = faults

    def get(self) -> None:
        """Each rule, and how often it has struck."""
        self._answer()

    def post(self) -> None:
        """Take new rules, all or none."""
        try:
            plan = parse_plan(self.request.body.decode("utf-8", "replace"))
        except FaultsUnreadable as error:
            raise HTTPError(400, _literal(str(error))) from error
        self._faults.set_plan(plan)
        self._answer()

    def _answer(self) -> None:
        seed = self._faults.plan.seed
        self.finish_json({"seed": seed, "rules": self._faults.describe()})


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends to go on."""

    client: str = "client"
    candles: int = 1
    leave: bool = False


class StepHandler(ControlHandler):
    """POST /paper/step: in lock-step, go on to the next candle; answered when it was shown."""

    def initialize(self, exchange: PaperExchange, lockstep: Lockstep | None) -> None:
        """Called by Tornado for each request."""
        self._exchange = exchange
        self._lockstep = lockstep

    async def post(self) -> None:
        """Wait for the others, and for the candle."""
        lockstep = self._lockstep
        if lockstep is None:
            raise HTTPError(409, "the clock runs by itself: start with --book none or --speed max")
        try:
            wanted = msgspec.json.decode(self.request.body or b"{}", type=Step)
        except msgspec.DecodeError as error:
            raise HTTPError(400, _literal(str(error))) from error
        if not 0 <= wanted.candles <= MOST_CANDLES:
            raise HTTPError(400, f"candles must be 0 to {MOST_CANDLES}")
        if wanted.leave:
            await lockstep.leave(wanted.client)
        else:
            await lockstep.step(wanted.client, wanted.candles)
        self.finish_json(
            {"market_time_ms": self._exchange.clock.now_ms(), "has_ended": lockstep.has_ended}
        )


def _literal(text: str) -> str:
    """Tornado formats messages with their arguments, and there are none."""
    return text.replace("%", "%%")


def _account_row(account: Account) -> dict[str, object]:
    """One account; its key, which is all that one needs to own it, is not told."""
    return {
        "account": f"{account.key[:6]}...",
        "id": hashlib.sha256(account.key.encode()).hexdigest()[:16],
        "opened_ms": account.opened_ms,
        "updated_ms": account.updated_ms,
        "orders": len(account.orders),
        "open_orders": len(account.resting),
        "fills": len(account.fills),
        "balances": {
            asset: {
                "free": f"{account.free.get(asset, 0):f}",
                "locked": f"{account.locked.get(asset, 0):f}",
            }
            for asset in sorted(account.assets)
        },
    }
