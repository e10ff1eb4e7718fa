"""What this machine has and lacks, in plain words."""

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings

from apps.strategies.contract.layers import STRICT, Layer
from apps.strategies.sandbox import Sandbox, SandboxUnavailable
from workers.sandbox.policy import probe_layers

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `is_needed` says that something does not work without it."""

    subject: str
    is_good: bool
    is_needed: bool
    words: str


def examine() -> Iterator[Finding]:
    """All findings, in the order in which a person should read them."""
    for check in CHECKS:
        yield from check()


def check_python() -> Iterator[Finding]:
    """The interpreter."""
    oldest = ".".join(map(str, OLDEST_PYTHON))
    is_good = sys.version_info >= OLDEST_PYTHON
    words = platform.python_version() + ("" if is_good else f"; {oldest} or later is needed")
    yield Finding(subject="Python", is_good=is_good, is_needed=True, words=words)


def check_layers() -> Iterator[Finding]:
    """What this kernel can put around a strategy."""
    layers = probe_layers()
    for layer in Layer:
        has_it = layer in layers
        words = "on" if has_it else f"missing. {layer.risk} {_consequence()}"
        yield Finding(
            subject=f"Sandbox: {layer.words}",
            is_good=has_it,
            is_needed=not settings.ACCEPT_WEAK_SANDBOX,
            words=words,
        )


def check_sandboxes() -> Iterator[Finding]:
    """Whether strategies can be asked and backtested now, and behind which walls."""
    yield _check_sandbox("Sandbox", settings.SANDBOX_SOCKET)
    yield _check_sandbox("Backtest sandbox", settings.BACKTEST_SOCKET)


def _check_sandbox(subject: str, path: str) -> Finding:
    try:
        with Sandbox(path) as sandbox:
            layers = sandbox.find_layers()
    except SandboxUnavailable as error:
        return Finding(subject=subject, is_good=False, is_needed=True, words=str(error))
    is_good = layers == STRICT
    words = f"it answers; tier {layers.tier}: {layers.words}"
    if not is_good:
        words += f". {_consequence()}"
    needed = not settings.ACCEPT_WEAK_SANDBOX
    return Finding(subject=subject, is_good=is_good, is_needed=needed, words=words)


def _consequence() -> str:
    if settings.ACCEPT_WEAK_SANDBOX:
        return "ARISTOBOT_ACCEPT_WEAK_SANDBOX accepts that: everybody's strategies run."
    return (
        "Only superusers' strategies run. Use a Linux kernel from 5.13 on that has Landlock and seccomp"
        " enabled, or accept the risk with ARISTOBOT_ACCEPT_WEAK_SANDBOX=True."
    )


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (check_python, check_layers, check_sandboxes)
