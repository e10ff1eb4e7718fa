"""How much of a trading record chance alone explains."""

import math
from collections.abc import Sequence
from statistics import NormalDist

_NORMAL = NormalDist()
_EULER = 0.5772156649015329
_TINY = 1e-300


def two_sided_p(t: float, freedom: int) -> float:
    """How likely Student's t with so many degrees of freedom is as far from 0, on either side."""
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def deflate_sharpe(returns: Sequence[float], variants: int) -> float:
    """How likely a Sharpe ratio is more than the best of so many worthless variants would show: Bailey and
    Lopez de Prado, with the variance that the ratio of a worthless strategy has."""
    count = len(returns)
    mean = math.fsum(returns) / count
    second, third, fourth = (
        math.fsum((r - mean) ** power for r in returns) / count for power in (2, 3, 4)
    )
    sharpe = mean / math.sqrt(second * count / (count - 1))
    lucky = (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / variants) + _EULER * _NORMAL.inv_cdf(
        1 - 1 / (variants * math.e)
    )
    skew, kurtosis = third / second**1.5, fourth / second**2
    doubt = math.sqrt(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2)
    return _NORMAL.cdf((sharpe * math.sqrt(count - 1) - lucky) / doubt)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction where that is fast."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, 1 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Lentz's evaluation of the continued fraction; a few dozen terms reach the last digit."""
    upper, lower = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or _TINY)
    value = lower
    for step in range(1, 500):
        even = step * (b - step) * x / ((a - 1 + 2 * step) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 1 + 2 * step))
        before = value
        for term in (even, odd):
            lower = 1 / ((1 + term * lower) or _TINY)
            upper = (1 + term / upper) or _TINY
            value *= upper * lower
        if abs(value - before) <= 1e-15 * abs(value):
            break
    return value
