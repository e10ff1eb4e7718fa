"""What the paper exchange does in a second, and how much memory it takes."""

import hashlib
import hmac
import multiprocessing
import resource
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

from apps.domain.environments import Exchange
from apps.domain.markets import floor_to
from apps.domain.orders import OrderSide, OrderType
from apps.domain.paper import paper_secret
from workers.paper_exchange.assembly import build_exchange
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.options import Options
from workers.paper_exchange.orders import NewOrder
from workers.paper_exchange.server import run

SYMBOL = "BTC/USDT"
YEAR_CANDLES = 365 * 1440
#: Of orders in process, REST orders, seconds of a year, megabytes.
AIM_MATCHED, AIM_REST, AIM_YEAR, AIM_MEMORY = 3000, 1000, 60, 200
#: So many orders that rest may make nothing more than this many times as slow.
RESTING, AIM_SLOWER = 5000, 2
PRICES = 1000
#: An account may place a hundred orders in ten seconds, as at the real exchange.
ORDERS_PER_ACCOUNT = 100
CONNECTIONS = 4
_BALANCES = {"USDT": Decimal(10**9), "BTC": Decimal(10**6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure and what it should be."""

    what: str
    value: float
    unit: str
    aim: float
    at_least: bool

    def describe(self) -> str:
        """A line for the terminal."""
        is_met = self.value >= self.aim if self.at_least else self.value <= self.aim
        bound = "at least" if self.at_least else "at most"
        return (
            f"{self.what:58} {self.value:10,.0f} {self.unit:9} {bound} {self.aim:,.0f}:"
            f" {'met' if is_met else 'MISSED'}"
        )


def measure(*, orders: int, recording: Path | None, say: Callable[[str], None]) -> Iterator[Result]:
    """Everything, each part in a process of its own."""
    say("Matching in process ...")
    speed, _ = _in_process(_match, (orders, 0))
    yield Result(
        what="orders matched in process, journal included",
        value=speed,
        unit="orders/s",
        aim=AIM_MATCHED,
        at_least=True,
    )
    crowded, _ = _in_process(_match, (orders, RESTING))
    yield Result(
        what=f"the same beside {RESTING:,} resting orders",
        value=crowded,
        unit="orders/s",
        aim=speed / AIM_SLOWER,
        at_least=True,
    )
    quiet, _ = _in_process(_tell_prices, 0)
    crowded, _ = _in_process(_tell_prices, RESTING)
    yield Result(
        what=f"a price that fills none of {RESTING:,} resting orders",
        value=crowded,
        unit="us",
        aim=quiet * AIM_SLOWER,
        at_least=False,
    )
    say("REST over loopback ...")
    yield from _measure_rest(orders)
    for has_depth in (False, True):
        book = "depth, twelve prices a candle" if has_depth else "no book, in lock-step"
        say(f"A year of candles, {book} ...")
        seconds, memory = _in_process(_replay, (has_depth, recording))
        yield Result(
            what=f"a year of 1m candles, one resting order, {book}",
            value=seconds,
            unit="s",
            aim=AIM_YEAR,
            at_least=False,
        )
        yield _memory("largest memory of that process", memory)


def _memory(what: str, megabytes: float) -> Result:
    return Result(what=what, value=megabytes, unit="MB", aim=AIM_MEMORY, at_least=False)


# In a process of its own


def _in_process(work: Callable[..., float], argument: object) -> tuple[float, float]:
    """What `work` measures, and the largest memory of the process that did it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(work, argument, theirs))
    process.start()
    theirs.close()
    try:
        value, megabytes = ours.recv()
        return float(value), float(megabytes)
    finally:
        process.join()


def _work(work: Callable[..., float], argument: object, answer: Connection) -> None:
    answer.send((work(argument), _largest_memory()))


def _largest_memory() -> float:
    """Of this process since it began, in megabytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _match(plan: tuple[int, int]) -> float:
    """Pairs of orders of two accounts that meet, beside others that rest; orders in a second."""
    count, resting = plan
    with _exchange(has_depth=True, recording=None) as exchange:
        engine, quote = exchange.engine, _wide_quote(exchange)
        _rest(exchange, quote, resting)
        seller, buyer = engine.account("s" * 16, 0), engine.account("b" * 16, 0)
        began = time.perf_counter()
        for number in range(count // 2):
            for account, side in ((seller, OrderSide.SELL), (buyer, OrderSide.BUY)):
                wanted = _limit_order(f"{side}{number}", side, quote.price)
                engine.place(account, wanted, quote, exchange.clock.now_ms())
        if len(buyer.fills) != count // 2:
            raise RuntimeError("not every order was matched")
        return count // 2 * 2 / (time.perf_counter() - began)


def _tell_prices(resting: int) -> float:
    """Prices between the orders that rest; microseconds for one."""
    with _exchange(has_depth=True, recording=None) as exchange:
        quote = _wide_quote(exchange)
        _rest(exchange, quote, resting)
        began = time.perf_counter()
        for number in range(PRICES):
            risen = replace(quote, price=quote.price + number * quote.tick_size)
            exchange.engine.on_price(SYMBOL, risen, 0)
        return (time.perf_counter() - began) / PRICES * 1e6


def _wide_quote(exchange: PaperExchange) -> Quote:
    """With room for a spread: the orders meet each other, not the market."""
    quote = exchange.quote(SYMBOL)
    if quote is None:
        raise RuntimeError("a simulated market is always open")
    return replace(quote, low=quote.price / 2, high=quote.price * 2)


def _rest(exchange: PaperExchange, quote: Quote, count: int) -> None:
    """Orders around the price, on both sides, that nothing comes near."""
    for number in range(count):
        account = exchange.engine.account(f"rest{number // ORDERS_PER_ACCOUNT:016}", 0)
        side, share = (OrderSide.SELL, "1.2") if number % 2 else (OrderSide.BUY, "0.8")
        away = number * quote.tick_size * (1 if number % 2 else -1)
        price = floor_to(quote.price * Decimal(share), quote.tick_size) + away
        wanted = _limit_order(f"rest{number}", side, price)
        exchange.engine.place(account, wanted, quote, exchange.clock.now_ms())


def _limit_order(client_order_id: str, side: OrderSide, price: Decimal) -> NewOrder:
    return NewOrder(
        client_order_id=client_order_id,
        symbol=SYMBOL,
        side=side,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.001"),
        price=price,
    )


def _replay(plan: tuple[bool, Path | None]) -> float:
    """Seconds of wall time for a year, from as many candles as there are up to one."""
    has_depth, recording = plan
    with _exchange(has_depth=has_depth, recording=recording) as exchange:
        start_ms = exchange.clock.now_ms()
        account = exchange.engine.account("r" * 16, start_ms)
        wanted = NewOrder(
            client_order_id="resting",
            symbol=SYMBOL,
            side=OrderSide.BUY,
            order_type=OrderType.LIMIT,
            quantity=Decimal("0.01"),
            price=Decimal(1),
        )
        exchange.engine.place(account, wanted, exchange.quote(SYMBOL), start_ms)
        shown, began = 0, time.perf_counter()
        while shown < YEAR_CANDLES and exchange.step():
            shown += 1
        return (time.perf_counter() - began) * YEAR_CANDLES / shown


@contextmanager
def _exchange(*, has_depth: bool, recording: Path | None) -> Iterator[PaperExchange]:
    with tempfile.TemporaryDirectory() as directory:
        options = _options(Path(directory), recording=recording, has_depth=has_depth)
        exchange, memory = build_exchange(options, time.time)
        try:
            yield exchange
        finally:
            memory.close()


def _options(directory: Path, *, recording: Path | None, has_depth: bool, port: int = 0) -> Options:
    return Options(
        exchange=Exchange.BINANCE,
        host="127.0.0.1",
        port=port,
        market_kind="replay" if recording else "simulated",
        market_source=str(recording or ""),
        speed=1 if port else float("inf"),
        state_path=directory / "paper.jsonl",
        seed=1,
        start_ms=None,
        balances=_BALANCES,
        has_depth=has_depth,
    )


# Over loopback


def _measure_rest(orders: int) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as directory:
        process = context.Process(target=_serve, args=(Path(directory), _free_port(), theirs))
        process.start()
        try:
            port = ours.recv()
            speed = _place_orders(port, orders)
        finally:
            process.terminate()
            megabytes = ours.recv()
            process.join()
    yield Result(
        what=f"REST orders over loopback, Binance, {CONNECTIONS} connections",
        value=speed,
        unit="orders/s",
        aim=AIM_REST,
        at_least=True,
    )
    yield _memory("largest memory of that exchange", megabytes)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _serve(directory: Path, port: int, answer: Connection) -> None:
    options = _options(directory, recording=None, has_depth=True, port=port)
    run(options, wall=time.time, announce=lambda _line: answer.send(port))
    answer.send(_largest_memory())


def _place_orders(port: int, count: int) -> float:
    """Limit orders that rest, each signed, the next one on a connection after its answer; in a second."""
    requests = _requests(port, count)
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    answered = 0
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        connection.sendall(next(requests))
    while answered < count:
        for key, _events in selector.select(timeout=10):
            connection = key.fileobj  # type: ignore[assignment]  # each is a socket
            _check(connection.recv(65_536))
            answered += 1
            following = next(requests, None)
            if following is None:
                selector.unregister(connection)
                connection.close()
            else:
                connection.sendall(following)
    selector.close()
    return count / (time.perf_counter() - began)


def _requests(port: int, count: int) -> Iterator[bytes]:
    for number in range(count):
        api_key = f"bench{number // ORDERS_PER_ACCOUNT:016}"
        secret = paper_secret(api_key).encode()
        body = (
            f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000.00"
            f"&newClientOrderId=bench{number}&timestamp={int(time.time() * 1000)}"
        )
        body += f"&signature={hmac.new(secret, body.encode(), hashlib.sha256).hexdigest()}"
        yield (
            f"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-MBX-APIKEY: {api_key}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def _check(reply: bytes) -> None:
    if not reply.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"an order was not taken: {reply.decode(errors='replace')[-300:]}")
