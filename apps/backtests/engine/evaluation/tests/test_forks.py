import numpy as np
import pytest

from apps.backtests.engine.evaluation.forks import Forks
from apps.backtests.engine.evaluation.signals import StepsAside

RISING = np.array([True, True, False, False])
ALWAYS = np.ones(4, np.bool_)
FALLING = ~RISING
LOUD = np.array([True, False, True, False])


def test_each_path_is_run_once_with_its_candles() -> None:
    forks = Forks(4)

    paths = {
        word: None if mask is None else mask.tolist()
        for word, mask in forks.run(
            lambda: (
                ("up" if forks.branch(LOUD) else "up, quiet") if forks.branch(RISING) else "down"
            )
        )
    }

    assert paths == {
        "up": [True, False, False, False],
        "up, quiet": [False, True, False, False],
        "down": [False, False, True, True],
    }


def test_a_condition_that_holds_for_all_candles_does_not_fork() -> None:
    forks = Forks(4)

    paths = list(forks.run(lambda: forks.branch(RISING) or forks.branch(FALLING)))

    assert forks.paths == 2
    assert [answer for answer, _ in paths] == [True, True]


def test_too_many_paths_step_aside() -> None:
    forks = Forks(4096)
    bits = [(np.arange(4096) >> bit) % 2 == 1 for bit in range(12)]

    with pytest.raises(StepsAside, match="1024 paths"):
        list(forks.run(lambda: [forks.branch(bit) for bit in bits]))


def test_a_loop_without_an_end_steps_aside() -> None:
    forks = Forks(4)

    def ask() -> None:
        while forks.branch(ALWAYS):
            pass

    with pytest.raises(StepsAside, match="too many questions"):
        list(forks.run(ask))


def test_a_strategy_cant_swallow_that_it_steps_aside() -> None:
    forks = Forks(4)

    def ask() -> bool:
        try:
            raise forks.step_aside("int() is asked")
        except:  # noqa: E722  what strategies do
            return False

    with pytest.raises(StepsAside, match="int"):
        list(forks.run(ask))


def test_a_strategy_that_decides_by_chance_steps_aside() -> None:
    forks = Forks(4)
    conditions = iter([RISING, LOUD])

    with pytest.raises(StepsAside, match="asked again"):
        list(forks.run(lambda: forks.branch(next(conditions))))
