"""Whether keys work and what they may do, asked by a worker before they are saved."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.brokers.columns import MOST, split_balances, without_nul
from apps.brokers.models import Account, Broker, ConnectionTest
from apps.brokers.services import connect, store_report
from apps.core.enqueue import send
from apps.core.tasks import TaskName
from apps.core.venues import NotRunning
from apps.exchanges import ports
from apps.exchanges.errors import ExchangeError

#: How long a person waits for the exchange's word on new keys.
TEST_SECONDS = 15.0
_POLL_SECONDS = 0.1
#: Worth what they say; everything else is priced.
STABLECOINS = frozenset({"USDT", "USDC", "USD"})
_BLANK_KEYS = {"api_key": "", "api_secret": "", "passphrase": ""}
_FAILED = ports.ConnectionReport(
    ok=False, message="The keys could not be tested. The worker's log says why."
)


def try_keys(*, owner: User, account: Account) -> ConnectionTest:
    """Have a worker try the keys of an account that is not saved, and wait for its answer.

    The test that is returned is in memory alone, keys included: its row, which another process has to
    see and which is therefore not made inside a transaction, is deleted. It has no report where nobody
    answered in time.
    """
    with transaction.atomic(durable=True):
        test = ConnectionTest.objects.create(
            owner=owner,
            exchange=account.exchange,
            environment=account.environment,
            api_key=account.api_key,
            api_secret=account.api_secret,
            passphrase=account.passphrase,
        )
    row = ConnectionTest.objects.for_user(owner).filter(pk=test.pk)
    try:
        if send(TaskName.TEST_CONNECTION, test_id=test.pk):
            _wait_for_answer(test)
    finally:
        row.delete()
    return test


def _wait_for_answer(test: ConnectionTest) -> None:
    """Read the worker's answer into `test`, which keeps its keys."""
    answer = ("started_at", "finished_at", "outcome", "worth")
    give_up_at = time.monotonic() + TEST_SECONDS
    while True:
        test.refresh_from_db(fields=answer)
        if test.finished_at or time.monotonic() > give_up_at:
            return
        time.sleep(_POLL_SECONDS)


def run_connection_test(*, test_id: int, now: datetime) -> None:
    """Take the keys out of the row, ask the exchange and write its answer for who waits for it; nothing
    is done for a test that nobody waits for any more, or that was begun before. Whatever fails is told
    as a failed test and raised."""
    row = ConnectionTest.objects.filter(pk=test_id, started_at=None)
    test = row.first()
    # Blank before anything can fail; of two deliveries at once one has the keys.
    if test is None or not row.update(started_at=now, **_BLANK_KEYS):
        return
    try:
        _answer(test, *_ask(test, is_worth_asked=True))
    except Exception:
        _answer(test, _FAILED, None)
        raise


@transaction.atomic
def _answer(test: ConnectionTest, report: ports.ConnectionReport, worth: Decimal | None) -> None:
    outcome = without_nul(msgspec.to_builtins(report))
    ConnectionTest.objects.filter(pk=test.pk).update(
        outcome=outcome, worth=worth, finished_at=Now()
    )


def test_broker(*, broker_id: int, now: datetime) -> None:
    """Ask the exchange whether the stored keys work and keep its answer on the broker."""
    broker = Broker.objects.get(pk=broker_id)
    report, worth = _ask(broker, is_worth_asked=broker.initial_capital is None)
    store_report(broker_id=broker_id, report=report, worth=worth, as_of=now)


def forget_connection_tests(*, created_before: datetime) -> int:
    """Delete the tests whose process died while it waited; how many there were."""
    return ConnectionTest.objects.filter(created_at__lt=created_before).delete()[0]


def _ask(
    account: Account, *, is_worth_asked: bool
) -> tuple[ports.ConnectionReport, Decimal | None]:
    try:
        client = connect(account)
    except (NotRunning, ExchangeError) as error:
        return ports.ConnectionReport(ok=False, message=str(error)), None
    report = client.test_connection()
    kept, left_out = split_balances(report.balances)
    words, worth = [report.message], None
    if left_out:
        words.append(f"Left out, because they can't be kept: {', '.join(left_out)}.")
    if report.ok and is_worth_asked:
        worth, remark = value_balances(client, kept)
        words.append(remark)
    message = " ".join(filter(None, words))
    return replace(report, message=message, balances=tuple(kept)), worth


def value_balances(
    client: ports.MarketData, balances: Sequence[ports.Balance]
) -> tuple[Decimal | None, str]:
    """What balances are worth in USDT, and in words what that leaves out; None for an empty account,
    where the prices could not be read, and for more than a column holds."""
    totals = {row.asset: row.free + row.locked for row in balances if row.free + row.locked}
    symbols = {asset: f"{asset}/USDT" for asset in sorted(totals.keys() - STABLECOINS)}
    try:
        tickers = client.fetch_tickers(symbols.values()) if symbols else {}
    except ExchangeError as error:
        return None, f"What the account is worth could not be told: {error}"
    prices = dict.fromkeys(STABLECOINS, Decimal(1))
    for asset, symbol in symbols.items():
        # A market that never traded has a last price of zero, which says nothing.
        if symbol in tickers and tickers[symbol].last > 0:
            prices[asset] = tickers[symbol].last
    unpriced = [asset for asset in symbols if asset not in prices]
    priced = [total * prices[asset] for asset, total in totals.items() if asset in prices]
    remark = (
        f"No price for {', '.join(unpriced)}: left out of what it is worth." if unpriced else ""
    )
    worth = sum(priced, Decimal(0))
    if worth > MOST:
        return None, f"{remark} What the account is worth is too large to keep.".strip()
    return round(worth, 2) or None, remark
