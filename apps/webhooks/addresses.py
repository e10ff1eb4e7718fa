"""Where a webhook comes from."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: What TradingView publishes that it sends from.
TRADINGVIEW = ("52.32.178.7", "52.89.214.238", "34.212.75.30", "54.218.53.128")


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is one of these, or in one of these networks; what is no address is in none."""
    known = _parse(address)
    return known is not None and any(
        known in ip_network(network, strict=False) for network in networks
    )


def find_sender(*, remote: str, forwarded: str, proxies: Iterable[str]) -> str:
    """The address of the sender: of the last one in X-Forwarded-For that our own proxies did not add, or
    else of whoever is connected. Empty where nobody can tell."""
    trusted, address = list(proxies), remote
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and is_within(address, trusted):
        address = hops.pop()
    known = _parse(address)
    return str(known) if known else ""


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        known = ip_address(address)
    except ValueError:
        return None
    return (isinstance(known, IPv6Address) and known.ipv4_mapped) or known
