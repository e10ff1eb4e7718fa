"""What every WebSocket connection of the dialect does."""

from asyncio import Future

from tornado.websocket import WebSocketClosedError, WebSocketHandler


class TextSocket(WebSocketHandler):
    """A connection that is told text frames."""

    @property
    def has_markets(self) -> bool:
        """Whether there is anything to tell."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Refuse while there is no market: a client that connects again gets what it asks for."""
        if not self.has_markets:
            self.set_status(503)
            self.finish()

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002
        """Who may ask shows in what he signs."""
        return True

    def send(self, text: str) -> None:
        """Write a text frame; a client that is gone is not an error."""
        try:
            written = self.write_message(text)
        except WebSocketClosedError:
            return
        written.add_done_callback(_forget)


def _forget(written: "Future[None]") -> None:
    """Look at how a write ended, so that a client's leaving is not reported as a fault."""
    if not written.cancelled():
        written.exception()
