"""What the machine's owner may ask the exchange about itself."""

import json

from tornado.web import RequestHandler

from workers.paper_exchange.exchange import PaperExchange


class StateHandler(RequestHandler):
    """GET /paper/state: how the exchange is, as JSON; answered from the first moment on."""

    def initialize(self, exchange: PaperExchange, market_kind: str) -> None:
        """Called by Tornado for each request."""
        self._exchange = exchange
        self._market_kind = market_kind

    def get(self) -> None:
        """Answer with market, clock, prices and counts."""
        exchange = self._exchange
        now_ms = exchange.advance()
        quotes = {symbol: exchange.feed.quote(symbol) for symbol in exchange.feed.markets}
        self.set_header("Content-Type", "application/json")
        self.finish(
            json.dumps(
                {
                    "market": self._market_kind,
                    "speed": exchange.clock.speed,
                    "market_time_ms": now_ms,
                    "symbols": {
                        symbol: {
                            "last_price": str(quote.price) if quote else None,
                            "is_open": exchange.feed.is_open(symbol),
                        }
                        for symbol, quote in quotes.items()
                    },
                    "accounts": len(exchange.engine.accounts),
                    "open_orders": exchange.engine.open_order_count,
                }
            )
        )
