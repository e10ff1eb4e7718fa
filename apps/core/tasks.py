"""The one table of tasks: name, queue, how long a message stays worth running, and when beat sends it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

#: What must not wait for what. The last one takes whatever names no queue.
QUEUES = (
    "orders",
    "webhooks",
    "strategies",
    "monitor",
    "market_data",
    "downloads",
    "backtests",
    "maintenance",
)


class TaskName(StrEnum):
    """`<queue>.<verb>_<noun>`: the queue is the part before the dot."""

    SUBMIT_ORDER = "orders.submit_order"
    FLATTEN = "orders.flatten"
    CANCEL_ORDER = "orders.cancel_order"
    GUARD_POSITION = "orders.guard_position"
    PROCESS_WEBHOOK = "webhooks.process_webhook"
    RESUME_WEBHOOK = "webhooks.resume_webhook"
    SWEEP_WEBHOOKS = "webhooks.sweep_webhooks"
    EVALUATE_CANDLE = "strategies.evaluate_candle"
    POLL_BROKERS = "monitor.poll_brokers"
    POLL_BROKER = "monitor.poll_broker"
    SWEEP_BROKER = "monitor.sweep_broker"
    GUARD_BROKERS = "monitor.guard_brokers"
    GUARD_BROKER = "monitor.guard_broker"
    RECOMPUTE_LEDGER = "monitor.recompute_ledger"
    REFRESH_BALANCES = "monitor.refresh_balances"
    TEST_CONNECTION = "monitor.test_connection"
    TEST_BROKER = "monitor.test_broker"
    CHECK_EXCHANGES = "monitor.check_exchanges"
    CHECK_EXCHANGE = "monitor.check_exchange"
    SWEEP_ORDERS = "monitor.sweep_orders"
    SYNC_SYMBOLS = "market_data.sync_symbols"
    REFRESH_ALL_SYMBOLS = "market_data.refresh_all_symbols"
    SWEEP_CANDLES = "market_data.sweep_candles"
    SWEEP_DOWNLOADS = "market_data.sweep_downloads"
    DOWNLOAD_CANDLES = "downloads.download_candles"
    RUN_BACKTEST = "backtests.run_backtest"
    SWEEP_BACKTESTS = "maintenance.sweep_backtests"
    CLEAR_SESSIONS = "maintenance.clear_sessions"
    FORGET_CONNECTION_TESTS = "maintenance.forget_connection_tests"
    FORGET_STRATEGY_LOGS = "maintenance.forget_strategy_logs"

    @property
    def queue(self) -> str:
        """The queue this task runs on."""
        return self.value.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRule:
    """After `expires` a message is dropped: its row is still there for the sweep. What is asked for
    within `gathers` becomes one message, which is carried out at the end of it."""

    expires: timedelta
    every: timedelta | None = None
    gathers: timedelta | None = None


TASKS: dict[TaskName, TaskRule] = {
    TaskName.SUBMIT_ORDER: TaskRule(expires=timedelta(seconds=60)),
    TaskName.CANCEL_ORDER: TaskRule(expires=timedelta(seconds=10)),
    TaskName.FLATTEN: TaskRule(expires=timedelta(seconds=10), every=timedelta(seconds=10)),
    TaskName.PROCESS_WEBHOOK: TaskRule(expires=timedelta(seconds=60)),
    # However many find that it has to wait, it is looked at again once.
    TaskName.RESUME_WEBHOOK: TaskRule(
        expires=timedelta(seconds=60), gathers=timedelta(milliseconds=200)
    ),
    TaskName.SWEEP_WEBHOOKS: TaskRule(expires=timedelta(seconds=5), every=timedelta(seconds=5)),
    TaskName.EVALUATE_CANDLE: TaskRule(expires=timedelta(seconds=60)),
    TaskName.POLL_BROKERS: TaskRule(expires=timedelta(seconds=1), every=timedelta(seconds=1)),
    TaskName.POLL_BROKER: TaskRule(expires=timedelta(seconds=10)),
    TaskName.SWEEP_BROKER: TaskRule(expires=timedelta(seconds=10)),
    TaskName.GUARD_BROKERS: TaskRule(expires=timedelta(seconds=10), every=timedelta(seconds=10)),
    TaskName.GUARD_BROKER: TaskRule(expires=timedelta(seconds=10)),
    TaskName.GUARD_POSITION: TaskRule(expires=timedelta(seconds=10)),
    TaskName.RECOMPUTE_LEDGER: TaskRule(expires=timedelta(minutes=10)),
    # A candle may fill twenty orders of a broker at once.
    TaskName.REFRESH_BALANCES: TaskRule(
        expires=timedelta(seconds=60), gathers=timedelta(milliseconds=250)
    ),
    TaskName.TEST_CONNECTION: TaskRule(expires=timedelta(seconds=15)),
    TaskName.TEST_BROKER: TaskRule(expires=timedelta(seconds=60)),
    TaskName.CHECK_EXCHANGES: TaskRule(expires=timedelta(seconds=60), every=timedelta(seconds=60)),
    TaskName.CHECK_EXCHANGE: TaskRule(expires=timedelta(seconds=60)),
    TaskName.SWEEP_ORDERS: TaskRule(expires=timedelta(seconds=5), every=timedelta(seconds=5)),
    TaskName.SYNC_SYMBOLS: TaskRule(expires=timedelta(minutes=10)),
    TaskName.REFRESH_ALL_SYMBOLS: TaskRule(expires=timedelta(hours=1), every=timedelta(hours=1)),
    TaskName.SWEEP_CANDLES: TaskRule(expires=timedelta(seconds=5), every=timedelta(seconds=5)),
    TaskName.SWEEP_DOWNLOADS: TaskRule(expires=timedelta(seconds=5), every=timedelta(seconds=5)),
    TaskName.DOWNLOAD_CANDLES: TaskRule(expires=timedelta(seconds=60)),
    TaskName.RUN_BACKTEST: TaskRule(expires=timedelta(minutes=1)),
    TaskName.SWEEP_BACKTESTS: TaskRule(expires=timedelta(seconds=10), every=timedelta(seconds=10)),
    TaskName.CLEAR_SESSIONS: TaskRule(expires=timedelta(days=1), every=timedelta(days=1)),
    TaskName.FORGET_CONNECTION_TESTS: TaskRule(
        expires=timedelta(minutes=10), every=timedelta(minutes=10)
    ),
    TaskName.FORGET_STRATEGY_LOGS: TaskRule(expires=timedelta(days=1), every=timedelta(days=1)),
}
