"""Keep-alive HTTP/1.1 over plain sockets and TLS.

Written for one promise that general clients don't give: it knows whether a byte of a request has
left, and it never sends one again by itself, not even on a fresh connection after a kept one died.
"""

import contextlib
import os
import socket
import ssl
import time
import zlib
from urllib.parse import urlsplit

import certifi
import httptools

from apps.exchanges.http import ConnectionCut, HttpAnswer, HttpRequest, NotSent

CONNECT_SECONDS = 3.0
#: Exchanges give up on their side after 10 s, and say so.
ANSWER_SECONDS = 11.0
#: No answer of an exchange comes near it.
MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_IDLE = 8
#: Routers forget quiet connections without a word, and a request into one is lost for its whole time-out.
IDLE_SECONDS = 20.0
_CHUNK_BYTES = 1 << 18
_DEFAULT_PORTS = {"http": 80, "https": 443}

#: Idle connections, and since when, by process and base URL: a forked child must not speak on its parent's
#: sockets.
_idle: dict[tuple[int, str], list[tuple[socket.socket, float]]] = {}
_tls_contexts: list[ssl.SSLContext] = []


class PooledTransport:
    """Connections to one host, shared by all of this process; holds no credentials."""

    def __init__(self, base_url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        parts = urlsplit(base_url.rstrip("/"))
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{base_url} is no address of an exchange: use http(s)://host[:port].")
        self._base_url = base_url
        self._is_tls = parts.scheme == "https"
        self._address = (parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])
        self._path = parts.path
        self._head = (
            f"Host: {parts.netloc}\r\nUser-Agent: aristobot\r\n"
            "Accept: application/json\r\nAccept-Encoding: gzip\r\n"
        )
        self._answer_seconds = answer_seconds

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The exchange's answer, whatever its status; redirects are not followed."""
        message = self._encode(request)
        connection = self._take_idle() or self._connect()
        try:
            answer, can_be_kept = self._exchange(connection, message)
        except BaseException:
            connection.close()
            raise
        idle = _idle.setdefault((os.getpid(), self._base_url), [])
        if can_be_kept and len(idle) < _MAX_IDLE:
            idle.append((connection, time.monotonic()))
        else:
            connection.close()
        return answer

    def _encode(self, request: HttpRequest) -> bytes:
        lines = [f"{request.method} {self._path}{request.target} HTTP/1.1\r\n", self._head]
        lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        body = (request.body or "").encode()
        if body or request.method not in {"GET", "DELETE"}:
            lines.append(f"Content-Length: {len(body)}\r\n")
        head = "".join(lines)
        if len(head.splitlines()) != len(lines) + self._head.count("\r\n") - 1 or "\0" in head:
            raise NotSent("a part of the request holds a line break: check key and passphrase")
        try:
            return head.encode("latin-1") + b"\r\n" + body
        except UnicodeEncodeError:
            # Its own words would quote the key.
            message = "a part of the request can't be written as HTTP: check key and passphrase"
            raise NotSent(message) from None

    def _take_idle(self) -> socket.socket | None:
        idle = _idle.get((os.getpid(), self._base_url), [])
        while True:
            try:
                connection, since = idle.pop()
            except IndexError:  # threads take from it side by side
                return None
            if time.monotonic() - since < IDLE_SECONDS and _is_quiet(connection):
                return connection
            connection.close()

    def _connect(self) -> socket.socket:
        try:
            connection = socket.create_connection(self._address, timeout=CONNECT_SECONDS)
        except OSError as e:
            raise NotSent(f"no connection to {self._base_url} ({e})") from e
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_tls:
                return _tls_context().wrap_socket(connection, server_hostname=self._address[0])
        except OSError as e:
            connection.close()
            raise NotSent(f"no secure connection to {self._base_url} ({e})") from e
        return connection

    def _exchange(self, connection: socket.socket, message: bytes) -> tuple[HttpAnswer, bool]:
        """From here on bytes have left: whatever goes wrong, the request may have arrived."""
        give_up_at = time.monotonic() + self._answer_seconds
        reader = _AnswerReader()
        try:
            connection.settimeout(self._answer_seconds)
            connection.sendall(message)
            while not reader.is_complete:
                remaining = give_up_at - time.monotonic()
                if remaining <= 0:
                    raise TimeoutError(f"no answer within {self._answer_seconds:g} s")
                connection.settimeout(remaining)
                data = connection.recv(_CHUNK_BYTES)
                reader.feed(data) if data else reader.end()
            return reader.answer(), reader.can_be_kept
        except _USELESS as e:
            words = str(e) or type(e).__name__
            raise ConnectionCut(f"no usable answer from {self._base_url} ({words})") from e


class _Malformed(Exception):
    """The other side does not speak HTTP as it should."""


_USELESS = (
    OSError,
    httptools.HttpParserError,
    httptools.HttpParserUpgrade,
    zlib.error,
    _Malformed,
)


class _AnswerReader:
    """Collects one answer; the callbacks are the parser's."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._has_head = False
        self.is_complete = False
        self.can_be_kept = False

    def on_message_begin(self) -> None:
        """An interim answer (1xx) may have come before: start anew; after the answer nothing may come."""
        if self.is_complete:
            raise _Malformed("more than one answer came")
        self._headers, self._chunks, self._size, self._has_head = {}, [], 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All of them."""
        self._has_head = True

    def on_body(self, chunk: bytes) -> None:
        """A part of the body."""
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES:
            raise _Malformed(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """The end, unless the answer was an interim one."""
        self.is_complete = self._parser.get_status_code() >= 200
        self.can_be_kept = self._parser.should_keep_alive()

    def feed(self, data: bytes) -> None:
        """Parse what came; anything behind the end of the answer is not ours."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as e:
            raise e.__context__ if isinstance(e.__context__, _Malformed) else e from None

    def end(self) -> None:
        """The other side closed: complete only where no length was promised."""
        promised = {"content-length", "transfer-encoding"} & self._headers.keys()
        if not self._has_head or promised:
            raise _Malformed("the connection was closed in the middle of the answer")
        self.is_complete, self.can_be_kept = True, False

    def answer(self) -> HttpAnswer:
        """With the body decompressed."""
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if self._headers.get("content-encoding", "").lower() == "gzip":
            body = _gunzip(body)
        status = self._parser.get_status_code()
        return HttpAnswer(status=status, body=body, headers=self._headers)


def _gunzip(data: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    body = inflater.decompress(data, MAX_BODY_BYTES)
    if inflater.unconsumed_tail or not inflater.eof:
        raise _Malformed("the compressed answer is cut, or larger than it may be")
    return body


def _is_quiet(connection: socket.socket) -> bool:
    """Whether an idle connection is still open, and nobody has sent anything unasked."""
    connection.settimeout(0)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def _tls_context() -> ssl.SSLContext:
    if not _tls_contexts:
        _tls_contexts.append(ssl.create_default_context(cafile=certifi.where()))
    return _tls_contexts[0]


def close_idle() -> None:
    """Close this process's idle connections."""
    for (pid, _base_url), connections in _idle.items():
        while pid == os.getpid() and connections:
            with contextlib.suppress(OSError):
                connections.pop()[0].close()
