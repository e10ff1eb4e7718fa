"""An exchange built from options and from what its state file remembers."""

import logging
from collections.abc import Callable
from pathlib import Path

from workers.paper_exchange.clock import Clock
from workers.paper_exchange.dialects.binance.upstream import DEFAULT_URL, BinanceUpstream
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.journal import Journal, compact_journal, read_journal
from workers.paper_exchange.markets.candles import MINUTE_MS
from workers.paper_exchange.markets.feed import Feed
from workers.paper_exchange.markets.live import LiveFeed
from workers.paper_exchange.markets.replay import (
    Recording,
    load_recording,
    replay_feed,
    replay_start_ms,
)
from workers.paper_exchange.markets.simulated import (
    BLOCK_MINUTES,
    HISTORY_BLOCKS,
    Checkpoint,
    first_needed_block,
    simulated_feed,
)
from workers.paper_exchange.matching import MatchingEngine
from workers.paper_exchange.options import Options
from workers.paper_exchange.orders import Account, Fill, Order, OrderList
from workers.paper_exchange.startup import StartError
from workers.paper_exchange.state import State, change_record, checkpoint_record, clock_record
from workers.paper_exchange.venues import VENUES

logger = logging.getLogger(__name__)


class Memory:
    """State file and state: what was read at the start, and what is written from then on."""

    def __init__(self, path: Path, state: State) -> None:
        self.state = state
        self._path = path
        self._journal: Journal | None = None

    def open(self) -> None:
        """Rewrite the file in its shortest form and keep it open."""
        try:
            compact_journal(self._path, self.state)
            self._journal = Journal(self._path)
        except OSError as error:
            raise StartError(
                f"{self._path}: can't be written ({error.strerror}). Give another --state file."
            ) from error

    def close(self) -> None:
        """Give the file back."""
        if self._journal is not None:
            self._journal.close()

    def record_clock(self, at_ms: int) -> None:
        """The market has come to this moment."""
        if at_ms > self.state.clock_ms:
            self.state.clock_ms = at_ms
            self._append(clock_record(at_ms))

    def record_change(
        self, account: Account, changed: Order | OrderList | None, fill: Fill | None
    ) -> None:
        """An account has changed."""
        self._append(change_record(account, changed, fill))

    def record_block(self, checkpoint: Checkpoint) -> None:
        """A simulated market has begun a block; at the start, one that may be known already."""
        if self.state.remember(checkpoint) and self._journal is not None:
            self._append(checkpoint_record(checkpoint))

    def _append(self, record: dict[str, object]) -> None:
        if self._journal is None:
            raise RuntimeError("the state file is written to before it was opened")
        self._journal.append(record)


def build_exchange(options: Options, wall: Callable[[], float]) -> tuple[PaperExchange, Memory]:
    """The exchange as it goes on from its state file, or as it begins; raises StartError."""
    files = options.market_source.split(",") if options.market_kind == "replay" else []
    recordings = [load_recording(Path(name)) for name in files]
    wall_ms = int(wall() * 1000)
    market = _market_name(options, recordings)
    state = State(market="", origin_ms=0, clock_ms=0)
    read_journal(options.state_path, state)
    if not state.market:
        state.market = market
        state.clock_ms = _first_moment(options, recordings, wall_ms)
        state.origin_ms = (
            wall_ms // MINUTE_MS * MINUTE_MS - HISTORY_BLOCKS * BLOCK_MINUTES * MINUTE_MS
        )
    if state.market != market:
        raise StartError(
            f"{options.state_path} belongs to another market ({state.market}, not {market}). "
            "Give another --state file."
        )
    memory = Memory(options.state_path, state)
    feed = _build_feed(options, recordings, memory)
    for _ in feed.advance(state.clock_ms):
        # What was told before the restart is not told, and matched, again.
        pass
    state.forget_blocks_before(first_needed_block(state.origin_ms, state.clock_ms))
    memory.open()
    engine = MatchingEngine(
        venue=VENUES[options.exchange],
        markets=feed.markets,
        accounts=state.accounts,
        starting_balances=options.balances,
        record=memory.record_change,
        has_depth=options.has_depth,
    )
    # At the speed of real time a market goes on while nobody watches; else it waits.
    keeps_wall_time = (
        options.speed == 1 and options.market_kind != "replay" and not options.waits_for_clients
    )
    start_ms = max(state.clock_ms, wall_ms) if keeps_wall_time else state.clock_ms
    clock = Clock(wall=wall, start_ms=start_ms, speed=options.speed)
    exchange = PaperExchange(
        clock=clock,
        feed=feed,
        engine=engine,
        record_clock=memory.record_clock,
        waits_for_clients=options.waits_for_clients,
        has_depth=options.has_depth,
    )
    return exchange, memory


def _market_name(options: Options, recordings: list[Recording]) -> str:
    if options.market_kind == "simulated":
        return f"simulated, seed {options.seed}"
    if options.market_kind == "replay":
        return "replay of " + ", ".join(sorted(r.path.name for r in recordings))
    return "live"


def _first_moment(options: Options, recordings: list[Recording], wall_ms: int) -> int:
    if options.market_kind != "replay":
        return wall_ms
    if options.start_ms is None:
        return replay_start_ms(recordings)
    for recording in recordings:
        if options.start_ms > recording.opened[-1]:
            raise StartError(f"{recording.path} ends before --start. Give an earlier time.")
    return options.start_ms


def _build_feed(options: Options, recordings: list[Recording], memory: Memory) -> Feed:
    state = memory.state
    has_path = options.has_depth or not options.waits_for_clients
    if options.market_kind == "simulated":
        return simulated_feed(
            seed=options.seed,
            origin_ms=state.origin_ms,
            start_ms=state.clock_ms,
            checkpoints=state.checkpoints,
            on_block=memory.record_block,
            has_path=has_path,
        )
    if options.market_kind == "replay":
        if options.waits_for_clients and len({each.timeframe_ms for each in recordings}) > 1:
            raise StartError(
                "--book none and --speed max go candle by candle, and the recordings have different"
                " timeframes. Give files of one timeframe."
            )
        return replay_feed(recordings, state.clock_ms, has_path=has_path)
    return LiveFeed(BinanceUpstream((options.market_source or DEFAULT_URL).rstrip("/")))
