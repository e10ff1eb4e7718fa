"""The system calls a confined process may make, as a seccomp filter.

Numbers are from the kernel's syscall tables; the program is classic BPF over struct seccomp_data.
"""

import errno
import struct

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: Allowed as they are: memory, time, signals of its own, what others send, and the end.
_ALLOWED = {
    "x86_64": {
        "read": 0, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "munmap": 11, "brk": 12,
        "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25,
        "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60, "gettimeofday": 96, "getrusage": 98,
        "sigaltstack": 131, "recvmsg": 47, "gettid": 186, "time": 201, "futex": 202, "sched_getaffinity": 204,
        "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
        "exit_group": 231, "getrandom": 318, "membarrier": 324, "rseq": 334,
    },
    "aarch64": {
        "close": 57, "lseek": 62, "read": 63, "ppoll": 73, "fstat": 80, "exit": 93, "exit_group": 94,
        "futex": 98, "nanosleep": 101, "clock_gettime": 113, "clock_getres": 114,
        "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128,
        "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
        "getrusage": 165, "gettimeofday": 169, "getpid": 172, "gettid": 178, "recvmsg": 212, "brk": 214,
        "munmap": 215, "mremap": 216, "madvise": 233, "getrandom": 278, "membarrier": 283, "rseq": 293,
    },
}  # fmt: skip
#: Allowed for pages that can't be executed.
_MAPPING = {"x86_64": {"mmap": 9, "mprotect": 10}, "aarch64": {"mmap": 222, "mprotect": 226}}
#: Allowed on the connection alone.
_WRITE = {"x86_64": 1, "aarch64": 64}

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 32
_PROT_EXEC = 4
#: x86_64 numbers from here on are the same calls in the x32 calling convention.
_X32 = 0x40000000
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
#: Refused rather than killed: Python tries to open files for tracebacks and time zones, and goes on without.
_REFUSE = 0x00050000 | errno.EPERM


def build_filter(machine: str, *, writable: int) -> bytes:
    """The BPF program for `machine` that allows writing to the descriptor `writable` alone."""
    program = [
        _step(_LOAD, _ARCH),
        _step(_JUMP_EQUAL, _AUDIT_ARCH[machine], yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_JUMP_AT_LEAST, _X32, no=1),
        _step(_RETURN, _KILL),
    ]
    for number in _ALLOWED[machine].values():
        program += [_step(_JUMP_EQUAL, number, no=1), _step(_RETURN, _ALLOW)]
    for number in _MAPPING[machine].values():
        program += [
            _step(_JUMP_EQUAL, number, no=4),
            _step(_LOAD, _THIRD_ARGUMENT),
            _step(_JUMP_SET, _PROT_EXEC, no=1),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ]
    program += [
        _step(_JUMP_EQUAL, _WRITE[machine], no=3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_JUMP_EQUAL, writable, no=1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _REFUSE),
    ]
    return b"".join(program)


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: `yes` and `no` are how many to skip when a jump's test holds or fails."""
    return struct.pack("=HBBI", code, yes, no, value)
