"""Reading a webhook's body: generous about how it is written, as TradingView's templates fill in whatever a
chart has, and strict about what it means. Knows no database; takes time in proportion to the size."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from json import JSONDecodeError, JSONDecoder
from typing import TypeVar

from apps.webhooks.verbs import SENT_VERBS, Verb

#: The contract. Other names are read and told, and mean nothing.
NAMES = (
    "Symbol",
    "Exchange",
    "Currency",
    "BaseCurrency",
    "Interval",
    "Open",
    "High",
    "Low",
    "Close",
    "Volume",
    "BarTime",
    "Action",
    "Prix",
    "PrixSL",
    "PrixTP",
    "PourCent",
    "UserID",
    "IndicateurName",
    "UserExchangeID",
)
TOKEN = "Token"  # noqa: S105  the name of a field
#: What a chart writes where it has no value.
NOTHING = frozenset({"", "null", "none", "na", "n/a", "nan"})
#: As a column of ours has room for.
MOST = Decimal(10) ** 12
PRICE_GRAIN = Decimal("1e-12")
PERCENT_GRAIN = Decimal("0.01")
LONGEST_TEXT = 200
LONGEST_INTERVAL = timedelta(days=31)
_KNOWN = {name.lower(): name for name in (*NAMES, TOKEN)}
_VERBS = {verb.lower(): verb for verb in SENT_VERBS}
_UNITS = {
    "": timedelta(minutes=1),  # TradingView's own way of writing minutes
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_FIELD_NAME = re.compile(r"""\s*(?:"([^"]{1,60})"|([A-Za-z_]\w{0,59}))\s*:\s*""")
# A comma inside a text without quotes is no end, unless a name follows it.
_NEXT_FIELD = re.compile(r""",(?=\s*(?:"[^"]{1,60}"|[A-Za-z_]\w{0,59})\s*:)""")
_AFTER_TEXT = re.compile(r"\s*(,|\Z)")
_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"(\d{1,18})(?:\.0+)?", re.ASCII)
_INTERVAL = re.compile(r"(\d{0,4})([smhdwSHDW]?)", re.ASCII)
_EPOCH = re.compile(r"(\d{10})(\d{3})?", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9]{2,40}|([A-Z0-9]{1,20})[-/_]([A-Z0-9]{1,20})", re.ASCII)
_PERPETUAL = re.compile(r"([A-Z0-9/_-]{2,60}?)(\.P|\.?PERP)", re.ASCII)
_TOKEN = re.compile(
    r"""\bToken["']?\s{0,9}:\s{0,9}["']?([\w-]{16,128})""", re.ASCII | re.IGNORECASE
)

_TEXT = JSONDecoder(strict=False)  # a line may break in it

Fields = dict[str, str | None]
T = TypeVar("T")


class BadBody(Exception):
    """A body that can't be read, or makes no sense; its words are for the person who wrote the alert."""

    def __init__(self, words: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {words}" if field else words)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a webhook asks for. None is what it does not say; `base` and `quote` are empty where only the
    two together are known, as `symbol`."""

    verb: Verb
    symbol: str = ""
    base: str = ""
    quote: str = ""
    interval: timedelta | None = None
    bar_at: datetime | None = None
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    percent: Decimal = Decimal(100)
    user_id: int | None = None
    broker_id: int | None = None
    ignored: tuple[str, ...] = field(default=())


def find_token(body: bytes) -> str:
    """The token a body carries, empty without one. It is looked for before anything else is read, so that
    a body that can't be read is known to be authentic all the same."""
    found = _TOKEN.search(body.decode("latin-1"))
    return found[1] if found else ""


def hide_token(body: bytes) -> str:
    """The body as text that can be stored and shown: without its token."""
    text = _storable(body.decode("utf-8", "backslashreplace"))
    return _TOKEN.sub(lambda found: found[0].removesuffix(found[1]) + "***", text)


def read_fields(body: bytes) -> Fields:
    """Its fields in order, each a text, None where the chart had no value. Raises BadBody."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise BadBody("The body is no UTF-8 text.") from error
    if not (text.startswith("{") and text.endswith("}") and len(text) > 1):
        raise BadBody('The body has to be one JSON object: {"Action": "PING", ...}.')
    text, fields, place = text[1:-1].rstrip(), Fields(), 0
    while place < len(text):
        name, place = _read_name(text, place)
        if name in fields:
            raise BadBody("It is there twice.", field=name)
        fields[name], place = _read_value(text, place, name)
    fields.pop(TOKEN, None)
    return fields


def _read_name(text: str, place: int) -> tuple[str, int]:
    found = _FIELD_NAME.match(text, place)
    if not found:
        rest = _storable(text[place : place + 30].strip())
        raise BadBody(f'A field name in plain quotes, such as "Action":, was expected at: {rest}')
    name = _storable(found[1] or found[2]).strip()
    return _KNOWN.get(name.lower(), name), found.end()


def _read_value(text: str, place: int, name: str) -> tuple[str | None, int]:
    if text.startswith('"', place):
        value, place = _read_quoted(text, place, name)
    else:
        end = _NEXT_FIELD.search(text, place)
        value = text[place : end.start() if end else len(text)].strip().rstrip(",")
        place = end.end() if end else len(text)
        if value.startswith(("{", "[")):
            raise BadBody(f"{value[:30]} is neither a text nor a number.", field=name)
    value = _storable(value.strip())[:LONGEST_TEXT]
    return (None if value.lower() in NOTHING else value), place


def _read_quoted(text: str, place: int, name: str) -> tuple[str, int]:
    try:
        value, place = _TEXT.raw_decode(text, place)
    except JSONDecodeError as error:
        raise BadBody(f"Its text can't be read: {error.msg}.", field=name) from error
    end = _AFTER_TEXT.match(text, place)
    if not end:
        raise BadBody(f"After {value[:30]} a comma was expected, or the end.", field=name)
    return value, end.end()


def _storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor half a character."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def read_message(fields: Mapping[str, str | None]) -> Message:
    """What they mean together. Raises BadBody for what is missing, unknown or contradictory."""
    symbol, base, quote = _read_symbol(fields)
    message = Message(
        verb=_read_verb(fields.get("Action")),
        symbol=symbol,
        base=base,
        quote=quote,
        interval=_read(fields, "Interval", _to_interval),
        bar_at=_read(fields, "BarTime", _to_moment),
        price=read_price(fields, "Prix"),
        stop_loss=read_price(fields, "PrixSL"),
        take_profit=read_price(fields, "PrixTP"),
        percent=_read_percent(fields),
        user_id=_read(fields, "UserID", _to_whole),
        broker_id=_read(fields, "UserExchangeID", _to_whole),
        ignored=tuple(name for name in fields if name not in NAMES),
    )
    _check(message)
    return message


def read_price(fields: Mapping[str, str | None], name: str) -> Decimal | None:
    """The price in a field, None where it has no value. Raises BadBody."""
    return _read(fields, name, _to_price)


def _check(message: Message) -> None:
    """What each verb needs."""
    verb = message.verb
    if verb is Verb.PING:
        return
    if not message.symbol:
        raise BadBody(f"It is missing; {verb} needs one.", field="Symbol")
    if verb.has_limit and message.price is None:
        raise BadBody(f"It is missing; {verb} needs the price of its order.", field="Prix")
    if verb is Verb.MAJ and message.stop_loss is None and message.take_profit is None:
        raise BadBody("MAJ needs PrixSL or PrixTP: neither has a value.", field="PrixSL")
    if verb is not Verb.MAJ and not message.percent:
        raise BadBody(f"{verb} of nothing: it has to be above 0.", field="PourCent")
    if not verb.sells:
        _check_prices(message)


def _check_prices(message: Message) -> None:
    """The stop-loss below the price of a limit order, the take-profit above it."""
    prices = {
        "PrixSL": message.stop_loss,
        "Prix": message.price if message.verb.has_limit else None,
        "PrixTP": message.take_profit,
    }
    given = [(name, price) for name, price in prices.items() if price is not None]
    for (lower, low), (upper, high) in itertools.pairwise(given):
        if low >= high:
            raise BadBody(f"{low:f} has to be below {upper}, which is {high:f}.", field=lower)


def _read(fields: Mapping[str, str | None], name: str, convert: Callable[[str], T]) -> T | None:
    """What `convert` makes of a field, None where that has no value; its ValueError becomes words."""
    value = fields.get(name)
    if value is None:
        return None
    try:
        return convert(value)
    except ValueError as error:
        raise BadBody(str(error), field=name) from error


def _read_verb(text: str | None) -> Verb:
    verb = _VERBS.get((text or "").lower())
    if verb is None:
        known = ", ".join(SENT_VERBS)
        what = f"{text[:40]} is unknown" if text else "It is missing"
        raise BadBody(f"{what}. It is one of {known}.", field="Action")
    return verb


def _read_symbol(fields: Mapping[str, str | None]) -> tuple[str, str, str]:
    """BTCUSDT, and what it consists of as far as that was said."""
    text = (fields.get("Symbol") or "").upper().rpartition(":")[2].strip()
    if not text:
        return "", "", ""
    if perpetual := _PERPETUAL.fullmatch(text):
        words = f"{text} is a perpetual future, and only spot is traded: put the alert on {perpetual[1]}."
        raise BadBody(words, field="Symbol")
    found = _SYMBOL.fullmatch(text)
    if not found:
        raise BadBody(f"{text[:40]} is no pair such as BTCUSDT.", field="Symbol")
    base = (found[1] or fields.get("BaseCurrency") or "").upper()
    quote = (found[2] or fields.get("Currency") or "").upper()
    symbol = "".join(found.groups()) if found[1] else text
    is_pair = symbol.startswith(base) and symbol.endswith(quote) and symbol not in {base, quote}
    if not is_pair or (base and quote and base + quote != symbol):
        words = f"{symbol} does not consist of BaseCurrency {base} and Currency {quote}."
        raise BadBody(words, field="Symbol")
    if base or quote:
        base, quote = base or symbol.removesuffix(quote), quote or symbol.removeprefix(base)
    return symbol, base, quote


def _read_percent(fields: Mapping[str, str | None]) -> Decimal:
    if "PourCent" not in fields:
        return Decimal(100)
    percent = _read(fields, "PourCent", _to_number)
    if percent is None:
        # All of the money would be a bold reading of no value.
        raise BadBody("It has no value. Leave it out for 100.", field="PourCent")
    if not 0 <= percent <= 100:
        raise BadBody(f"{fields['PourCent']} is not between 0 and 100.", field="PourCent")
    return percent.quantize(PERCENT_GRAIN, ROUND_DOWN)


def _to_number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]} is no number such as 67000.5.")
    number = Decimal(text)
    if abs(number) >= MOST:
        raise ValueError(f"{text[:40]} is too large.")
    return number


def _to_price(text: str) -> Decimal | None:
    """Zero is what a chart writes where it has no price."""
    price = _to_number(text)
    if price < 0:
        raise ValueError(f"{text} is below zero.")
    rounded = price.quantize(PRICE_GRAIN)
    if price and not rounded:
        raise ValueError(f"{text} is too small.")
    return rounded.normalize() if rounded else None


def _to_whole(text: str) -> int:
    found = _WHOLE.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]} is no whole number.")
    return int(found[1])


def _to_interval(text: str) -> timedelta:
    found = _INTERVAL.fullmatch(text)
    count = int(found[1] or (1 if found[2] else 0)) if found else 0
    if not found or not count:
        raise ValueError(
            f"{text[:40]} is no length of a bar with a fixed time: 5 or 5m are minutes, 60 or 1h an hour,"
            " D a day, W a week."
        )
    interval = count * _UNITS[found[2].lower()]
    if interval > LONGEST_INTERVAL:
        raise ValueError(f"{text} is longer than a month.")
    return interval


def _to_moment(text: str) -> datetime:
    """ISO, in UTC where it does not say otherwise; Pine's `time` counts milliseconds."""
    if found := _EPOCH.fullmatch(text):
        moment = datetime.fromtimestamp(int(found[1]), UTC)
        moment += timedelta(milliseconds=int(found[2] or 0))
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{text[:40]} is no time such as 2026-01-31T12:00:00Z.") from error
    if not 2000 <= moment.year < 2100:
        raise ValueError(f"{text[:40]} is of another century.")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
