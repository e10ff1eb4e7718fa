"""Everything that Bitget's port answers."""

from typing import Any

from workers.paper_exchange.dialects.bitget.auth import Keyring
from workers.paper_exchange.dialects.bitget.handler import RestHandler
from workers.paper_exchange.dialects.bitget.limits import RateLimits
from workers.paper_exchange.dialects.bitget.private_streams import PrivateHub
from workers.paper_exchange.dialects.bitget.public_streams import PublicHub
from workers.paper_exchange.dialects.bitget.sockets import StreamSocket
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.probe import Probe


def handlers(exchange: PaperExchange, probe: Probe | None) -> list[Any]:
    """The public and the private streams, and REST for every other path."""
    keyring = Keyring()
    rest = {"exchange": exchange, "limits": RateLimits(), "keyring": keyring, "probe": probe}
    public, private = PublicHub(exchange, probe), PrivateHub(exchange, keyring)
    return [
        ("/v2/ws/public/?", StreamSocket, {"hub": public}),
        ("/v2/ws/private/?", StreamSocket, {"hub": private}),
        ("/.*", RestHandler, rest),
    ]
