"""Conversations over sockets, many side by side in one thread."""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

#: A socket, and selectors.EVENT_READ or EVENT_WRITE.
Wait: TypeAlias = tuple[socket.socket, int]
#: Yields what it waits for and returns its result; TimeoutError is raised in it when it takes too long.
Conversation: TypeAlias = Generator[Wait, None, T]


def hold_all(
    conversations: Iterable[Conversation[T]], *, at_once: int, seconds: float
) -> Iterator[T]:
    """The results as they come, with at most `at_once` conversations under way, each for `seconds` of
    which those do not count that the caller spends between two results. What a conversation raises is
    raised here and ends the others."""
    upcoming = iter(conversations)
    with closing(_Table[T](seconds)) as table:
        while True:
            for conversation in islice(upcoming, at_once - len(table)):
                table.begin(conversation)
            if not table.results:
                if not len(table):
                    return
                table.listen()
            while table.results:
                handed_over = time.monotonic()
                yield table.results.popleft()
                table.postpone(time.monotonic() - handed_over)


def hold(conversation: Conversation[T], *, beat: Callable[[], None], every: float) -> T:
    """The result of one conversation that may take long. `beat` is called whenever something came, and at
    least every so many seconds; what it raises ends the conversation."""
    with closing(conversation), selectors.DefaultSelector() as selector:
        try:
            waits_for, event = next(conversation)
            while True:
                selector.register(waits_for, event)
                while not selector.select(every):
                    beat()
                selector.unregister(waits_for)
                beat()
                waits_for, event = next(conversation)
        except StopIteration as end:
            result: T = end.value
            return result


class _Table(Generic[T]):
    """The conversations under way."""

    def __init__(self, seconds: float) -> None:
        self.results: deque[T] = deque()
        self._seconds = seconds
        self._deadlines: dict[Conversation[T], float] = {}
        self._selector = selectors.DefaultSelector()

    def __len__(self) -> int:
        return len(self._deadlines)

    def begin(self, conversation: Conversation[T]) -> None:
        """Take it on, up to where it waits."""
        self._deadlines[conversation] = time.monotonic() + self._seconds
        self._advance(conversation, partial(next, conversation))

    def listen(self) -> None:
        """Go on with those that have waited for long enough, one way or the other."""
        patience = min(self._deadlines.values()) - time.monotonic()
        for key, _ in self._selector.select(max(0, patience)):
            self._selector.unregister(key.fileobj)
            self._advance(key.data, partial(next, key.data))
        now = time.monotonic()
        waiting = list(self._selector.get_map().values())
        for key in waiting:
            if self._deadlines[key.data] <= now:
                self._selector.unregister(key.fileobj)
                late = TimeoutError("no answer in time")
                self._advance(key.data, partial(key.data.throw, late))

    def postpone(self, seconds: float) -> None:
        """Give all of them so much longer."""
        for conversation in self._deadlines:
            self._deadlines[conversation] += seconds

    def close(self) -> None:
        """Break off what is under way."""
        for conversation in self._deadlines:
            conversation.close()
        self._selector.close()

    def _advance(self, conversation: Conversation[T], resume: Callable[[], Wait]) -> None:
        try:
            waits_for, event = resume()
        except StopIteration as end:
            del self._deadlines[conversation]
            self.results.append(end.value)
        else:
            self._selector.register(waits_for, event, conversation)
