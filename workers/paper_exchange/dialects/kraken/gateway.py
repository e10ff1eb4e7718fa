"""What REST and WebSocket share: the exchange, what is remembered of keys, and what is due later."""

import secrets
from dataclasses import dataclass

from apps.domain.orders import OrderSide, OrderType
from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.limits import Costs, KeyRecord, cost_by_age
from workers.paper_exchange.dialects.kraken.prices import read_price
from workers.paper_exchange.dialects.kraken.tape import Tape
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Quote, Tick
from workers.paper_exchange.orders import Account, EndReason, Order
from workers.paper_exchange.probe import Probe
from workers.paper_exchange.triggers import trailing_stop

TOKEN_SECONDS = 900
#: An order may ask to be dropped when it comes later than so far ahead.
_DEADLINE_MS = (0, 60_000)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever has proved to own an API key."""

    account: Account
    record: KeyRecord


class Gateway:
    """The exchange as Kraken's endpoints see it."""

    def __init__(self, exchange: PaperExchange, probe: Probe | None) -> None:
        self.exchange = exchange
        self.engine = exchange.engine
        self.probe = probe
        self.tape = Tape(exchange)
        self.records: dict[str, KeyRecord] = {}
        self._tokens: dict[str, tuple[str, int]] = {}
        self._switches: dict[str, int] = {}
        self._expiring: dict[int, tuple[Account, Order, int]] = {}
        for account in self.engine.accounts.values():
            for order in account.open_orders():
                self._watch(account, order)
        self.engine.listeners.append(self._on_event)
        exchange.listeners.append(self._on_tick)

    @property
    def now_ms(self) -> int:
        """The market's time."""
        return self.exchange.clock.now_ms()

    @property
    def wall_ms(self) -> int:
        """This machine's time."""
        return self.exchange.clock.wall_ms()

    @property
    def limit_ms(self) -> int:
        """The time that limits count in."""
        return self.exchange.clock.limit_ms()

    def advance(self) -> int:
        """Bring the market and what is due in it to the present; returns the market's time."""
        if not self.exchange.feed.markets:
            raise errors.unavailable()
        now_ms = self.exchange.advance()
        self._do_what_is_due(now_ms)
        return now_ms

    def record(self, key: str) -> KeyRecord:
        """What is remembered of a key."""
        return self.records.setdefault(key, KeyRecord())

    def caller(self, key: str) -> Caller:
        """The owner of a key, whose account is opened on first sight."""
        return Caller(self.engine.account(key, self.advance()), self.record(key))

    def quote(self, symbol: str) -> Quote:
        """The current price of a market; raises KrakenError before its first."""
        quote = self.exchange.feed.quote(symbol)
        if quote is None:
            raise errors.unavailable()
        return quote

    def age_cost(self, costs: Costs, order: Order) -> int:
        """What a change of an order costs, by its age in the market."""
        return cost_by_age(costs, (self.now_ms - order.created_ms) / 1000)

    def check_deadline(self, deadline_ms: int | None) -> None:
        """Raise KrakenError for an order that comes too late, by every clock it may have meant."""
        if deadline_ms is None:
            return
        ahead = [-age_ms for age_ms in self.exchange.clock.ages_ms(deadline_ms)]
        earliest, latest = _DEADLINE_MS
        if any(earliest < each <= latest for each in ahead):
            return
        if any(each > latest for each in ahead):
            raise errors.invalid_arguments("deadline")
        raise errors.deadline_elapsed()

    # Tokens of private streams

    def issue_token(self, key: str) -> str:
        """A token that opens a private stream within 15 minutes."""
        wall_ms = self.wall_ms
        self._tokens = {t: known for t, known in self._tokens.items() if known[1] > wall_ms}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = (key, wall_ms + TOKEN_SECONDS * 1000)
        return token

    def key_of_token(self, token: str) -> str:
        """Whose token it is; raises KrakenError."""
        key, until_ms = self._tokens.get(token, ("", 0))
        if until_ms <= self.wall_ms:
            raise errors.invalid_session()
        return key

    # What is due later

    def set_switch(self, key: str, seconds: int) -> None:
        """Cancel the account's orders when nothing more is heard for so long; 0 ends the wait."""
        if seconds:
            self._switches[key] = self.wall_ms + seconds * 1000
        else:
            self._switches.pop(key, None)

    def cancel_all(self, account: Account, reason: EndReason = EndReason.USER) -> int:
        """Cancel every open order of an account; how many there were."""
        orders = account.open_orders()
        for order in orders:
            if order.is_open:
                self.engine.cancel(account, order, self.now_ms, reason)
        return len(orders)

    def _on_event(self, event: Event) -> None:
        if event.kind is EventKind.NEW:
            self._watch(event.account, event.order)
        elif not event.order.is_open:
            self._expiring.pop(event.order.order_id, None)
        elif event.kind is EventKind.TRIGGERED and "price2" in event.order.labels:
            self._set_limit(event.order)

    def _set_limit(self, order: Order) -> None:
        """As a trailing stop with a limit fires, it becomes a stop limit order at that distance.

        The engine tells of the firing before it looks what the order meets.
        """
        stop = trailing_stop(order)
        is_sell = order.side is OrderSide.SELL
        market = self.exchange.feed.markets[order.symbol]
        text = order.labels["price2"]
        order.order_type, order.trigger_price = OrderType.STOP_LOSS_LIMIT, stop
        order.price = read_price(text, "price2", market, stop, is_below=is_sell)

    def _watch(self, account: Account, order: Order) -> None:
        expires = order.labels.get("expiretm")
        if expires:
            self._expiring[order.order_id] = (account, order, int(expires) * 1000)

    def _on_tick(self, tick: Tick) -> None:
        if self._expiring or self._switches:
            self._do_what_is_due(tick.at_ms)

    def _do_what_is_due(self, now_ms: int) -> None:
        for account, order, expires_ms in list(self._expiring.values()):
            if expires_ms <= now_ms and order.is_open:
                self.engine.cancel(account, order, now_ms, EndReason.EXCHANGE)
        wall_ms = self.wall_ms if self._switches else 0
        for key, due_ms in list(self._switches.items()):
            if due_ms <= wall_ms:
                del self._switches[key]
                self.cancel_all(self.engine.account(key, now_ms))
