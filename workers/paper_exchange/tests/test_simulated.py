from itertools import pairwise

from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, Candle
from workers.paper_exchange.markets.paths import PathFeed
from workers.paper_exchange.markets.simulated import (
    BLOCK_MINUTES,
    PROFILES,
    Checkpoint,
    Simulation,
    simulated_feed,
)

BTC = PROFILES[0]


def first_candles(seed: int, count: int, origin_ms: int = 0) -> list[Candle]:
    simulation = Simulation(profile=BTC, seed=seed, origin_ms=origin_ms)
    source = simulation.candles(simulation.beginning(), lambda _checkpoint: None)
    return [next(source) for _ in range(count)]


def feed_at(start_ms: int) -> PathFeed:
    return simulated_feed(
        seed=1, origin_ms=0, start_ms=start_ms, checkpoints={}, on_block=lambda _checkpoint: None
    )


def test_a_seed_gives_the_same_candles() -> None:
    assert first_candles(seed=1, count=3000) == first_candles(seed=1, count=3000)


def test_another_seed_gives_others() -> None:
    assert first_candles(seed=1, count=10) != first_candles(seed=2, count=10)


def test_candles_join_without_a_gap_and_contain_their_prices() -> None:
    candles = first_candles(seed=3, count=3000)

    for earlier, later in pairwise(candles):
        assert later.opened_ms - earlier.opened_ms == MINUTE_MS
        assert later.open == earlier.close
        assert later.low <= min(later.open, later.close) <= max(later.open, later.close)
        assert max(later.open, later.close) <= later.high
        assert later.volume > 0


def test_moving_averages_cross_every_20_to_60_candles() -> None:
    fast = slow = BTC.price
    signs: list[bool] = []
    for candle in first_candles(seed=4, count=10_000):
        fast += (candle.close - fast) * 2 / 11
        slow += (candle.close - slow) * 2 / 21
        signs.append(fast > slow)

    crossings = sum(before != after for before, after in pairwise(signs))

    assert 20 <= len(signs) / crossings <= 60


def test_calm_and_wild_times_follow_each_other() -> None:
    candles = first_candles(seed=5, count=20_000)
    moves = [abs(c.close - c.open) for c in candles]
    mean = sum(moves) / len(moves)

    together = sum((a - mean) * (b - mean) for a, b in pairwise(moves))
    alone = sum((move - mean) ** 2 for move in moves)

    assert together / alone > 0.05


def test_it_goes_on_from_a_checkpoint_as_if_it_had_never_stopped() -> None:
    told: list[Checkpoint] = []
    simulation = Simulation(profile=BTC, seed=1, origin_ms=0)
    source = simulation.candles(simulation.beginning(), told.append)
    whole = [next(source) for _ in range(3 * BLOCK_MINUTES)]

    resumed = simulation.candles(told[1], told.append)

    assert told[1].block == 1
    assert [next(resumed) for _ in range(2 * BLOCK_MINUTES)] == whole[BLOCK_MINUTES:]


def test_speed_does_not_change_what_happens() -> None:
    start_ms = DAY_MS
    end_ms = start_ms + 10 * MINUTE_MS
    at_once, by_steps = feed_at(start_ms), feed_at(start_ms)

    told = list(at_once.advance(end_ms))
    stepwise = [t for ms in range(start_ms, end_ms + 1, 700) for t in by_steps.advance(ms)]
    stepwise += by_steps.advance(end_ms)

    assert stepwise == told
    assert sum(tick.is_closed for tick in told) == 40
