"""What is checked before anything starts, each with one line that says what to change."""

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import psutil
from django.conf import settings
from django.db import DatabaseError, connection
from redis import Redis, RedisError

from workers.paper_exchange.options import parse_market, parse_speed
from workers.paper_exchange.startup import StartError


class CanNotStart(Exception):
    """Something has to be changed before `up` can start; the message says what."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a process will listen on, and how to choose another."""

    owner: str
    host: str
    number: int
    flag: str
    variable: str


def ports() -> list[Port]:
    """Every TCP port that `up` needs."""
    flower = urlsplit(settings.FLOWER_URL)
    host = settings.BIND_HOST
    return [
        Port("the admin", host, settings.WEB_PORT, "--port", "ARISTOBOT_PORT"),
        Port("webhooks", host, settings.WEBHOOK_PORT, "--webhook-port", "ARISTOBOT_WEBHOOK_PORT"),
        _port_of("Flower", flower.hostname, flower.port, "--flower-port", "ARISTOBOT_FLOWER_URL"),
        *(_paper_port(name, urlsplit(url)) for name, url in settings.PAPER_EXCHANGE_URLS.items()),
    ]


def check_ports(needed: Iterable[Port]) -> None:
    """Raise CanNotStart at the first port that can't be used."""
    taken: dict[int, str] = {}
    for port in needed:
        if port.number in taken:
            raise CanNotStart(
                f"Port {port.number} is meant for both {taken[port.number]} and {port.owner}:"
                f" choose another with {port.flag} N or {port.variable}."
            )
        taken[port.number] = port.owner
        _check_port(port)


def check_database() -> None:
    """Raise CanNotStart when the PostgreSQL of DATABASE_URL can't be used."""
    try:
        connection.ensure_connection()
    except (DatabaseError, UnicodeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise CanNotStart(
            f"PostgreSQL can't be used: {reason}. Correct DATABASE_URL (postgres://USER:PASSWORD@HOST:"
            "PORT/DATABASE), or unset it for the embedded one."
        ) from None


def check_broker() -> None:
    """Raise CanNotStart when the Valkey or Redis of REDIS_URL can't be used."""
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=5, socket_timeout=5
        ) as valkey:
            valkey.ping()
    except (RedisError, ValueError, OSError) as error:
        raise CanNotStart(
            f"Valkey can't be used: {str(error).rstrip('.')}. Correct REDIS_URL"
            " (redis://:PASSWORD@HOST:PORT/0), or unset it for the embedded one."
        ) from None


def check_market(market: str, speed: float, root: Path) -> None:
    """Raise CanNotStart when the paper exchange could not play this market at this speed."""
    try:
        kind, source = parse_market(market)
        if kind != "live":
            parse_speed(str(speed), kind)
    except StartError as error:
        raise CanNotStart(str(error)) from None
    for name in source.split(",") if kind == "replay" else ():
        try:
            (root / name).open("rb").close()
        except OSError as error:
            raise CanNotStart(
                f"The candle file {root / name} can't be read: {error.strerror}. Correct --market or"
                " ARISTOBOT_PAPER_MARKET."
            ) from None


def _paper_port(exchange: str, url: SplitResult) -> Port:
    flag = "--paper-port" if exchange == "binance" else f"--paper-{exchange}-port"
    variable = f"ARISTOBOT_PAPER_{exchange.upper()}_URL"
    return _port_of(f"the paper {exchange.title()}", url.hostname, url.port, flag, variable)


def _port_of(owner: str, host: str | None, number: int | None, flag: str, variable: str) -> Port:
    if host is None or number is None:
        raise CanNotStart(f"{variable} must be a URL with host and port: http://127.0.0.1:5555.")
    return Port(owner, host, number, flag, variable)


def _check_port(port: Port) -> None:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    change = f"Choose another with {port.flag} N or {port.variable}."
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                reason = f"is taken{_holder_of(port.number)}"
            else:
                reason = f"on {port.host} can't be used: {str(error).rstrip('.')}"
            raise CanNotStart(f"Port {port.number} for {port.owner} {reason}. {change}") from None


def _holder_of(number: int) -> str:
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == number and each.pid:
                return f" by {psutil.Process(each.pid).name()} (process {each.pid})"
    except psutil.Error:
        return ""  # only an administrator may see this (macOS), or it has just ended
    return ""
