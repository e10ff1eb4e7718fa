"""Streams of an account: orders, trigger orders, fills and balances."""

from tornado.ioloop import IOLoop

from workers.paper_exchange.dialects.bitget import account_rows
from workers.paper_exchange.dialects.bitget.auth import Keyring, is_fresh, is_login_signed
from workers.paper_exchange.dialects.bitget.history import is_waiting
from workers.paper_exchange.dialects.bitget.names import Kind, kind_of, wire_symbol
from workers.paper_exchange.dialects.bitget.sockets import (
    Arg,
    Hub,
    StreamError,
    StreamSocket,
    Topic,
)
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Account, Order

_DEFAULT = "default"
_CHANNELS = {"orders", "orders-algo", "fill"}
_STAMP_DIGITS = 12


class PrivateHub(Hub):
    """Turns changes of accounts into frames for the sockets that are logged in to them."""

    def __init__(self, exchange: PaperExchange, keyring: Keyring) -> None:
        super().__init__(exchange)
        self._keyring = keyring
        self._changed: dict[str, set[str]] = {}
        exchange.engine.listeners.append(self.on_event)

    def login(self, socket: StreamSocket, arg: Arg) -> None:
        """Only the owner of a key knows its secret; the timestamp is in seconds."""
        key, stamp = arg.get("apiKey", ""), arg.get("timestamp", "")
        passphrase, signature = arg.get("passphrase", ""), arg.get("sign", "")
        if not key:
            raise StreamError(30011, "Invalid ACCESS_KEY")
        if not passphrase:
            raise StreamError(30012, "Invalid ACCESS_PASSPHRASE")
        is_number = stamp.isascii() and stamp.isdecimal() and len(stamp) <= _STAMP_DIGITS
        if not is_number:
            raise StreamError(30013, "Invalid ACCESS_TIMESTAMP")
        if not is_fresh(self.exchange.clock, int(stamp) * 1000):
            raise StreamError(30014, "Request timestamp expired")
        if not is_login_signed(key, stamp, signature):
            raise StreamError(30015, "Invalid sign")
        if not self._keyring.knows(key, passphrase):
            raise StreamError(30012, "Invalid ACCESS_PASSPHRASE")
        socket.key = key
        socket.send({"event": "login", "code": 0})

    def check(self, socket: StreamSocket, topic: Topic) -> bool:
        """Whether there is such a channel, for a socket that is logged in."""
        if not socket.key:
            raise StreamError(30004, "User needs to log in")
        if topic.channel == "account":
            return True
        markets = self.exchange.feed.markets
        names = {_DEFAULT, *(wire_symbol(symbol) for symbol in markets)}
        return topic.channel in _CHANNELS and topic.name in names

    def greet(self, socket: StreamSocket, topic: Topic, arg: Arg) -> None:
        """The balances; orders are asked for over REST."""
        if topic.channel != "account":
            return
        account = self.exchange.engine.account(socket.key, self.exchange.clock.now_ms())
        coins = account.assets if topic.name == _DEFAULT else {topic.name}
        rows = [account_rows.asset_row(account, coin) for coin in sorted(coins)]
        self.tell(socket, arg, rows, action="snapshot")

    def on_event(self, event: Event) -> None:
        """Tell what has happened to an order, and the balances once it is over."""
        if not self.listeners:
            return
        account, order = event.account, event.order
        if event.fill is not None:
            self._tell(account, order, "fill", account_rows.pushed_fill_row(event.fill, order))
        if kind_of(order) is Kind.PLAN and (is_waiting(order) or not order.triggered_ms):
            self._tell_plan(account, order)
        elif kind_of(order) is Kind.PLAN and event.kind is EventKind.TRIGGERED:
            self._tell_plan(account, order)
            self._tell_order(event)
        elif kind_of(order) is Kind.PLAN and account_rows.plan_status(order) == "fail_trigger":
            self._tell_plan(account, order)
        elif kind_of(order) is not Kind.TPSL or order.triggered_ms:
            self._tell_order(event)
        self._remember(account, order)

    def _tell_plan(self, account: Account, order: Order) -> None:
        self._tell(account, order, "orders-algo", account_rows.pushed_plan_row(order))

    def _tell_order(self, event: Event) -> None:
        row = account_rows.pushed_order_row(event.account, event.order, event.fill)
        self._tell(event.account, event.order, "orders", row)

    def _tell(self, account: Account, order: Order, channel: str, row: dict[str, object]) -> None:
        for name in (_DEFAULT, wire_symbol(order.symbol)):
            self._tell_owner(account, Topic(channel, name), [row])

    def _tell_owner(self, account: Account, topic: Topic, rows: list[dict[str, object]]) -> None:
        for socket, arg in list(self.listeners.get(topic, {}).items()):
            if socket.key == account.key:
                self.tell(socket, arg, rows, action="snapshot")

    def _remember(self, account: Account, order: Order) -> None:
        """Balances still change while an order is handled: they are told after it."""
        if not any(topic.channel == "account" for topic in self.listeners):
            return
        if not self._changed:
            IOLoop.current().add_callback(self._tell_balances)
        self._changed.setdefault(account.key, set()).update(order.symbol.split("/"))

    def _tell_balances(self) -> None:
        changed, self._changed = self._changed, {}
        for key, coins in changed.items():
            account = self.exchange.engine.accounts[key]
            rows = [account_rows.asset_row(account, coin) for coin in sorted(coins)]
            self._tell_owner(account, Topic("account", _DEFAULT), rows)
            for row in rows:
                self._tell_owner(account, Topic("account", str(row["coin"])), [row])
