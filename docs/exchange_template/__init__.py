"""Example spot, an exchange that does not exist: the smallest adapter that keeps every promise, to copy.

Its whole protocol. Parameters are in the query, of a POST in a JSON body. Amounts are text but for
candles, times are milliseconds since 1970, a market is BTC-USDT. What goes wrong has an HTTP status
from 400 on and {"error": "insufficient_funds", "message": "..."}; 429 has a Retry-After in seconds.

    GET    /time      {"now"}
    GET    /markets   [{"base", "quote", "tick", "step", "min_quantity", "min_notional", "status"}]
    GET    /tickers   [{"symbol", "last", "bid", "ask", "at"}]
    GET    /candles   symbol, timeframe, limit, start, end: [[at, open, high, low, close, volume]]
    GET    /account   {"balances": [{"asset", "free", "locked"}], "maker", "taker", "rights"}
    POST   /order     symbol, side, type, quantity, price, name, expires_at: an order
    GET    /order     symbol, name or id: an order
    DELETE /order     symbol, name or id: the order, cancelled
    DELETE /orders    symbol: all that are open are cancelled, and told
    GET    /orders    state (open, closed), symbol, since: orders, oldest first
    GET    /fills     symbol, order, since: fills, oldest first

From /account on a call is signed: Example-Key; Example-Time, which may be 5 s off; and
Example-Signature, the HMAC-SHA256 of time, method, path with query, and body under the secret, in hex.

A WebSocket at /candles takes {"subscribe": ["BTC-USDT:1m"]} or unsubscribe, and tells
{"candle": "BTC-USDT:1m", "row": [...], "closed": true}. One at /orders takes
{"key", "time", "signature"}, signed as a GET of /orders, and tells {"subscribed": true}, then every
change as {"order": {...}}, with its fill as "fill" in the order. Either may tell {"error": "words"}.
"""
