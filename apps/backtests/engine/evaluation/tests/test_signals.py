import numpy as np

from apps.backtests.engine.evaluation.signals import Signals, StepsAside, spread


def make_signals(**answers: object) -> Signals:
    nothing = np.zeros(3, np.bool_)
    defaults = {"amount": 0.0, "share": 0.1, "stop_loss": 0.02, "take_profit": 0.04}
    return Signals(**{"long": nothing, "exit": nothing, **defaults, **answers})  # type: ignore[arg-type]


def test_a_size_is_an_amount_and_a_share_of_the_balance() -> None:
    signals = make_signals(amount=np.array([5.0, 7.0, 9.0]), share=0.5)

    assert signals.size(1, 100.0) == 57.0


def test_one_number_is_spread_over_all_rows() -> None:
    assert spread(0.02, 3).tolist() == [0.02, 0.02, 0.02]


def test_stepping_aside_passes_a_strategys_own_handler() -> None:
    assert not issubclass(StepsAside, Exception)
