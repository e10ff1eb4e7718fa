"""What a webhook passes before it is answered: who sends it, from where and how often; then it is stored,
and only then said to be."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus

from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.core.rows import Rows
from apps.trading.models import new_client_order_id
from apps.webhooks.addresses import is_within
from apps.webhooks.floods import Floods
from apps.webhooks.messenger import Wish, messenger
from apps.webhooks.models import Webhook, WebhookSource
from apps.webhooks.reading import (
    BadBody,
    Message,
    find_token,
    hide_token,
    read_fields,
    read_message,
)
from apps.webhooks.tokens import hash_token
from apps.webhooks.verbs import Verb

MAX_BYTES = 64 * 1024
MINUTE = timedelta(minutes=1)
#: How often a key that others have and give up is tried for.
ATTEMPTS = 5
LONGEST_NOTE = 200
UNKNOWN_SENDER = (
    "No source has this token. It belongs into the address, /webhook/TOKEN, into the field Token of the body"
    " or into the header X-Webhook-Token."
)

_ROWS = Rows(source=WebhookSource)
# The sender waits, so it is one query: the source, where it may trade, and how much it has sent of late.
_READ = f"""
SELECT {_ROWS.columns},
       (SELECT json_agg(json_build_array(id, broker_id) ORDER BY broker_id)
        FROM webhooks_destination WHERE source_id = source.id AND is_allowed),
       (SELECT count(*) FROM (SELECT FROM webhooks_webhook
                              WHERE source_id = source.id AND received_at > %(minute_ago)s
                              LIMIT %(most)s) AS recent)
FROM webhooks_webhooksource AS source
WHERE source.token_hash = %(token_hash)s
"""  # noqa: S608  the columns come from the models


class Refused(Exception):
    """A delivery of which nothing is stored; its words are for the sender."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request: what was posted, by whom; `token` and `signature` are empty where the address and the
    headers carried none."""

    body: bytes
    token: str
    signature: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    """An authentic source; `destinations` are the ids of the brokers it may trade on, with those of the
    destinations."""

    source: WebhookSource
    destinations: dict[int, int]
    recent: int


def receive(delivery: Delivery, *, now: datetime) -> Webhook:
    """The row that an authentic delivery has become, committed, whatever its body says: an error where that
    makes no sense. What asks for more than to be noted is processed by a task. Raises Refused."""
    if len(delivery.body) > MAX_BYTES:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {MAX_BYTES:,} bytes are read.")
    sender = _find_sender(delivery, now)
    webhook = Webhook(
        owner_id=sender.source.owner_id,
        source=sender.source,
        body=hide_token(delivery.body),
        address=delivery.address or None,
        trace_id=new_client_order_id(),
        received_at=now,
    )
    try:
        webhook.fields = read_fields(delivery.body)
        message = read_message(webhook.fields)
        destination_id = _find_destination(message, sender)
    except BadBody as error:
        _finish(webhook, Webhook.State.ERROR, str(error))
        webhook.save()
        return webhook
    _fill(webhook, message, destination_id)
    _store(webhook, window=None if message.bar_at else _window(message, sender.source))
    if webhook.state == Webhook.State.RECEIVED:
        line = (webhook.source_id, webhook.symbol_name)
        wish = Wish(webhook_id=webhook.pk, trace_id=webhook.trace_id, line=line)
        transaction.on_commit(partial(messenger.hand_over, wish))
    return webhook


def _find_sender(delivery: Delivery, now: datetime) -> _Sender:
    token_hash = hash_token(delivery.token or find_token(delivery.body))
    if floods.is_flood(delivery.address, token_hash):
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong tokens came from this address.")
    sender = _read_sender(token_hash, now)
    if sender is None:
        floods.count(delivery.address)
        raise Refused(HTTPStatus.UNAUTHORIZED, UNKNOWN_SENDER)
    source = sender.source
    if source.networks and not is_within(delivery.address, source.networks):
        words = (
            f"{delivery.address or 'An unknown address'} is not one that this source may send from."
        )
        raise Refused(HTTPStatus.FORBIDDEN, words)
    if source.secret and not _is_signed(delivery, source.secret):
        words = "X-Webhook-Signature is not the HMAC-SHA256 of the body with the source's secret."
        raise Refused(HTTPStatus.FORBIDDEN, words)
    if sender.recent >= settings.WEBHOOKS_PER_MINUTE:
        words = (
            f"More than {settings.WEBHOOKS_PER_MINUTE} webhooks of this source came in a minute."
        )
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, words)
    return sender


def _read_sender(token_hash: str, now: datetime) -> _Sender | None:
    with connection.cursor() as cursor:
        cursor.execute(
            _READ,
            {
                "token_hash": token_hash,
                "minute_ago": now - MINUTE,
                "most": settings.WEBHOOKS_PER_MINUTE,
            },
        )
        row = cursor.fetchone()
    if row is None:
        return None
    (source,), (destinations, recent) = _ROWS.split(row)
    by_broker = {broker_id: pk for pk, broker_id in destinations or ()}
    return _Sender(source=source, destinations=by_broker, recent=recent)


def _is_signed(delivery: Delivery, secret: str) -> bool:
    expected = hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    given = delivery.signature.lower().removeprefix("sha256=")
    return hmac.compare_digest(expected.encode(), given.encode())


def _find_destination(message: Message, sender: _Sender) -> int | None:
    """Where a message is to trade, which its sender has to be allowed; what it says of user, broker and
    symbol has to agree with its source and grants nothing. Raises BadBody."""
    source, destinations = sender.source, sender.destinations
    if message.user_id not in {None, source.owner_id}:
        raise BadBody(f"This source is not of user {message.user_id}.", field="UserID")
    if message.broker_id is not None and message.broker_id not in destinations:
        words = f"This source may not trade on broker {message.broker_id}. {_name(destinations)}"
        raise BadBody(words, field="UserExchangeID")
    if message.verb is Verb.PING:
        return destinations.get(message.broker_id or 0)
    if source.symbols and message.symbol not in {name.replace("/", "") for name in source.symbols}:
        words = f"This source may not trade {message.symbol}, but {', '.join(source.symbols)}."
        raise BadBody(words, field="Symbol")
    if message.broker_id is None and len(destinations) != 1:
        raise BadBody(f"Say on which broker. {_name(destinations)}", field="UserExchangeID")
    return destinations[message.broker_id or next(iter(destinations))]


def _name(brokers: Iterable[int]) -> str:
    names = ", ".join(map(str, brokers))
    return f"It may on {names}." if names else "It may on none: add one on its page."


def _fill(webhook: Webhook, message: Message, destination_id: int | None) -> None:
    webhook.destination_id = destination_id
    webhook.action = message.verb.value
    webhook.symbol_name = message.symbol
    webhook.interval, webhook.bar_at = message.interval, message.bar_at
    webhook.price, webhook.percent = message.price, message.percent
    webhook.stop_loss_price = message.stop_loss
    webhook.take_profit_price = message.take_profit
    webhook.natural_key = _make_key(webhook)
    if message.ignored:
        names = ", ".join(message.ignored)[:LONGEST_NOTE]
        webhook.reason = f"Not part of the contract, and ignored: {names}."
    if message.verb is Verb.PING:
        _finish(webhook, Webhook.State.PROCESSED, f"Alive. {webhook.reason}".rstrip())


def _make_key(webhook: Webhook) -> str:
    """What makes two webhooks the same: what they ask for, on which bar; the whole body where no bar is
    named. A PING without a bar is one of many."""
    if webhook.bar_at is None:
        if webhook.action == Verb.PING:
            return ""
        parts: list[object] = [webhook.source_id, webhook.body]
    else:
        prices: list[object] = [webhook.price]
        if webhook.action == Verb.MAJ:
            prices = [webhook.stop_loss_price, webhook.take_profit_price]
        parts = [
            webhook.source_id,
            webhook.destination_id,
            webhook.symbol_name,
            webhook.interval,
            webhook.bar_at,
            webhook.action,
            *prices,
        ]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _window(message: Message, source: WebhookSource) -> timedelta:
    """How long the same body without a bar means the same alert."""
    return message.interval or source.interval or MINUTE


def _store(webhook: Webhook, *, window: timedelta | None) -> None:
    """Write it; as a duplicate, where another has its natural key, by the database's word alone. A key
    that holds for a `window` is taken over from a webhook that came before that."""
    for _attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                webhook.save(force_insert=True)
        except IntegrityError:
            if not _yield_to_first(webhook, window):
                continue
            webhook.save(force_insert=True)
        return
    raise DatabaseError("The natural key of a webhook could neither be had nor found.")


def _yield_to_first(webhook: Webhook, window: timedelta | None) -> bool:
    """Make it a duplicate of the one that has its key; False where the key is free by now."""
    key = webhook.natural_key
    first = Webhook.objects.filter(natural_key=key).only("received_at").first()
    if first is None:
        return False
    age = webhook.received_at - first.received_at
    if window is not None and age >= window:
        Webhook.objects.filter(pk=first.pk, natural_key=key).update(natural_key="")
        return False
    webhook.duplicate_of, webhook.natural_key = first, ""
    words = f"The same as webhook {first.pk}, which came {age.total_seconds():.1f} s before."
    _finish(webhook, Webhook.State.DUPLICATE, f"{words} It is not traded again.")
    return True


def _finish(webhook: Webhook, state: Webhook.State, reason: str) -> None:
    webhook.state, webhook.reason, webhook.finished_at = state, reason, webhook.received_at


def _list_tokens() -> set[str]:
    return set(WebhookSource.objects.exclude(token_hash="").values_list("token_hash", flat=True))


floods = Floods(_list_tokens)
