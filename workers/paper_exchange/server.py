"""The process: one port, one event loop."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from workers.paper_exchange.assembly import build_exchange
from workers.paper_exchange.control import control_handlers
from workers.paper_exchange.dialects import handlers_of
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.faults import Faults, Plan, read_faults
from workers.paper_exchange.faulty_http import Disturbances
from workers.paper_exchange.faulty_orders import FaultyOrders
from workers.paper_exchange.markets.live import LiveFeed
from workers.paper_exchange.options import Options
from workers.paper_exchange.probe import Probe
from workers.paper_exchange.startup import StartError

logger = logging.getLogger(__name__)

PING_SECONDS = 20
#: The market is looked at no more and no less often than this.
SHORTEST_STEP_SECONDS, LONGEST_STEP_SECONDS = 0.01, 0.5
#: How often an upstream's news are taken up.
LIVE_STEP_SECONDS = 0.05


def build_application(
    exchange: PaperExchange,
    *,
    market_kind: str,
    probe: Probe | None = None,
    faults: Faults | None = None,
) -> Application:
    """Everything that the port answers; `probe` is told of closed candles and new orders."""
    clock, spoken = exchange.clock, exchange.engine.venue.exchange
    faults = faults or Faults(clock.wall_ms)
    rules = handlers_of(spoken, exchange, probe)
    # After the dialect's own listeners: a fault follows what it disturbs.
    orders = FaultyOrders(
        engine=exchange.engine,
        markets=exchange.feed.markets,
        faults=faults,
        wall_ms=clock.wall_ms,
    )
    disturbances = Disturbances(exchange=spoken, faults=faults, orders=orders, clock=clock)
    handlers = [
        *control_handlers(exchange, market_kind=market_kind, faults=faults),
        *disturbances.around(rules),
    ]
    return Application(
        handlers, websocket_ping_interval=PING_SECONDS, log_function=_log_only_faults
    )


def run(
    options: Options,
    *,
    wall: Callable[[], float],
    announce: Callable[[str], None],
    probe: Probe | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; raises StartError when that can't begin."""
    # The port comes first: whoever has it may be writing the same state file.
    sockets = _bind(options.host, options.port)
    plan = read_faults(options.faults_path) if options.faults_path else Plan()
    exchange, memory = build_exchange(options, wall)
    try:
        port = sockets[0].getsockname()[1]
        ready = (
            f"paper exchange: {options.exchange} on http://{options.host}:{port}, "
            f"{options.market_kind} market, speed {options.speed_word}"
        )
        application = build_application(
            exchange,
            market_kind=options.market_kind,
            probe=probe,
            faults=Faults(exchange.clock.wall_ms, plan),
        )
        asyncio.run(_serve(exchange, application, sockets, lambda: announce(ready)))
        exchange.close()
    finally:
        memory.close()


async def _serve(
    exchange: PaperExchange,
    application: Application,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = HTTPServer(application)
    server.add_sockets(sockets)
    tasks = []
    if not exchange.waits_for_clients:
        tasks.append(asyncio.create_task(keep_time(exchange)))
    if isinstance(exchange.feed, LiveFeed):
        tasks.append(asyncio.create_task(exchange.feed.run()))
    on_ready()
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    server.stop()
    for task in (stopping, *tasks):
        if task.done():
            task.result()
        task.cancel()


async def keep_time(exchange: PaperExchange) -> None:
    """Handle every tick when it is due."""
    while True:
        exchange.advance()
        due = exchange.seconds_to_next_tick()
        seconds = LIVE_STEP_SECONDS if due is None else due
        await asyncio.sleep(min(LONGEST_STEP_SECONDS, max(SHORTEST_STEP_SECONDS, seconds)))


def _bind(host: str, port: int) -> list[socket.socket]:
    try:
        return bind_sockets(port, host, reuse_port=False)
    except OSError as error:
        raise StartError(
            f"can't listen on {host}:{port} ({error.strerror or error}). "
            "Stop the process that does, or give another --port."
        ) from error


def _log_only_faults(handler: RequestHandler) -> None:
    if handler.get_status() >= 500:
        request = handler.request
        logger.warning("%s %s: HTTP %d", request.method, request.path, handler.get_status())
