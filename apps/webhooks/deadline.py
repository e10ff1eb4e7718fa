"""A webhook is answered within a second, whatever the database does: one that hangs tells nobody."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import Any

from apps.webhooks.receiving import MAX_BYTES

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
_LATE = json.dumps(
    {"status": "refused", "reason": "It could not be stored. Send it again."}
).encode()


class Deadline:
    """Runs an application in a thread of its own and answers 503 where that takes longer than `seconds`,
    or still has not come back from an earlier request. A row that is written after all makes what the
    sender repeats a duplicate. For servers that handle one request at a time."""

    def __init__(self, application: Application, *, seconds: float) -> None:
        self._application = application
        self._seconds = seconds
        # Its thread starts with the first request, so that a server may fork before.
        self._thread = ThreadPoolExecutor(1)
        self._late: Future[Any] | None = None

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request; the body is read first, since a slow sender has his own time."""
        if not environ.get("PATH_INFO", "").startswith("/webhook"):
            return self._application(environ, start_response)
        environ["wsgi.input"] = BytesIO(_read_body(environ))
        if self._late is None or self._late.done():
            self._late = self._thread.submit(self._run, environ)
            try:
                response, body = self._late.result(self._seconds)
            except TimeoutError:
                pass
            else:
                start_response(*response)
                return [body]
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(_LATE)))]
        start_response("503 Service Unavailable", head)
        return [_LATE]

    def _run(self, environ: Environ) -> tuple[tuple[Any, ...], bytes]:
        response: list[tuple[Any, ...]] = []
        answer = self._application(environ, lambda *given: response.append(given))
        body = b"".join(answer)
        # Ends the request for Django, in the thread that has its connection to the database.
        if close := getattr(answer, "close", None):
            close()
        return response[0], body


def _read_body(environ: Environ) -> bytes:
    """As much of it as is announced, and no more than tells that it is too much."""
    announced = str(environ.get("CONTENT_LENGTH") or "0")
    length = int(announced) if announced.isascii() and announced.isdigit() else 0
    body: bytes = environ["wsgi.input"].read(min(length, MAX_BYTES + 1))
    return body
