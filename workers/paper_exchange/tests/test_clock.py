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


def test_the_age_of_a_timestamp_is_known_by_both_clocks_in_wall_time() -> None:
    wall = Wall()
    clock = Clock(wall=wall, start_ms=START_MS + 600_000, speed=60)

    by_wall_ms, by_market_ms = clock.ages_ms(START_MS + 480_000)

    assert by_wall_ms == -480_000
    assert by_market_ms == 2_000
