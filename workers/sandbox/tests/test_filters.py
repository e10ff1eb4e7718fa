"""The seccomp program, run by a small interpreter, for every machine."""

import struct

import pytest

from workers.sandbox.filters import _ALLOWED, _AUDIT_ARCH, _MAPPING, _WRITE, build_filter

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050001
READ, EXECUTE = 1, 4
MACHINES = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
#: openat, socket, clone, execve, kill, ptrace, io_uring_setup, pkey_mprotect
FORBIDDEN = {
    "x86_64": [257, 41, 56, 59, 62, 101, 425, 329],
    "aarch64": [56, 198, 220, 221, 129, 117, 425, 288],
}


def decide(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter says to a system call."""
    code = build_filter(machine, writable=3)
    steps = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number, _AUDIT_ARCH[machine] if arch is None else arch, 0, *values)
    loaded, at = 0, 0
    while True:
        operation, yes, no, value = steps[at]
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
            at += 1
            continue
        holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[
            operation
        ]
        at += 1 + (yes if holds else no)


@MACHINES
def test_what_computing_needs_is_allowed(machine: str) -> None:
    assert {decide(machine, number) for number in _ALLOWED[machine].values()} == {ALLOW}


@MACHINES
def test_files_sockets_and_processes_are_refused(machine: str) -> None:
    assert {decide(machine, number) for number in FORBIDDEN[machine]} == {REFUSE}


@MACHINES
def test_no_page_can_be_executed(machine: str) -> None:
    for number in _MAPPING[machine].values():
        assert decide(machine, number, 0, 4096, READ) == ALLOW
        assert decide(machine, number, 0, 4096, READ | EXECUTE) == REFUSE


@MACHINES
def test_only_the_connection_can_be_written_to(machine: str) -> None:
    assert [decide(machine, _WRITE[machine], fd) for fd in (1, 2, 3, 4)] == [
        REFUSE, REFUSE, ALLOW, REFUSE
    ]  # fmt: skip


@MACHINES
def test_another_calling_convention_is_killed(machine: str) -> None:
    assert decide(machine, _ALLOWED[machine]["read"], arch=0x40000003) == KILL
    assert decide(machine, 0x40000000) == KILL
