"""The short form of `manage.py bench sandbox`: every way to ask is measured, and all of them are answered."""

import sys

import pytest

from workers.bench import sandbox


@pytest.mark.skipif(sys.platform != "linux", reason="the confinement is Linux's")
def test_every_way_to_ask_is_measured() -> None:
    said: list[str] = []

    sandbox.measure(seconds=0.4, say=said.append)

    timings = [line.partition("p50")[0].strip() for line in said if "p50" in line]
    assert timings == [
        "kept",
        "fresh",
        "fresh interpreter",
        "in process",
        "20 activations on one candle, the last",
    ]
    rates = dict(line.rsplit(maxsplit=3)[:2] for line in said if line.endswith("a second"))
    assert list(rates) == ["kept, side by side", "fresh, side by side"]
    assert all(int(rate) > 0 for rate in rates.values())
    assert said[-1].startswith("Memory: ")
