"""Starting a child that ends with us: its own session, no input, and a signal when we die."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
#: What PostgreSQL believes to be when root starts it in a user namespace.
NAMESPACE_UID = 1000
UNPRIVILEGED_USERS = ("postgres", "nobody")

_libc = ctypes.CDLL(None, use_errno=True)


class NoUnprivilegedUser(Exception):
    """Root has neither user namespaces nor a user to run PostgreSQL as."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a child runs as: ourselves, ourselves inside a user namespace, or another user."""

    in_namespace: bool = False
    uid: int | None = None
    gid: int | None = None


OURSELVES = Identity()


def choose_identity(uid: int, *, has_namespaces: Callable[[], bool]) -> Identity:
    """Who may run PostgreSQL, which refuses uid 0; in a namespace its files stay root's."""
    if uid != 0:
        return OURSELVES
    if has_namespaces():
        return Identity(in_namespace=True)
    for name in UNPRIVILEGED_USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(uid=user.pw_uid, gid=user.pw_gid)
    raise NoUnprivilegedUser(
        "PostgreSQL refuses to run as root, and this machine has neither user namespaces nor a user"
        " named postgres or nobody: start Aristobot as a normal user, or set DATABASE_URL."
    )


def has_user_namespaces() -> bool:
    """Whether root may enter a user namespace here; some containers forbid it."""
    if sys.platform != "linux":
        return False
    try:
        child = spawn(
            [sys.executable, "-S", "-c", ""], env={}, identity=Identity(in_namespace=True)
        )
    except subprocess.SubprocessError:
        return False
    return child.wait() == 0


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path = Path("/"),
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    output: int | IO[bytes] = subprocess.DEVNULL,
    identity: Identity = OURSELVES,
    death_signal: signal.Signals = signal.SIGTERM,
) -> "subprocess.Popen[bytes]":
    """Start `argv` in a session of its own, out of reach of the terminal's Ctrl-C."""
    as_user = {} if identity.uid is None else {"user": identity.uid, "extra_groups": []}
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        argv,
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Runs between fork and exec: the supervisor has one thread, so no lock can be held.
        preexec_fn=partial(_before_exec, identity, death_signal, os.getpid()),  # noqa: PLW1509
        **as_user,
        **({} if identity.gid is None else {"group": identity.gid}),
    )


def kill_group(leader: int) -> None:
    """End whatever is left of the session that `leader` led, dead or alive."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nothing of it is left (macOS says it the second way)


def _before_exec(identity: Identity, death_signal: signal.Signals, parent: int) -> None:
    if identity.in_namespace:
        _enter_user_namespace()
    if sys.platform == "linux":
        # After the change of identity, which would clear it.
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _enter_user_namespace() -> None:
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "no user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NAMESPACE_UID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NAMESPACE_UID} {gid} 1")
