"""One WebSocket to an exchange: opening, pacing, keeping alive, and one error for every way it ends."""

import time
from collections.abc import Callable, Mapping

import msgspec
import websocket

from apps.exchanges.errors import StreamClosed

CONNECT_SECONDS = 10.0
#: How long an exchange may take to agree to a login or a private subscription, whatever else it sends.
AGREE_SECONDS = 10.0
#: Exchanges cut a connection after 24 h; ending it ourselves just before comes at a quiet moment.
MAX_AGE_SECONDS = 24 * 3600 - 300.0


def stream_url(base_url: str, known: Mapping[str, str]) -> str:
    """Where the WebSockets of a REST host are; a host of one's own serves both on one port."""
    host = base_url.rstrip("/")
    return known.get(host) or host.replace("http", "ws", 1)


class Connection:
    """Used by one thread; answers pings itself. Reconnecting is the caller's.

    `silence_seconds`: a longer silence is a dead connection. `keep_alive` is sent every
    `keep_alive_seconds`, to exchanges that wait for a sign of life.
    """

    def __init__(
        self,
        url: str,
        *,
        exchange: str,
        silence_seconds: float,
        seconds_between_messages: float,
        keep_alive: str = "",
        keep_alive_seconds: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._exchange = exchange
        self._silence_seconds = silence_seconds
        self._pause_seconds = seconds_between_messages
        self._keep_alive = keep_alive
        self._wait_seconds = keep_alive_seconds if keep_alive else silence_seconds
        self._sleep = sleep
        self._monotonic = monotonic
        self._socket: websocket.WebSocket | None = None
        self._opened_at = self._heard_at = self._sent_at = 0.0

    def open(self, path: str = "") -> None:
        """Connect, after closing what was open; raises StreamClosed."""
        self.close()
        try:
            # Without the check of UTF-8 in Python, which the JSON decoder makes anyway.
            self._socket = websocket.create_connection(
                self.url + path, timeout=CONNECT_SECONDS, skip_utf8_validation=True
            )
        except (websocket.WebSocketException, OSError) as e:
            raise self.closed(f"could not be opened ({e})") from e
        self._socket.settimeout(self._wait_seconds)
        self._opened_at = self._heard_at = self._monotonic()

    def send(self, message: object) -> None:
        """Send JSON, no faster than the exchange allows."""
        self._send_text(msgspec.json.encode(message).decode())

    def recv(self) -> bytes | None:
        """The next text frame, waited for; None for any other, so that the caller gets to run."""
        quiet = self._monotonic() - max(self._sent_at, self._opened_at)
        if self._keep_alive and quiet >= self._wait_seconds:
            self._send_text(self._keep_alive)
        try:
            opcode, data = self._connected().recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException as e:
            if self._monotonic() - self._heard_at >= self._silence_seconds:
                raise self.closed(f"was silent for {self._silence_seconds:g} s") from e
            return None
        except (websocket.WebSocketException, OSError) as e:
            raise self.closed(f"broke ({e})") from e
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise self.closed("was closed by the exchange")
        self._heard_at = self._monotonic()
        if self._heard_at - self._opened_at > MAX_AGE_SECONDS:
            raise self.closed("is a day old, which is as long as an exchange keeps it")
        return data if opcode == websocket.ABNF.OPCODE_TEXT else None

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        if self._socket is not None:
            self._socket.shutdown()  # type: ignore[no-untyped-call]
            self._socket = None

    def closed(self, what: str) -> StreamClosed:
        """The error to raise when the stream can't go on; the connection is closed."""
        self.close()
        return StreamClosed(
            f"The stream at {self.url} {what}. Connect again.", exchange=self._exchange
        )

    def _send_text(self, text: str) -> None:
        pause = self._sent_at + self._pause_seconds - self._monotonic()
        if pause > 0:
            self._sleep(pause)
        try:
            self._connected().send(text)
        except (websocket.WebSocketException, OSError) as e:
            raise self.closed(f"broke ({e})") from e
        self._sent_at = self._monotonic()

    def _connected(self) -> websocket.WebSocket:
        if self._socket is None:
            raise self.closed("is not open")
        return self._socket
