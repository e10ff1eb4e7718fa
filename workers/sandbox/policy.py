"""What a confined process may do: compute, and talk on the one connection it was given.

Layers: limits, then (as root) the user nobody, Landlock with no rule at all, and a seccomp list of allowed
system calls. Any one of them would leave holes, together none is known. Linux calls are made with ctypes.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from apps.strategies.contract.layers import Layer
from workers.sandbox.filters import build_filter

#: The descriptors of a confined process: the connection arrives at the lowest free number, over CONTROL,
#: which is closed then.
CONNECTION, CONTROL = 0, 1
NOBODY = 65534

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_VERSION = 1
#: File system rights by the ABI version that brought them: each version handles all bits up to its own.
_LANDLOCK_FILE_BITS = {1: 13, 2: 14, 3: 15, 5: 16}
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process may use: memory beyond what it starts with, and CPU time in its life."""

    memory_bytes: int
    cpu_seconds: int


def probe_layers() -> Layer:
    """The layers that this kernel lets a process put on, tried in a process of its own."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return Layer.LIMITS
    layers = Layer.LIMITS
    for layer, put_on in ((Layer.LANDLOCK, _landlock), (Layer.SECCOMP, _seccomp)):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _prctl(_PR_SET_NO_NEW_PRIVS, 1)
                put_on()
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1] == 0:
            layers |= layer
    return layers


def confine(layers: Layer, limits: Limits, parent: int) -> None:
    """Put on `layers`, for good. Call it with no descriptor open but CONTROL; raises OSError when a layer
    does not hold. The process dies with `parent`, its id."""
    _limit(limits)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_DUMPABLE, 0)
    # After the change of user, which would forget it.
    _prctl(_PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent:
        raise OSError(errno.ESRCH, "the sandbox has ended")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if Layer.LANDLOCK in layers:
        _landlock()
    if Layer.SECCOMP in layers:
        _seccomp()


def _limit(limits: Limits) -> None:
    for limit, value in (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        size = pages * resource.getpagesize() + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _prctl(option: int, value: int, extra: int = 0) -> None:
    words = [ctypes.c_ulong(word) for word in (option, value, extra, 0, 0)]
    if _libc.prctl(*words):
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def _landlock() -> None:
    """Forbid every file, directory, TCP port, abstract socket and signal that the kernel can forbid."""
    version = _call(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    file_bits = max(bits for since, bits in _LANDLOCK_FILE_BITS.items() if since <= version)
    rights = [(1 << file_bits) - 1]
    if version >= 4:
        rights.append(0b11)
    if version >= 6:
        rights.append(0b11)
    ruleset = struct.pack(f"={len(rights)}Q", *rights)
    descriptor = _call(_LANDLOCK_CREATE_RULESET, ruleset, ctypes.c_size_t(len(ruleset)), 0)
    _call(_LANDLOCK_RESTRICT_SELF, descriptor, 0)
    os.close(descriptor)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def _seccomp() -> None:
    code = build_filter(platform.machine(), writable=CONNECTION)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(
            ctypes.get_errno(), f"system call {number}: {os.strerror(ctypes.get_errno())}"
        )
    return result
