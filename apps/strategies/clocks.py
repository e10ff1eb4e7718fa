"""A clock that goes on while its process is frozen, for another process to watch."""

import ctypes
import os
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_libc = ctypes.CDLL(None, use_errno=True)


class _Times(ctypes.Structure):
    """struct itimerspec: every how long, after the first time."""

    _fields_ = [
        (name, ctypes.c_long)
        for name in ("again_seconds", "again_nanoseconds", "seconds", "nanoseconds")
    ]


class Clock:
    """A timer of the kernel's: its descriptor is readable once it has run out. `descriptors` is empty where
    the kernel has no such timers (macOS)."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []
        if hasattr(_libc, "timerfd_create"):
            self.descriptors = [_call(_libc.timerfd_create, _CLOCK_MONOTONIC, os.O_CLOEXEC)]

    def wind_up(self, seconds: float) -> None:
        """It runs out after so long from now."""
        times = _Times(0, 0, int(seconds), int(seconds % 1 * 1e9))
        for descriptor in self.descriptors:
            _call(_libc.timerfd_settime, descriptor, 0, ctypes.byref(times), None)

    def stop(self) -> None:
        """It does not run out until it is wound up."""
        self.wind_up(0)

    def close(self) -> None:
        """Let go of it; who watches it keeps it going."""
        while self.descriptors:
            os.close(self.descriptors.pop())


def _call(function: Callable[..., int], *arguments: object) -> int:
    result = function(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
