"""Messages that nobody waits for: a broker that is slow or away must not keep a sender waiting."""

import logging
import queue
import threading
from dataclasses import dataclass

from apps.core.enqueue import send
from apps.core.tasks import TaskName
from apps.core.traces import traced_as

logger = logging.getLogger(__name__)

#: What waits beyond that is left to the sweep.
MOST_WAITING = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A stored webhook that is to be processed, with what it is processed in line with."""

    webhook_id: int
    trace_id: str
    line: tuple[int, str]


class Messenger:
    """Has stored webhooks processed, from a thread that starts with the first one. What came of one source
    and symbol while it was busy needs one message: whoever processes one goes on with the others."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Wish] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    def hand_over(self, wish: Wish) -> None:
        """Send it soon; with too many waiting the sweep finds its row."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="messenger", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(wish)
        except queue.Full:
            logger.warning("Webhook %s is left to the sweep.", wish.webhook_id)

    def _run(self) -> None:
        while True:
            for wish in self._take():
                with traced_as(wish.trace_id):
                    send(TaskName.PROCESS_WEBHOOK, webhook_id=wish.webhook_id)

    def _take(self) -> list[Wish]:
        """What waits, the first of each line; it waits for at least one."""
        first = self._waiting.get()
        by_line = {first.line: first}
        while not self._waiting.empty():
            wish = self._waiting.get_nowait()
            by_line.setdefault(wish.line, wish)
        return list(by_line.values())


messenger = Messenger()
