"""How each exchange says that something is wrong which is not the request's fault."""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from apps.domain.environments import Exchange
from workers.paper_exchange.faults import (
    Banned,
    HtmlPage,
    KeyRevoked,
    Maintenance,
    RateLimited,
    Rule,
    ServerError,
)

JSON, HTML = "application/json;charset=UTF-8", "text/html"
#: The header that names the API key, at any of them.
KEY_HEADERS = ("X-MBX-APIKEY", "ACCESS-KEY", "API-Key")
#: What tells the server time.
TIME_PATHS = {"/api/v3/time", "/api/v2/public/time", "/0/public/Time"}
_DAY_MS = 86_400_000
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    body: str
    content_type: str = JSON
    retry_after: int | None = None


def answer_for(exchange: Exchange, rule: Rule, now_ms: int) -> Answer:
    """What a client gets when this rule strikes it."""
    match rule:
        case HtmlPage():
            return Answer(rule.status, _PAGE.format(f"{rule.status} Bad Gateway"), HTML)
        case RateLimited():
            return Answer(429, _body(exchange, "limited", now_ms), JSON, rule.retry_after)
        case Banned():
            until_ms = now_ms + rule.retry_after * 1000
            return Answer(418, _body(exchange, "banned", until_ms), JSON, rule.retry_after)
        case ServerError():
            return Answer(rule.status, _body(exchange, "error", now_ms))
        case Maintenance():
            return Answer(_DOWN[exchange], _body(exchange, "down", now_ms))
        case KeyRevoked():
            return Answer(_REFUSED[exchange], _body(exchange, "revoked", now_ms))
    raise TypeError(f"{rule} is not answered")


def skewed(body: bytes, skew_ms: int, now_ms: int) -> bytes:
    """A body whose every time of today, in seconds or milliseconds, is wrong by so much."""

    def shift(value: object) -> object:
        if isinstance(value, dict):
            return {name: shift(each) for name, each in value.items()}
        if isinstance(value, str) and value.isdigit():
            return str(_shifted(int(value), skew_ms, now_ms))
        if isinstance(value, int) and not isinstance(value, bool):
            return _shifted(value, skew_ms, now_ms)
        return value

    return json.dumps(shift(json.loads(body)), separators=(",", ":")).encode()


def _shifted(number: int, skew_ms: int, now_ms: int) -> int:
    if abs(number - now_ms) < _DAY_MS:
        return number + skew_ms
    if abs(number * 1000 - now_ms) < _DAY_MS:
        return number + skew_ms // 1000
    return number


def _binance(code: int, text: str) -> Callable[[int], dict[str, object]]:
    return lambda at_ms: {"code": code, "msg": text.format(at_ms)}


def _bitget(code: str, text: str) -> Callable[[int], dict[str, object]]:
    return lambda at_ms: {"code": code, "msg": text, "requestTime": at_ms, "data": None}


def _kraken(text: str) -> Callable[[int], dict[str, object]]:
    return lambda _at_ms: {"error": [text]}


_BUSY = " Please use WebSocket Streams for live updates to avoid "
_BODIES: Mapping[Exchange, Mapping[str, Callable[[int], dict[str, object]]]] = {
    Exchange.BINANCE: {
        "limited": _binance(
            -1003,
            "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."
            f"{_BUSY}polling the API.",
        ),
        "banned": _binance(
            -1003, f"Way too much request weight used; IP banned until {{}}.{_BUSY}bans."
        ),
        "error": _binance(-1000, "An unknown error occurred while processing the request."),
        "down": _binance(-1016, "This service is no longer available."),
        "revoked": _binance(-2015, "Invalid API-key, IP, or permissions for action."),
    },
    Exchange.BITGET: {
        "limited": _bitget("429", "Too Many Requests"),
        "banned": _bitget("429", "Too Many Requests"),
        "error": _bitget("40015", "System is abnormal, please try again later"),
        "down": _bitget("40200", "Server upgrade, please try again later"),
        "revoked": _bitget("40006", "Invalid ACCESS_KEY"),
    },
    Exchange.KRAKEN: {
        "limited": _kraken("EAPI:Rate limit exceeded"),
        "banned": _kraken("EGeneral:Temporary lockout"),
        "error": _kraken("EGeneral:Internal error"),
        "down": _kraken("EService:Unavailable"),
        "revoked": _kraken("EAPI:Invalid key"),
    },
}
_DOWN = {Exchange.BINANCE: 503, Exchange.BITGET: 400, Exchange.KRAKEN: 200}
_REFUSED = {Exchange.BINANCE: 401, Exchange.BITGET: 400, Exchange.KRAKEN: 200}


def _body(exchange: Exchange, kind: str, at_ms: int) -> str:
    return json.dumps(_BODIES[exchange][kind](at_ms), separators=(",", ":"))
