import math

import pytest

from workers.paper_exchange.clock import Clock
from workers.paper_exchange.tests.builders import START_MS, Wall


def test_market_time_runs_at_its_speed() -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=5_000, speed=60)

    wall.now += 2

    assert clock.now_ms() == 5_000 + 120_000


def test_market_time_never_goes_back() -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=0, speed=1)
    wall.now += 10
    before = clock.now_ms()

    wall.now -= 5

    assert clock.now_ms() == before


def test_a_jump_goes_on_at_the_same_speed() -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=0, speed=10)

    clock.jump_to(1_000_000)
    wall.now += 1

    assert clock.now_ms() == 1_010_000


def test_a_stopped_clock_stands_still() -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=0, speed=10)

    clock.stop_at(77)
    wall.now += 1

    assert clock.now_ms() == 77


@pytest.mark.parametrize(("speed", "given_back"), [(1, 2_000), (60, 120_000), (0.5, 2_000)])
def test_limits_give_back_with_the_market_and_no_slower_than_the_wall(
    speed: float, given_back: int
) -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=0, speed=speed)
    before_ms = clock.limit_ms()

    wall.now += 2

    assert clock.limit_ms() - before_ms == given_back
    assert clock.wall_ms_at(clock.limit_ms()) == clock.wall_ms()


def test_limits_give_back_while_a_market_waits_for_its_clients() -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=0, speed=math.inf)
    clock.stop()

    assert clock.limit_ms() == clock.wall_ms()


def test_limits_give_back_after_the_end_of_a_recording_as_before() -> None:
    clock = Clock(wall=Wall(), start_ms=0, speed=60)
    before_ms = clock.limit_ms()

    clock.stop_at(77)

    assert clock.limit_ms() == before_ms


def test_the_age_of_a_timestamp_is_known_by_both_clocks_in_wall_time() -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=START_MS + 600_000, speed=60)

    by_wall_ms, by_market_ms = clock.ages_ms(START_MS + 480_000)

    assert by_wall_ms == -480_000
    assert by_market_ms == 2_000
