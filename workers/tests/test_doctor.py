"""What the doctor says of a machine."""

import json
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from apps.strategies.contract.layers import STRICT, Layer
from apps.strategies.sandbox import Sandbox, SandboxUnavailable

NO_SECCOMP = STRICT & ~Layer.SECCOMP


def examine(monkeypatch: pytest.MonkeyPatch, layers: Layer, *arguments: str) -> tuple[str, int]:
    """What it prints and its exit status, on a machine with these layers."""
    monkeypatch.setattr("workers.doctor.probe_layers", lambda: layers)
    monkeypatch.setattr(Sandbox, "find_layers", lambda _self: layers)
    said = StringIO()
    try:
        call_command("doctor", *arguments, stdout=said)
    except SystemExit as end:
        return said.getvalue(), int(str(end.code))
    return said.getvalue(), 0


def test_a_machine_that_has_everything_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    said, status = examine(monkeypatch, STRICT)

    assert status == 0
    assert "ok       Sandbox: it answers; tier strict: Landlock, seccomp, limits\n" in said


def test_a_missing_layer_says_what_it_risks(monkeypatch: pytest.MonkeyPatch) -> None:
    said, status = examine(monkeypatch, NO_SECCOMP)

    assert status == 1
    assert f"MISSING  Sandbox: seccomp: missing. {Layer.SECCOMP.risk} Only superusers'" in said


def test_a_risk_that_is_accepted_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.ACCEPT_WEAK_SANDBOX = True

    said, status = examine(monkeypatch, NO_SECCOMP)

    assert status == 0
    assert "weak     Sandbox: seccomp: missing." in said


def test_a_sandbox_that_does_not_answer_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_layers(_self: Sandbox) -> Layer:
        raise SandboxUnavailable("The sandbox does not answer. Start it.")

    monkeypatch.setattr("workers.doctor.probe_layers", lambda: STRICT)
    monkeypatch.setattr(Sandbox, "find_layers", find_layers)
    said = StringIO()

    with pytest.raises(SystemExit):
        call_command("doctor", stdout=said)
    assert "MISSING  Sandbox: The sandbox does not answer. Start it.\n" in said.getvalue()


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    said, _ = examine(monkeypatch, STRICT, "--json")

    assert [finding["subject"] for finding in json.loads(said)] == [
        "Python", "Sandbox: limits", "Sandbox: Landlock", "Sandbox: seccomp", "Sandbox",
        "Backtest sandbox",
    ]  # fmt: skip
