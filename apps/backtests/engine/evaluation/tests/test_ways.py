import pytest

from apps.backtests.engine.evaluation import frames
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.evaluation.tests.asking import BALANCE, load, make_frame, write
from apps.backtests.engine.evaluation.ways import list_ways
from apps.strategies.catalogue import get_sample

FRAME = make_frame(3000)


def test_a_strategy_of_its_candles_alone_is_asked_for_all_at_once() -> None:
    way = next(list_ways(load(get_sample("ema_cross").code), FRAME, {}))

    assert way.name == "trace"
    assert isinstance(way.decisions, Signals)
    assert "compared with those of single candles" in way.reason


@pytest.mark.parametrize(
    ("body", "name", "words"),
    [
        ("return self.balance > 100", "views", "it asks a comparison of the balance"),
        ("return int(self.candles['close'].iloc[-1]) > 100", "views", "int() of a number"),
        (
            "return self.candles['close'].iloc[-1] > self.candles['close'].median()",
            "plain",
            "median",
        ),
        ("return self.candles['close'].shift(-1).iloc[-2] > 100", "plain", "shift()"),
        (
            "return ta.dpo(self.candles['close'], length=20).iloc[-1] > 0",
            "plain",
            "knows later candles",
        ),
    ],
)
def test_the_reason_says_why_no_faster_way_will_do(body: str, name: str, words: str) -> None:
    way = next(list_ways(write(body), FRAME, {}, first=100, lookback=200))

    assert way.name == name
    assert words in way.reason


def test_an_indicator_that_knows_later_candles_is_found_in_windows_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "find_foresight", lambda *_: frozenset())
    body = (
        "centred = ta.dpo(self.candles['close'], length=20)\n"
        "return bool(self.candles.index[-1].day == 3 and centred.iloc[-1] > 0)"
    )

    way = next(list_ways(write(body), make_frame(4000), {}, first=100))

    assert way.name == "plain"
    assert "when later candles are there" in way.reason


def test_a_run_goes_on_with_the_next_way() -> None:
    body = "if len(self.candles) < 2990:\n    return False\nreturn self.candles['close'].mean() > 1"
    ways = list_ways(write(body), FRAME, {}, first=100)

    names = [way.name for way in ways]

    assert names[-1] == "plain"


def test_the_last_way_sees_what_a_live_bot_sees() -> None:
    *_, plain = list_ways(write("return len(self.candles) == 200"), FRAME, {}, lookback=200)

    assert not isinstance(plain.decisions, Signals)
    assert [plain.decisions.should_long(row, BALANCE) for row in (198, 199, 2999)] == [
        False, True, True
    ]  # fmt: skip
