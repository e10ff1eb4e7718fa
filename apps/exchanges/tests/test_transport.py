"""The keep-alive transport over real sockets."""

import datetime as dt
import gzip
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.exchanges import transport as transport_module
from apps.exchanges.http import ConnectionCut, HttpRequest, NotSent
from apps.exchanges.tests.stubs import JOIN_SECONDS, http_server
from apps.exchanges.transport import PooledTransport, close_idle

GET = HttpRequest(method="GET", path="/")
POST = HttpRequest(method="POST", path="/order", body="a=1")


class Echo(BaseHTTPRequestHandler):
    """Answers with the client's port, so that a kept connection can be told."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Port of the peer; /moved redirects."""
        body = str(self.client_address[1]).encode()
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Weight", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@pytest.fixture(autouse=True)
def _no_idle_connections() -> Iterator[None]:
    yield
    close_idle()


@contextmanager
def raw_server(*connections: Callable[[socket.socket], None]) -> Iterator[str]:
    """The base URL of a server that serves one connection after the other by these scripts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for script in connections:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    script(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            close_idle()
            thread.join(JOIN_SECONDS)


def answering(*answers: bytes) -> Callable[[socket.socket], None]:
    """Reads a request and sends an answer, as often as there are answers."""

    def script(connection: socket.socket) -> None:
        for raw in answers:
            connection.recv(65536)
            connection.sendall(raw)

    return script


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_connection_is_kept_and_shared_in_a_process() -> None:
    with http_server(Echo) as url:
        first = PooledTransport(url).send(GET)
        second = PooledTransport(url).send(GET)
        close_idle()

    assert first.body == second.body
    assert first.headers["x-weight"] == "7"


def test_forked_process_opens_its_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server(Echo) as url:
        parent = PooledTransport(url).send(GET)
        with monkeypatch.context() as forked:
            forked.setattr(os, "getpid", lambda: -1)
            child = PooledTransport(url).send(GET)
            close_idle()
        close_idle()

    assert parent.body != child.body


def test_redirect_is_not_followed() -> None:
    with http_server(Echo) as url:
        got = PooledTransport(url).send(HttpRequest(method="GET", path="/moved"))
        close_idle()

    assert got.status == 302


def test_request_is_written_as_it_is_signed() -> None:
    seen: list[bytes] = []

    def script(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(OK)

    request = HttpRequest(
        method="POST", path="/order", query="b=%20", headers={"X-Key": "k"}, body="a=1"
    )
    with raw_server(script) as url:
        PooledTransport(url).send(request)

    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /order?b=%20 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert {b"X-Key: k", b"Content-Length: 3"} <= set(head.split(b"\r\n"))
    assert body == b"a=1"


@pytest.mark.parametrize("key", ["k\r\nX-Other: 1", "k\nX-Other: 1", "k\rX", "k\0"])
def test_line_break_in_a_header_is_refused(key: str) -> None:
    request = HttpRequest(method="GET", path="/", headers={"X-Key": key})

    with pytest.raises(NotSent, match="line break"):
        PooledTransport("http://127.0.0.1:1").send(request)


def test_header_that_http_can_not_carry_is_refused_without_being_quoted() -> None:
    request = HttpRequest(method="GET", path="/", headers={"X-Key": "my\u20acpass"})

    with pytest.raises(NotSent, match="check key and passphrase") as caught:
        PooledTransport("http://127.0.0.1:1").send(request)

    assert caught.value.__cause__ is None
    assert "pass\u20ac" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:9001", "ftp://host", "https://"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of an exchange"):
        PooledTransport(url)


def test_connection_that_the_other_side_closed_is_replaced_unsent() -> None:
    with raw_server(answering(OK), answering(OK)) as url:
        transport = PooledTransport(url)
        transport.send(GET)
        ((kept, _since),) = transport_module._idle[os.getpid(), url]
        # The server has closed after its script; wait until that has arrived.
        kept.settimeout(JOIN_SECONDS)
        assert kept.recv(1, socket.MSG_PEEK) == b""

        assert transport.send(GET).body == b"ok"


def test_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport_module, "IDLE_SECONDS", 0.0)
    with http_server(Echo) as url:
        first = PooledTransport(url).send(GET)
        second = PooledTransport(url).send(GET)
        close_idle()

    assert first.body != second.body


def test_write_on_a_kept_connection_that_dies_is_not_sent_again() -> None:
    received: list[bytes] = []

    def dies(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(OK)
        received.append(connection.recv(65536))

    with raw_server(dies, answering(OK)) as url:
        transport = PooledTransport(url)
        transport.send(GET)
        with pytest.raises(ConnectionCut, match="closed in the middle"):
            transport.send(POST)
        transport.send(GET)  # releases the second connection

    assert len(received) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (len(gzip.compress(b"ok")), gzip.compress(b"ok")),
    ],
    ids=["chunked", "interim answer", "until the end", "gzip"],
)
def test_every_way_to_send_a_body_is_read(raw: bytes) -> None:
    with raw_server(answering(raw)) as url:
        assert PooledTransport(url).send(GET).body == b"ok"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno" + OK,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["nothing", "short", "unfinished", "no HTTP", "two answers", "upgrade", "no gzip"],
)
def test_answer_that_is_none_is_cut(raw: bytes) -> None:
    with raw_server(answering(raw)) as url, pytest.raises(ConnectionCut, match="no usable answer"):
        PooledTransport(url).send(GET)


def test_answer_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_BODY_BYTES", 10)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b"x" * 99

    with raw_server(answering(raw)) as url, pytest.raises(ConnectionCut, match="larger than 10"):
        PooledTransport(url).send(GET)


def test_answer_that_unpacks_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_BODY_BYTES", 1000)
    bomb = gzip.compress(b"0" * 100_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    with (
        raw_server(answering(head + bomb)) as url,
        pytest.raises(ConnectionCut, match="larger than it may be"),
    ):
        PooledTransport(url).send(GET)


def test_refused_connection_is_not_sent() -> None:
    with http_server(Echo) as url:
        pass

    with pytest.raises(NotSent, match=url):
        PooledTransport(url).send(GET)


def test_silent_exchange_is_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        url = f"http://127.0.0.1:{never_answers.getsockname()[1]}"

        with pytest.raises(ConnectionCut, match="timed out"):
            PooledTransport(url, answer_seconds=0.01).send(GET)


def test_certificate_of_a_stranger_is_not_sent_to(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    received: list[bytes] = []

    def script(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            received.append(secure.recv(1))

    with (
        raw_server(script) as url,
        pytest.raises(NotSent, match=r"no secure connection.*CERTIFICATE_VERIFY_FAILED"),
    ):
        PooledTransport(url.replace("http", "https")).send(POST)

    assert not received


def self_signed(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    day = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day.replace(year=2100))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
