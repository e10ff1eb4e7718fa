"""Validation, in a real sandbox."""

import pytest

from apps.domain.candles import Timeframe
from apps.strategies.catalogue import Sample, list_samples
from apps.strategies.practice import make_wave
from apps.strategies.sandbox import Sandbox
from apps.strategies.validation import Report, Severity, validate
from workers.sandbox.tests.running import write_strategy

WAVE = make_wave(Timeframe.M15)


def report_on(code: str, sandbox: Sandbox) -> Report:
    return validate(code, candles=WAVE, sandbox=sandbox, trusted=True)


@pytest.mark.parametrize("sample", list_samples(), ids=lambda sample: sample.name)
def test_samples_are_valid_and_rehearsed(sandbox: Sandbox, sample: Sample) -> None:
    report = report_on(sample.code, sandbox)

    assert all("ms makes orders late" in problem.message for problem in report.problems)
    assert report.info
    assert report.rehearsal


def test_an_error_in_the_source_keeps_it_from_the_sandbox() -> None:
    report = validate("import os", candles=WAVE, sandbox=Sandbox("nowhere"), trusted=True)

    assert not report.is_valid


def test_a_method_that_raises_is_an_error_with_its_line(sandbox: Sandbox) -> None:
    (problem,) = report_on(write_strategy("raise ValueError('no')"), sandbox).problems

    assert (problem.line, problem.severity) == (4, Severity.ERROR)


def test_a_wrong_value_names_its_method(sandbox: Sandbox) -> None:
    code = write_strategy("return True").replace("return 0.02", "return '2%'")

    (problem,) = report_on(code, sandbox).problems

    assert problem.message.startswith("calculate_stop_loss() returned")


def test_failing_in_a_new_market_is_a_warning(sandbox: Sandbox) -> None:
    report = report_on(write_strategy("self.candles.iloc[-21]; return False"), sandbox)

    assert report.is_valid
    assert report.problems[-1].message.startswith(
        "With 20 candles, which is what a new market has:"
    )
