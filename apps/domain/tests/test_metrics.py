import pytest

from apps.domain.metrics import measure_curve, measure_trades

EQUITY = [
    10000, 10120, 10080, 10210, 10150, 10030, 9890, 9950, 10110, 10300, 10420, 10390, 10510, 10480,
    10650, 10700, 10560, 10410, 10280, 10190, 10090, 10230, 10400, 10550, 10720, 10890, 10840, 10960,
    11020, 10980, 11110, 11250, 11190, 11060, 10940, 11080, 11230, 11400, 11360, 11510,
]  # fmt: skip
PROFITS = [120, -60, -260, 410, 210, 190, -610, 630, 240, 290, -310, 660]


def six_digits(value: float) -> object:
    return pytest.approx(value, rel=5e-7)


def test_the_reference_curve() -> None:
    figures = measure_curve(EQUITY)

    assert figures.sharpe == six_digits(6.240494)
    assert figures.sortino == six_digits(11.588600)
    assert figures.cagr == six_digits(2.729086)
    assert figures.max_drawdown == six_digits(0.05700935)
    assert figures.max_drawdown_money == 610
    assert figures.calmar == six_digits(47.870851)
    assert figures.volatility == pytest.approx(0.214887, abs=5e-7)
    assert figures.omega == six_digits(2.029205)
    assert figures.recovery_factor == six_digits(1510 / 610)
    assert (figures.net_profit, figures.net_return) == (1510, pytest.approx(0.151))


def test_the_reference_trades() -> None:
    figures = measure_trades(PROFITS)

    assert figures.profit_factor == six_digits(2.217742)
    assert figures.expectancy == six_digits(125.833333)
    assert figures.sqn == six_digits(1.147866)
    assert (figures.won, figures.lost, figures.even, figures.trades) == (8, 4, 0, 12)
    assert figures.win_rate == 8 / 12
    assert (figures.best_trade, figures.worst_trade) == (660, -610)
    assert (figures.average_win, figures.average_loss) == (2750 / 8, -310)
    assert (figures.longest_winning_streak, figures.longest_losing_streak) == (3, 2)


def test_the_p_value_is_student_s_on_both_sides() -> None:
    # scipy.stats.ttest_1samp of the same trades
    assert measure_trades(PROFITS).p_value == pytest.approx(0.27537532507576984, rel=1e-12)


def test_a_drawdown_lasts_from_its_peak_until_the_peak_is_reached_again() -> None:
    assert measure_curve([100, 110, 100, 105, 111, 112]).max_drawdown_days == 3


def test_a_drawdown_that_goes_on_lasts_until_the_end() -> None:
    assert measure_curve([100, 90, 95]).max_drawdown_days == 2


def test_what_is_not_defined_is_none() -> None:
    flat = measure_curve([100, 100, 100, 100])
    no_trades = measure_trades([])
    only_wins = measure_trades([5, 5])

    assert (flat.sharpe, flat.sortino, flat.omega, flat.calmar) == (None, None, None, None)
    assert (flat.cagr, flat.max_drawdown, flat.recovery_factor) == (0, 0, None)
    assert (no_trades.win_rate, no_trades.expectancy, no_trades.best_trade) == (None, None, None)
    assert (only_wins.profit_factor, only_wins.sqn, only_wins.p_value) == (None, None, None)


def test_steady_growth_has_no_variance() -> None:
    assert measure_curve([100 * 1.01**day for day in range(30)]).sharpe is None


def test_under_two_days_nothing_is_annual() -> None:
    figures = measure_curve([100, 101, 102], days=[0, 1, 1.5])

    assert (figures.cagr, figures.sharpe, figures.volatility) == (None, None, None)
    assert figures.net_profit == 2


def test_a_profit_of_zero_is_neither_won_nor_lost() -> None:
    figures = measure_trades([10, 0, -5])

    assert (figures.won, figures.even, figures.lost) == (1, 1, 1)
    assert figures.win_rate == 1 / 3


def test_expectancy_per_unit_risked_is_of_trades_with_a_stop() -> None:
    assert measure_trades([20, -10, 7], [2, -1]).expectancy_per_risk == 0.5
    assert measure_trades([20, -10, 7]).expectancy_per_risk is None


def test_a_streak_ends_with_a_trade_that_is_even() -> None:
    figures = measure_trades([1, 1, 0, 1, -1, -1, -1])

    assert (figures.longest_winning_streak, figures.longest_losing_streak) == (2, 3)


def test_a_sharpe_ratio_that_was_searched_for_is_deflated() -> None:
    few, many = (measure_curve(EQUITY, variants=count).deflated_sharpe for count in (2, 1000))

    assert few is not None
    assert many is not None
    assert 0 < many < few < 1
    assert measure_curve(EQUITY).deflated_sharpe is None
