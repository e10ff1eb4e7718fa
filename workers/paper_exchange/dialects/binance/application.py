"""Everything that Binance's port answers."""

from typing import Any

from workers.paper_exchange.dialects.binance.account_streams import AccountStreams
from workers.paper_exchange.dialects.binance.api_socket import ApiSocket
from workers.paper_exchange.dialects.binance.desk import Desk
from workers.paper_exchange.dialects.binance.handler import RestHandler
from workers.paper_exchange.dialects.binance.streams import StreamHub, StreamSocket
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.probe import Probe


def handlers(exchange: PaperExchange, probe: Probe | None) -> list[Any]:
    """Market streams, the WebSocket API, and REST for every other path."""
    hub = StreamHub(exchange, probe)
    desk = Desk(exchange, probe)
    accounts = AccountStreams(exchange)
    return [
        ("/ws-api/v3", ApiSocket, {"desk": desk, "streams": accounts}),
        (r"/ws/?(.*)", StreamSocket, {"hub": hub, "is_combined": False}),
        ("/stream", StreamSocket, {"hub": hub, "is_combined": True}),
        ("/.*", RestHandler, {"desk": desk}),
    ]
