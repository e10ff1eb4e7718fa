"""Everything that Binance's port answers."""

from typing import Any

from workers.paper_exchange.dialects.binance.handler import RestHandler
from workers.paper_exchange.dialects.binance.routes import WeightCounter
from workers.paper_exchange.dialects.binance.streams import StreamHub, StreamSocket
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.probe import Probe


def handlers(exchange: PaperExchange, probe: Probe | None) -> list[Any]:
    """Market streams, and REST for every other path."""
    hub = StreamHub(exchange, probe)
    rest = {"exchange": exchange, "weights": WeightCounter(), "probe": probe}
    return [
        (r"/ws/?(.*)", StreamSocket, {"hub": hub, "is_combined": False}),
        ("/stream", StreamSocket, {"hub": hub, "is_combined": True}),
        ("/.*", RestHandler, rest),
    ]
