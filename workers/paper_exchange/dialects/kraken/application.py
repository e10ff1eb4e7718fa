"""Everything that Kraken's port answers."""

from typing import Any

from workers.paper_exchange.dialects.kraken.account_channels import AccountChannels
from workers.paper_exchange.dialects.kraken.gateway import Gateway
from workers.paper_exchange.dialects.kraken.handler import RestHandler
from workers.paper_exchange.dialects.kraken.market_channels import MarketChannels
from workers.paper_exchange.dialects.kraken.streams import StreamSocket
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.probe import Probe


def handlers(exchange: PaperExchange, probe: Probe | None) -> list[Any]:
    """Streams, and REST for every other path; the real exchange has a host for each kind."""
    gateway = Gateway(exchange, probe)
    sockets = {
        "gateway": gateway,
        "markets": MarketChannels(gateway),
        "accounts": AccountChannels(gateway),
    }
    return [
        ("/v2/?", StreamSocket, sockets),
        ("/.*", RestHandler, {"gateway": gateway}),
    ]
