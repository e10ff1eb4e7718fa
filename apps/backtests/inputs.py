"""What the engine is given for a run."""

import time
from collections.abc import Callable

from apps.backtests.engine.candles import History
from apps.backtests.engine.settings import FeeIn, Fees, Mode, Settings
from apps.backtests.models import BacktestRun
from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.exchanges.clients import capabilities_of
from apps.markets.history import reading
from apps.markets.history.columns import CandleColumns
from apps.markets.history.downloads import DownloadRefused, begin_download, leave_download
from apps.markets.models import CandleDownload
from apps.strategies.contract.parameters import merge

_POLL_SECONDS = 0.3


class NoCandles(Exception):
    """There is nothing to run on; its words say what to do."""


def fetch_history(run: BacktestRun, timeframe: Timeframe, tell: Callable[[float], None]) -> None:
    """Have what is missing of a run's candles downloaded, and wait for that. `tell` is told how far it is;
    what it raises ends the wait, and the download unless others want it. Raises NoCandles."""
    span = {"start": run.starts_at, "end": run.ends_at}
    series = reading.find_source(symbol=run.symbol, timeframe=timeframe, **span)
    if series and not reading.list_missing(series=series, **span):
        return
    offered = capabilities_of(Exchange(run.symbol.exchange)).timeframes
    longest = max(
        (one for one in offered if one.divides(timeframe)), key=lambda one: one.milliseconds
    )
    try:
        download = begin_download(user=run.owner, symbol=run.symbol, timeframe=longest, **span)
    except DownloadRefused as error:
        raise NoCandles(f"Candles are missing and can't be downloaded. {error}") from error
    try:
        while download.is_going_on:
            tell(download.done / download.total if download.total else 0)
            time.sleep(_POLL_SECONDS)
            download.refresh_from_db()
    except BaseException:
        leave_download(download_id=download.pk, user=run.owner)
        raise
    if download.state != CandleDownload.State.DONE:
        raise NoCandles(f"The download of missing candles has ended. {download.message}")


def load_history(run: BacktestRun, timeframe: Timeframe) -> History:
    """The stored candles of a run in one timeframe. Raises NoCandles."""
    candles = reading.load_history(
        symbol=run.symbol, timeframe=timeframe, start=run.starts_at, end=run.ends_at
    )
    if not len(candles):
        raise NoCandles(
            f"There is no {timeframe.value} candle of {run.symbol} from {run.starts_at:%Y-%m-%d %H:%M} to"
            f" {run.ends_at:%Y-%m-%d %H:%M}: {run.symbol.get_exchange_display()} has none of that time."
        )
    return to_history(candles)


def to_history(candles: CandleColumns) -> History:
    """Candles as the engine takes them."""
    return History(
        duration_ms=candles.timeframe.milliseconds,
        opened_at_ms=candles.opened_at_ms,
        open=candles.open,
        high=candles.high,
        low=candles.low,
        close=candles.close,
        volume=candles.volume,
    )


def settings_of(run: BacktestRun) -> Settings:
    """What the engine is told; parameters that the run does not name have their defaults."""
    return Settings(
        balance=float(run.balance),
        fees=Fees(maker=float(run.maker_fee), taker=float(run.taker_fee), fee_in=FeeIn(run.fee_in)),
        slippage_bps=float(run.slippage_bps),
        mode=Mode(run.mode),
        market=run.symbol.to_market(),
        params=merge(run.version.parameters, run.parameters),
    )
