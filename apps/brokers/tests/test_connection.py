from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DataError, transaction
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.brokers import connection, services
from apps.brokers.forms import BrokerForm
from apps.brokers.models import Broker, ConnectionTest
from apps.brokers.tests.fakes import FORM, REAL, FakeClient, FakeWorker, balance, report, save
from apps.core.tasks import TaskName
from apps.exchanges import ports
from apps.exchanges.errors import ExchangeUnavailable
from apps.exchanges.ports import ConnectionReport

REFUSED = ConnectionReport(ok=False, message="The secret is wrong.")


def test_what_the_test_found_is_on_the_broker_at_once(client: Client, alice: User) -> None:
    assert save(client, alice, **REAL) == "saved"

    broker = Broker.objects.get()
    assert (broker.connection_ok, broker.connection_message) == (True, report().message)
    assert broker.connection_checked_at == broker.balances_as_of
    assert [(row.asset, row.free) for row in broker.balances.all()] == [("USDT", 1000)]
    assert broker.initial_capital == 1000


def test_the_symbols_are_read_after_saving(client: Client, alice: User, worker: FakeWorker) -> None:
    save(client, alice, **REAL)

    assert worker.messages[1:] == [
        (TaskName.SYNC_SYMBOLS, {"exchange": "binance", "environment": "live"})
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (REFUSED, "The secret is wrong."),
        (report(can_trade=False), "may not trade"),
        (report(can_withdraw=True), "can withdraw"),
        (report(can_withdraw=None), "could not be learned"),
    ],
)
def test_a_key_that_will_not_do_is_not_saved(
    client: Client, alice: User, worker: FakeWorker, answer: ConnectionReport, words: str
) -> None:
    worker.client.report = answer

    page = save(client, alice, **REAL)

    assert words in page
    assert "Nothing was saved" in page
    assert not Broker.objects.exists()
    assert not ConnectionTest.objects.exists()


@pytest.mark.parametrize("can_withdraw", [True, None])
def test_who_insists_may_use_a_key_that_can_or_may_withdraw(
    client: Client, alice: User, worker: FakeWorker, can_withdraw: bool | None
) -> None:
    worker.client.report = report(can_withdraw=can_withdraw)

    assert save(client, alice, **REAL, accept_withdrawals="on") == "saved"


def test_away_from_real_money_rights_that_are_not_told_do_no_harm(
    client: Client, alice: User, worker: FakeWorker
) -> None:
    worker.client.report = report(can_withdraw=None)

    assert save(client, alice, **{**REAL, "environment": "testnet"}) == "saved"


def test_without_a_worker_nothing_is_saved(client: Client, alice: User, worker: FakeWorker) -> None:
    worker.is_there = False

    page = save(client, alice, **REAL)

    assert "No worker answered" in page
    assert "Look at Processes" in page
    assert not Broker.objects.exists()
    assert not ConnectionTest.objects.exists()


def test_a_silent_exchange_is_not_taken_for_a_missing_worker(
    client: Client, alice: User, worker: FakeWorker, now: datetime
) -> None:
    worker.act = lambda **_kwargs: ConnectionTest.objects.update(started_at=now)

    assert "Binance did not answer in time" in save(client, alice, **REAL)


def test_a_task_queue_that_is_down_is_not_waited_for(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.brokers.connection.TEST_SECONDS", 3600)
    monkeypatch.setattr("apps.brokers.connection.send", lambda *_args, **_kwargs: False)

    assert "No worker answered" in save(client, alice, **REAL)


@pytest.mark.parametrize(("is_restricted", "warns"), [(False, True), (True, False), (None, False)])
def test_a_key_that_works_from_any_address_is_warned_of(
    client: Client, alice: User, worker: FakeWorker, is_restricted: bool | None, warns: bool
) -> None:
    worker.client.report = report(is_ip_restricted=is_restricted)

    save(client, alice, **REAL)

    page = client.get(reverse("admin:brokers_broker_changelist")).content.decode()
    assert ("works from any address" in page) is warns


def test_a_paper_key_may_work_from_anywhere(
    client: Client, alice: User, worker: FakeWorker
) -> None:
    worker.client.report = report(is_ip_restricted=False)

    save(client, alice)

    page = client.get(reverse("admin:brokers_broker_changelist")).content.decode()
    assert "works from any address" not in page


def test_new_keys_are_tested_before_they_replace_the_old(
    client: Client, broker: Broker, worker: FakeWorker
) -> None:
    worker.client.report = REFUSED

    page = save(client, broker.owner, broker, api_key="new", api_secret="newer")

    assert REFUSED.message in page
    assert Broker.objects.get().api_key == broker.api_key


def test_the_keys_that_are_saved_are_those_that_were_tested(
    client: Client, alice: User, worker: FakeWorker
) -> None:
    save(client, alice)

    assert Broker.objects.get().is_same_account(worker.accounts[0])


def test_a_form_with_another_mistake_asks_nobody(
    client: Client, broker: Broker, worker: FakeWorker
) -> None:
    page = save(client, broker.owner, **{**REAL, "name": broker.name})

    assert "with this name already" in page
    assert "was not asked" not in page
    assert worker.messages == []


def test_an_answer_for_other_keys_does_not_count(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ConnectionTest(exchange="binance", environment="live", api_key="other")
    monkeypatch.setattr("apps.brokers.admin.try_keys", lambda **_kwargs: other)

    assert "was not asked about these keys" in save(client, alice, **REAL)


def test_the_form_alone_never_takes_new_keys(alice: User) -> None:
    form = BrokerForm({**FORM, **REAL}, instance=Broker(owner=alice))

    assert not form.is_valid()
    assert form.needs_test


def test_nobody_tests_or_changes_a_foreign_broker(
    client: Client, broker: Broker, bob: User, worker: FakeWorker
) -> None:
    save(client, bob, broker, api_key="new", api_secret="newer")

    assert (worker.messages, Broker.objects.get().api_key) == ([], broker.api_key)


def test_a_connection_test_is_its_owners(alice: User, bob: User) -> None:
    ConnectionTest.objects.create(owner=alice, exchange="binance", environment="live")

    assert ConnectionTest.objects.for_user(alice).count() == 1
    assert ConnectionTest.objects.for_user(bob).count() == 0


def test_secrets_are_in_no_message_no_answer_and_no_page(
    client: Client, alice: User, worker: FakeWorker
) -> None:
    rows: list[ConnectionTest] = []
    act = worker.act

    def act_and_look(*, test_id: int) -> None:
        act(test_id=test_id)
        rows.append(ConnectionTest.objects.get())

    worker.act = act_and_look
    worker.client.report = report(can_withdraw=True)

    page = save(client, alice, **REAL)

    assert worker.messages == [(TaskName.TEST_CONNECTION, {"test_id": rows[0].pk})]
    assert (rows[0].api_key, rows[0].api_secret, rows[0].passphrase) == ("", "", "")
    for secret in (REAL["api_key"], REAL["api_secret"]):
        assert secret not in page
        assert secret not in str(rows[0].outcome)


def test_a_test_that_nobody_waits_for_asks_nobody(
    db: None, worker: FakeWorker, now: datetime
) -> None:
    connection.run_connection_test(test_id=1, now=now)

    assert worker.accounts == []


def test_a_second_delivery_asks_no_more(alice: User, worker: FakeWorker, now: datetime) -> None:
    test = ConnectionTest.objects.create(owner=alice, exchange="binance", environment="live")

    for _delivery in range(2):
        connection.run_connection_test(test_id=test.pk, now=now)

    assert len(worker.accounts) == 1


def test_a_second_delivery_meanwhile_does_not_ask_without_keys(
    alice: User, worker: FakeWorker, now: datetime
) -> None:
    test = ConnectionTest.objects.create(owner=alice, exchange="binance", environment="live")
    ConnectionTest.objects.update(started_at=now)

    connection.run_connection_test(test_id=test.pk, now=now)

    assert worker.accounts == []


def test_a_test_that_fails_leaves_no_keys_and_tells_who_waits(
    alice: User, worker: FakeWorker, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = ConnectionTest.objects.create(
        owner=alice, exchange="binance", environment="live", api_key="key", api_secret="secret"
    )
    seen: list[tuple[str, str]] = []

    def fail() -> ConnectionReport:
        row = ConnectionTest.objects.get()
        seen.append((row.api_key, row.api_secret))
        raise RuntimeError("odd")

    monkeypatch.setattr(worker.client, "test_connection", fail)

    with pytest.raises(RuntimeError):
        connection.run_connection_test(test_id=test.pk, now=now)

    test.refresh_from_db()
    assert (seen, test.api_key, test.api_secret) == ([("", "")], "", "")
    assert test.finished_at
    assert test.report
    assert (test.report.ok, "could not be tested" in test.report.message) == (False, True)


def test_an_answer_that_no_column_holds_is_told_all_the_same(
    alice: User, worker: FakeWorker, now: datetime
) -> None:
    test = ConnectionTest.objects.create(owner=alice, exchange="binance", environment="live")
    worker.client.report = report(server_time_offset=float("inf"))

    with pytest.raises(DataError):
        connection.run_connection_test(test_id=test.pk, now=now)

    test.refresh_from_db()
    assert test.report
    assert not test.report.ok


def test_words_are_kept_without_what_no_column_holds(
    client: Client, alice: User, worker: FakeWorker
) -> None:
    worker.client.report = report(message="Conn\0ected.", permissions=("sp\0ot",))

    assert save(client, alice, **REAL) == "saved"

    assert Broker.objects.get().connection_message == "Connected."


@pytest.mark.parametrize(
    "odd",
    [
        balance("A" * 21, 1),
        balance("A\0", 1),
        balance("AAA", "1e18"),
        balance("AAA", "NaN"),
        balance("USDC", 2),
    ],
)
def test_a_balance_that_no_column_holds_is_left_out_and_named(
    client: Client, alice: User, worker: FakeWorker, odd: ports.Balance
) -> None:
    worker.client.report = report(balances=(balance("USDC", 1), odd))

    assert save(client, alice, **REAL) == "saved"

    broker = Broker.objects.get()
    assert [(row.asset, row.free) for row in broker.balances.all()] == [("USDC", 1)]
    assert f"can't be kept: {odd.asset[:20]}".rstrip("\0") in broker.connection_message
    assert broker.initial_capital == 1


def test_what_was_left_behind_is_forgotten(alice: User) -> None:
    row = ConnectionTest.objects.create(owner=alice, exchange="binance", environment="live")
    later = row.created_at + timedelta(seconds=1)

    forgotten = [
        connection.forget_connection_tests(created_before=moment)
        for moment in (row.created_at, later)
    ]

    assert forgotten == [0, 1]


def test_the_button_tests_the_stored_keys(
    client: Client, broker: Broker, worker: FakeWorker
) -> None:
    client.force_login(broker.owner)
    button = reverse("admin:brokers_broker_test_connection", args=[broker.pk])

    client.post(button, {"_form_submitted": "on"})

    assert worker.messages == [(TaskName.TEST_BROKER, {"broker_id": broker.pk})]


def test_a_stored_broker_keeps_the_words_of_a_failure(
    broker: Broker, worker: FakeWorker, now: datetime
) -> None:
    worker.client.report = REFUSED

    connection.test_broker(broker_id=broker.pk, now=now)

    broker.refresh_from_db()
    assert (broker.connection_ok, broker.connection_message) == (False, REFUSED.message)
    assert broker.balances.get().asset == "USDT"


def test_a_market_that_is_not_running_is_said(
    broker: Broker, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.brokers.connection.connect", services.connect)
    Broker.objects.update(environment="replay")

    connection.test_broker(broker_id=broker.pk, now=now)

    broker.refresh_from_db()
    assert "runs with a simulated one" in broker.connection_message


def test_an_older_answer_never_replaces_a_newer_one(broker: Broker, now: datetime) -> None:
    earlier = now - timedelta(seconds=1)
    services.store_report(broker_id=broker.pk, report=report(), worth=None, as_of=now)

    services.store_report(broker_id=broker.pk, report=REFUSED, worth=None, as_of=earlier)

    assert Broker.objects.get().connection_ok


def test_a_capital_that_was_typed_stays(client: Client, alice: User) -> None:
    save(client, alice, **REAL, initial_capital="77")

    assert Broker.objects.get().initial_capital == 77


def test_the_first_snapshot_becomes_the_initial_capital(
    broker: Broker, worker: FakeWorker, now: datetime
) -> None:
    for amount in (1000, 2000):
        worker.client.report = report(balances=(balance("USDT", amount),))
        connection.test_broker(broker_id=broker.pk, now=now)

    assert Broker.objects.get().initial_capital == 1000


def test_what_has_no_price_is_named_and_left_out(
    broker: Broker, worker: FakeWorker, now: datetime
) -> None:
    worker.client.report = report(balances=(balance("USDT", 10), balance("LUNC", 5)))

    connection.test_broker(broker_id=broker.pk, now=now)

    broker.refresh_from_db()
    assert broker.initial_capital == 10
    assert broker.connection_message.endswith("No price for LUNC: left out of what it is worth.")


@pytest.mark.parametrize(
    ("held", "prices", "worth"),
    [
        ({"USDT": "1", "USDC": "2", "USD": "3"}, {}, "6"),
        ({"USDT": "1", "BTC": "0.5"}, {"BTC/USDT": "100"}, "51"),
        ({"BTC": "1"}, {"BTC/USDT": "100.129"}, "100.13"),
        ({"OLD": "1"}, {"OLD/USDT": "0"}, None),
        ({}, {}, None),
    ],
)
def test_balances_are_valued_in_usdt(
    held: dict[str, str], prices: dict[str, str], worth: str | None
) -> None:
    balances = [balance(asset, amount) for asset, amount in held.items()]

    value, _remark = connection.value_balances(FakeClient(prices=prices), balances)  # type: ignore[arg-type]

    assert value == (None if worth is None else Decimal(worth))


@pytest.mark.parametrize("price", ["1e23", "1e10"])
def test_a_worth_that_no_column_holds_is_unknown(price: str) -> None:
    client = FakeClient(prices={"PEPE/USDT": price})

    value, remark = connection.value_balances(client, [balance("PEPE", "1e10")])  # type: ignore[arg-type]

    assert (value, "too large to keep" in remark) == (None, True)


def test_prices_that_can_not_be_read_leave_the_worth_unknown() -> None:
    client = FakeClient(prices=ExchangeUnavailable("No answer."))

    value, remark = connection.value_balances(client, [balance("USDT", 1), balance("BTC", 1)])  # type: ignore[arg-type]

    assert (value, "No answer." in remark) == (None, True)


@pytest.mark.django_db(transaction=True)
def test_another_process_sees_the_test_before_the_broker_is_saved(
    client: Client, alice: User, worker: FakeWorker
) -> None:
    act, seen = worker.act, []

    def act_elsewhere(test_id: int) -> None:
        try:
            seen.append(ConnectionTest.objects.get(pk=test_id).api_key)
            act(test_id=test_id)
        finally:
            database.close()

    def hand_over(*, test_id: int) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(act_elsewhere, test_id).result()

    worker.act = hand_over

    assert save(client, alice, **REAL) == "saved"
    assert seen == [REAL["api_key"]]


@pytest.mark.django_db(transaction=True)
def test_asking_inside_a_transaction_is_a_mistake(alice: User) -> None:
    account = Broker(exchange="binance", environment="live")

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        connection.try_keys(owner=alice, account=account)
