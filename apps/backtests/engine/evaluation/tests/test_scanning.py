import pytest

from apps.backtests.engine.evaluation.scanning import may_change
from apps.backtests.engine.evaluation.tests.asking import write


@pytest.mark.parametrize(
    "body",
    [
        "self.asked = True\nreturn True",
        "self.params['length'] = 3\nreturn True",
        "self.params.update(length=3)\nreturn True",
        "setattr(self, 'asked', True)\nreturn True",
        "def note():\n    self.asked = True\nnote()\nreturn True",
        "return note(self)",
        "return Note().take(self)",
    ],
)
def test_code_that_sets_something_may_change_the_instance(body: str) -> None:
    others = (
        "def note(one): one.asked = True\nclass Note:\n    def take(self, one): one.asked = True\n"
    )

    assert may_change(write(body, others if "ote(" in body else ""))


def test_code_that_only_reads_does_not() -> None:
    assert not may_change(write("close = self.candles['close']\nreturn close.iloc[-1] > 100"))
