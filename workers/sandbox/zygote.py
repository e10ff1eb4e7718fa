"""The process that is warm, knows nothing, and has a confined one ready for each connection."""

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

from apps.strategies.contract import wire
from apps.strategies.contract.layers import Layer
from workers.sandbox.listening import listen
from workers.sandbox.policy import CONNECTION, CONTROL, confine, probe_layers
from workers.sandbox.profiles import Profile

#: The other side has closed; macOS tells it as POLLHUP, which needs no asking.
_HANG_UP = getattr(select, "POLLRDHUP", 0)
#: One is forked when nothing else has happened for so long: those at work come first.
_REFILL_MS = 5
#: More than this process ever has, whatever its limit says.
_DESCRIPTORS = 2**16


def main(socket_path: str, profile: Profile) -> int:
    """Listen on `socket_path` until SIGTERM; the exit status."""
    layers = probe_layers()
    profile.warm_up()
    gc.collect()
    # Forked processes share these pages as long as their collector does not touch them.
    gc.freeze()
    try:
        listener = listen(socket_path, profile.max_children)
    except OSError as error:
        sys.stderr.write(f"sandbox: can't listen on {socket_path}: {error.strerror or error}\n")
        return 1
    zygote = Zygote(listener, layers, profile)
    zygote.fill()
    sys.stdout.write(f"sandbox: ready, {layers.tier}: {layers.words}\n")
    sys.stdout.flush()
    zygote.run()
    Path(socket_path).unlink(missing_ok=True)
    return 0


class _Client(NamedTuple):
    """Who a process works for, and the clock (none on macOS) that runs out when it has forgotten it."""

    connection: socket.socket
    clocks: list[int]

    @property
    def watched(self) -> list[int]:
        """The descriptors of which one that is ready ends its process."""
        return [self.connection.fileno(), *self.clocks]


class Zygote:
    """Hands every connection to a confined process once its client has said hello, and kills the process
    whose connection is closed or whose clock has run out."""

    def __init__(self, listener: socket.socket, layers: Layer, profile: Profile) -> None:
        self._listener = listener
        self._layers = layers
        self._profile = profile
        self._stopping = False
        #: Processes without a connection, by the socket over which each gets its own; oldest first.
        self._ready: dict[int, socket.socket] = {}
        #: Connections whose client has said nothing yet, by their descriptors.
        self._silent: dict[int, socket.socket] = {}
        #: Processes at work.
        self._served: dict[int, _Client] = {}
        self._poll = select.poll()
        self._alarm, alarm = socket.socketpair()
        self._alarm.settimeout(0)
        alarm.settimeout(0)
        signal.set_wakeup_fd(alarm.detach(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._note)
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(self._alarm, select.POLLIN)

    def fill(self) -> None:
        """Have all processes ready that wait for a connection. Raises OSError when there can't be any."""
        while len(self._ready) < self._profile.ready:
            self._fork(practises=True)

    def run(self) -> None:
        """Serve until a signal asks to stop, then leave no child behind."""
        while not self._stopping:
            is_short = len(self._ready) < self._profile.ready
            ready = {
                descriptor for descriptor, _ in self._poll.poll(_REFILL_MS if is_short else None)
            }
            self._attend_to(ready)
            if self._listener.fileno() in ready:
                self._accept()
            elif is_short and not ready:
                # The next connection would be told why there is none.
                with suppress(OSError):
                    self._fork(practises=True)
        for pid in [*self._served, *self._ready]:
            self._kill(pid)

    def _attend_to(self, ready: set[int]) -> None:
        """Clear away what is over, and serve who has said hello."""
        if self._alarm.fileno() in ready:
            self._alarm.recv(4096)
        for pid, client in list(self._served.items()):
            if not ready.isdisjoint(client.watched):
                self._kill(pid)
        self._reap()
        for descriptor in ready.intersection(self._silent):
            self._serve(self._silent.pop(descriptor))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = self._stopping or number != signal.SIGCHLD

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if len(self._served) + len(self._silent) >= self._profile.max_children:
            places = self._profile.max_children
            _refuse(connection, f"All {places} places of the sandbox are taken.")
            return
        self._silent[connection.fileno()] = connection
        self._poll.register(connection, select.POLLIN | _HANG_UP)

    def _serve(self, connection: socket.socket) -> None:
        hello, clocks = _read_hello(connection)
        if not hello:
            self._poll.unregister(connection)
            connection.close()
            return
        try:
            if not self._ready:
                self._fork(practises=False)
            pid = next(iter(self._ready))
            with self._ready.pop(pid) as control:
                socket.send_fds(control, [b"\0"], [connection.fileno()])
        except OSError as error:
            self._poll.unregister(connection)
            _close(clocks)
            _refuse(connection, f"The sandbox can't start a process: {error.strerror}.")
            return
        self._served[pid] = _Client(connection, clocks)
        self._poll.modify(connection, _HANG_UP)
        for clock in clocks:
            self._poll.register(clock, select.POLLIN)

    def _fork(self, *, practises: bool) -> None:
        control, theirs = socket.socketpair()
        parent = os.getpid()
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                control.close()
                raise
            if pid == 0:
                _live(theirs, self._layers, self._profile, parent, practises=practises)
        self._ready[pid] = control

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self._forget(pid)

    def _reap(self) -> None:
        while (self._served or self._ready) and (pid := os.waitpid(-1, os.WNOHANG)[0]):
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        """Closing the last copy of its connection tells the other side that a process has ended."""
        if control := self._ready.pop(pid, None):
            control.close()
            return
        client = self._served.pop(pid)
        for descriptor in client.watched:
            self._poll.unregister(descriptor)
        client.connection.close()
        _close(client.clocks)


def _live(
    control: socket.socket, layers: Layer, profile: Profile, parent: int, *, practises: bool
) -> NoReturn:
    """The life of a forked process, which must never return into the zygote's loop: it is confined before
    it has a connection, and so before it has any code."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(control.fileno(), CONTROL)
        os.closerange(CONNECTION, CONTROL)
        os.closerange(CONTROL + 1, _DESCRIPTORS)
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, CONTROL)
        reason = ""
        try:
            confine(layers, profile.limits, parent)
            if practises:
                profile.practise()
        except OSError as error:
            reason = f"The sandbox can't confine a process: {error}."
        if socket.recv_fds(waiting, 1, 1)[1] == [CONNECTION]:
            waiting.close()
            if reason:
                os.write(CONNECTION, wire.pack_reply({"unavailable": reason}))
            else:
                profile.serve(CONNECTION, layers)
    finally:
        os._exit(0)


def _read_hello(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Nothing, of one that has hung up."""
    try:
        hello, clocks, _flags, _address = socket.recv_fds(connection, len(wire.HELLO), 1)
    except OSError:
        return b"", []
    return hello, clocks


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _refuse(connection: socket.socket, reason: str) -> None:
    # A client that did not wait for it is no trouble of ours.
    with connection, suppress(OSError):
        connection.sendall(wire.pack_reply({"unavailable": reason}))
