"""Who gets in, what is kept of it, and what is answered."""

import hashlib
import hmac
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.core.traces import TokenMask
from apps.webhooks import receiving
from apps.webhooks.models import Destination, Webhook, WebhookSource
from apps.webhooks.tests.conftest import TOKEN, add_destination
from apps.webhooks.tokens import hash_token

PING = '{"Action": "PING"}'
BUY = '{"Action": "BuyMarket", "Symbol": "BTCUSDT", "PourCent": 50, "BarTime": "2026-01-01T12:00:00Z"}'
Post = Callable[..., Any]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The webhooks that a task was asked for."""
    ids: list[int] = []
    monkeypatch.setattr(receiving.messenger, "hand_over", lambda wish: ids.append(wish.webhook_id))
    monkeypatch.setattr(receiving.transaction, "on_commit", lambda act: act())
    return ids


def test_a_webhook_is_stored_and_handed_on(
    destination: Destination, post: Post, sent: list[int]
) -> None:
    answer = post(BUY)

    row = Webhook.objects.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "received",
        "id": row.pk,
        "trace_id": row.trace_id,
        "timestamp": row.received_at.isoformat(),
        "reason": "",
    }
    assert (row.owner, row.source, row.destination) == (
        destination.owner,
        destination.source,
        destination,
    )
    assert (row.state, row.action, row.symbol_name) == ("received", "BuyMarket", "BTCUSDT")
    assert row.percent == Decimal(50)
    assert row.bar_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert row.body == BUY
    assert row.address == "127.0.0.1"
    assert len(row.trace_id) == 32
    assert sent == [row.pk]


@pytest.mark.usefixtures("source")
def test_a_ping_is_done_when_it_is_stored(post: Post, sent: list[int]) -> None:
    assert post(PING).status_code == 200
    assert post(PING).status_code == 200

    assert list(Webhook.objects.values_list("state", "reason")) == [("processed", "Alive.")] * 2
    assert sent == []


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("path", ["/webhook", "/webhook/"])
@pytest.mark.parametrize("place", ["header", "body"])
def test_where_a_token_may_be(post: Post, path: str, place: str) -> None:
    if place == "header":
        answer = post(PING, path, **{"X-Webhook-Token": TOKEN})
    else:
        answer = post(f'{{"Action": "PING", "Token": "{TOKEN}"}}', path)

    assert answer.status_code == 200
    assert TOKEN not in Webhook.objects.get().body


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_path_with_a_token_does_not_redirect(post: Post, slash: str) -> None:
    assert post(PING, f"/webhook/{TOKEN}{slash}").status_code == 200


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("path", ["/webhook", "/webhook/wrong", f"/webhook/{TOKEN[:-1]}"])
def test_without_a_valid_token_nothing_is_stored(post: Post, path: str) -> None:
    answer = post(BUY, path)

    assert answer.status_code == 401
    assert answer.json()["reason"].startswith("No source has this token.")
    assert not Webhook.objects.exists()


def test_a_revoked_token_is_wrong(source: WebhookSource, post: Post) -> None:
    WebhookSource.objects.filter(pk=source.pk).update(token_hash="")

    assert post(PING).status_code == 401
    assert post(PING, "/webhook").status_code == 401


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", 'The body has to be one JSON object: {"Action": "PING", ...}.'),
        ('{"Action": "Buy"}', "Action: Buy is unknown."),
        ('{"Action": "BuyMarket"}', "Symbol: It is missing; BuyMarket needs one."),
        ('{"Action": "PING", "UserID": 0}', "UserID: This source is not of user 0."),
        ('{"Action": "PING", "UserExchangeID": 0}', "UserExchangeID: This source may not trade"),
        (b'{"Action": "\x00\xff"}', "The body is no UTF-8 text."),
    ],
)
def test_a_bad_body_is_answered_with_its_reason_and_kept(
    post: Post, sent: list[int], body: str, reason: str
) -> None:
    answer = post(body)

    row = Webhook.objects.get()
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert answer.json()["reason"].startswith(reason)
    assert (row.state, row.reason) == ("error", answer.json()["reason"])
    assert sent == []


@pytest.mark.usefixtures("source")
def test_names_outside_the_contract_are_told_to_the_sender(post: Post) -> None:
    answer = post(BUY.replace("PourCent", "Percent"))

    assert answer.json()["reason"] == "Not part of the contract, and ignored: Percent."


@pytest.mark.usefixtures("source")
def test_a_body_that_is_too_large_is_not_read(post: Post) -> None:
    assert post("x" * 65_537).status_code == 413
    assert post("x" * 65_536).status_code == 400
    assert Webhook.objects.count() == 1


def test_addresses_that_a_source_may_not_send_from(source: WebhookSource, post: Post) -> None:
    WebhookSource.objects.filter(pk=source.pk).update(networks=["52.32.178.7", "10.0.0.0/8"])

    answer = post(PING)

    assert answer.status_code == 403
    assert answer.json()["reason"] == ("127.0.0.1 is not one that this source may send from.")
    assert not Webhook.objects.exists()


def test_the_address_that_a_trusted_proxy_tells(
    source: WebhookSource, post: Post, settings: Any
) -> None:
    settings.PROXIES = ["127.0.0.0/8"]
    WebhookSource.objects.filter(pk=source.pk).update(networks=["52.32.178.7"])

    assert post(PING, **{"X-Forwarded-For": "9.9.9.9, 52.32.178.7"}).status_code == 200
    assert post(PING, **{"X-Forwarded-For": "52.32.178.7, 9.9.9.9"}).status_code == 403
    assert Webhook.objects.get().address == "52.32.178.7"


def test_a_source_with_a_secret_takes_only_what_is_signed(
    source: WebhookSource, post: Post
) -> None:
    source.secret = "s3cret"
    source.save()
    signature = hmac.new(b"s3cret", PING.encode(), hashlib.sha256).hexdigest()

    assert post(PING, **{"X-Webhook-Signature": signature}).status_code == 200
    assert post(PING, **{"X-Webhook-Signature": f"sha256={signature.upper()}"}).status_code == 200
    assert post(PING + " ", **{"X-Webhook-Signature": signature}).status_code == 403
    assert post(PING).status_code == 403
    assert Webhook.objects.count() == 2


@pytest.mark.usefixtures("source")
def test_a_source_that_sends_too_much_has_to_wait(post: Post, settings: Any) -> None:
    settings.WEBHOOKS_PER_MINUTE = 2

    statuses = [post(PING).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert Webhook.objects.count() == 2

    Webhook.objects.update(received_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert post(PING).status_code == 200


@pytest.mark.usefixtures("source")
def test_an_address_with_many_wrong_tokens_costs_no_more_questions(
    post: Post, django_assert_num_queries: Any
) -> None:
    for _ in range(60):
        assert post(PING, "/webhook/wrong").status_code == 401

    with django_assert_num_queries(1):  # the list of tokens
        answers = [post(PING, "/webhook/wrong").status_code for _ in range(5)]

    assert set(answers) == {429}
    assert post(PING).status_code == 200


@pytest.mark.usefixtures("source")
def test_while_the_database_is_away_nothing_is_said_to_be_stored(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(receiving, "_read_sender", fail)

    answer = post(PING)

    assert answer.status_code == 503
    assert answer.json()["reason"] == "It could not be stored. Send it again."


@pytest.mark.usefixtures("source")
def test_only_posts_are_taken(post: Post, client: Any) -> None:
    assert client.get(f"/webhook/{TOKEN}").status_code == 405


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.usefixtures("db", "post")
def test_the_server_tells_how_it_is(client: Any, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.usefixtures("source")
def test_the_same_on_the_same_bar_is_a_duplicate(post: Post, sent: list[int]) -> None:
    post(BUY)
    answer = post(BUY.replace("50", " 50 "))

    second, first = Webhook.objects.all()
    assert answer.status_code == 200
    assert answer.json()["status"] == "duplicate"
    assert (second.state, second.duplicate_of) == ("duplicate", first)
    assert second.reason.startswith(f"The same as webhook {first.pk}, which came ")
    assert sent == [first.pk]


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BuyMarket", "SellMarket"),
        ("BTCUSDT", "ETHUSDT"),
        ("12:00", "12:05"),
        ('"PourCent"', '"Interval": 5, "PourCent"'),
        ('"PourCent"', '"Prix": 5, "PourCent"'),
    ],
)
def test_what_makes_another_alert(post: Post, sent: list[int], old: str, new: str) -> None:
    post(BUY)
    post(BUY.replace(old, new))

    assert len(sent) == 2


@pytest.mark.usefixtures("source")
def test_moving_exits_twice_on_a_bar_is_no_duplicate(post: Post, sent: list[int]) -> None:
    body = '{"Action": "MAJ", "Symbol": "BTCUSDT", "PrixSL": %d, "BarTime": "2026-01-01T12:00:00Z"}'

    for stop in (95, 96, 96):
        post(body % stop)

    assert len(sent) == 2


def test_the_same_on_another_broker_is_no_duplicate(
    source: WebhookSource, broker: Broker, post: Post, sent: list[int]
) -> None:
    other = Broker.objects.create(
        owner=broker.owner, name="Other", exchange="kraken", environment="simulated"
    )
    add_destination(source, other)

    for one in (broker, other):
        post(BUY.replace("{", f'{{"UserExchangeID": {one.pk}, ', 1))

    assert len(sent) == 2


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("interval", "apart", "duplicates"), [("", 59, 1), ("", 60, 0), ("5", 299, 1), ("5", 300, 0)]
)
def test_the_same_body_without_a_bar_counts_once_an_interval(
    post: Post, interval: str, apart: int, duplicates: int
) -> None:
    body = f'{{"Action": "BuyMarket", "Symbol": "BTCUSDT", "Interval": "{interval}"}}'

    post(body)
    first = Webhook.objects.get()
    Webhook.objects.update(received_at=first.received_at - timedelta(seconds=apart))
    post(body)
    post(body)

    assert Webhook.objects.filter(duplicate_of=first).count() == duplicates * 2
    assert Webhook.objects.filter(state="duplicate").count() == 1 + duplicates


def test_an_interval_that_a_source_declares(source: WebhookSource, post: Post) -> None:
    WebhookSource.objects.filter(pk=source.pk).update(interval=timedelta(hours=1))

    post('{"Action": "BuyMarket", "Symbol": "BTCUSDT"}')
    Webhook.objects.update(received_at=Webhook.objects.get().received_at - timedelta(minutes=59))
    post('{"Action": "BuyMarket", "Symbol": "BTCUSDT"}')

    assert Webhook.objects.filter(state="duplicate").count() == 1


@pytest.fixture
def foreign(bob: User) -> tuple[Broker, str]:
    """Bob's broker, which his own source trades on with its token."""
    broker = Broker.objects.create(
        owner=bob, name="Bob's", exchange="binance", environment="simulated", automation="webhooks"
    )
    token = "bob" * 12
    source = WebhookSource.objects.create(owner=bob, name="RSI", token_hash=hash_token(token))
    add_destination(source, broker)
    return broker, token


def test_no_field_reaches_another_tenant(
    source: WebhookSource, foreign: tuple[Broker, str], post: Post
) -> None:
    broker, token = foreign
    buy = {"Action": "BuyMarket", "Symbol": "BTCUSDT"}
    foreign_values = {
        "UserExchangeID": broker.pk,
        "UserID": broker.owner_id,
        "Exchange": broker.name,
        "IndicateurName": broker.name,
        "Token": token,
        "Source": "RSI",
        "Owner": "bob",
        "BrokerID": broker.pk,
    }

    for name, value in foreign_values.items():
        post(str({**buy, name: value}).replace("'", '"'), **{"X-Webhook-Token": token})

    rows = Webhook.objects.all()
    assert len(rows) == len(foreign_values)
    assert {row.owner_id for row in rows} == {source.owner_id}
    assert {row.destination and row.destination.broker_id for row in rows} <= {
        None,
        source.destinations.get().broker_id,
    }


@pytest.mark.parametrize("name", ["UserID", "UserExchangeID"])
def test_what_names_another_tenant_is_refused(
    source: WebhookSource, foreign: tuple[Broker, str], post: Post, name: str
) -> None:
    broker, _token = foreign
    values = {"UserID": broker.owner_id, "UserExchangeID": broker.pk}

    answer = post(BUY.replace("{", f'{{"{name}": {values[name]}, ', 1))

    assert answer.status_code == 400
    assert answer.json()["reason"].startswith(f"{name}: This source ")


def test_a_broker_of_ones_own_has_to_be_allowed_too(
    destination: Destination, broker: Broker, post: Post
) -> None:
    Destination.objects.filter(pk=destination.pk).update(is_allowed=False)

    assert post(BUY).json()["reason"] == (
        "UserExchangeID: Say on which broker. It may on none: add one on its page."
    )
    assert post(BUY.replace("{", f'{{"UserExchangeID": {broker.pk}, ', 1)).status_code == 400


def test_with_several_brokers_one_has_to_be_named(
    source: WebhookSource, broker: Broker, post: Post
) -> None:
    other = Broker.objects.create(
        owner=broker.owner, name="Other", exchange="kraken", environment="simulated"
    )
    add_destination(source, other)

    assert post(BUY).json()["reason"] == (
        f"UserExchangeID: Say on which broker. It may on {broker.pk}, {other.pk}."
    )


def test_symbols_that_a_source_may_not_trade(source: WebhookSource, post: Post) -> None:
    WebhookSource.objects.filter(pk=source.pk).update(symbols=["ETH/USDT"])

    answer = post(BUY)

    assert answer.status_code == 400
    assert answer.json()["reason"] == ("Symbol: This source may not trade BTCUSDT, but ETH/USDT.")


def test_tokens_are_masked_in_log_lines() -> None:
    record = logging.LogRecord("x", 20, "x", 1, "%s: %s", ("Lost", f"/webhook/{TOKEN}/"), None)

    TokenMask().filter(record)

    assert record.getMessage() == "Lost: /webhook/***/"
