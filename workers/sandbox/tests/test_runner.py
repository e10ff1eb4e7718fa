"""The loop inside a confined process, without the confinement."""

import importlib
import socket
import sys
import warnings

import pytest

from apps.strategies.contract import wire
from apps.strategies.contract.layers import STRICT
from workers.sandbox.tests.running import write_strategy


def test_a_child_that_used_half_of_its_cpu_time_retires_after_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with warnings.catch_warnings(action="ignore"):  # those of the libraries it imports
        runner = importlib.import_module("workers.sandbox.runner")
    monkeypatch.setattr(runner, "CPU_SECONDS", 0)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    client, child = socket.socketpair()
    request = wire.pack_request({"code": write_strategy("return False")})
    with client, child:
        client.sendall(request * 2)

        runner.serve(child.fileno(), STRICT)

        replies = client.recv(10_000)
    assert replies.count(b"class_name") == 1
