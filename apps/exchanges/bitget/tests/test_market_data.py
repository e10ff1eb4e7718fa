"""Questions that anybody may ask, against scripted answers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from apps.domain.candles import Timeframe
from apps.exchanges.bitget.client import BitgetClient
from apps.exchanges.bitget.tests.payloads import NOW, NOW_MS, asked, client, failure, good
from apps.exchanges.errors import ExchangeUnavailable, RateLimited, UnknownSymbol, Unsupported
from apps.exchanges.http import ConnectionCut, HttpAnswer, HttpRequest
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.tests.stubs import StubTransport

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def symbol_row(base: str, quote: str = "USDT") -> dict[str, str]:
    """A market as told."""
    digits = {"pricePrecision": "2", "quantityPrecision": "6", "quotePrecision": "6"}
    names = {"symbol": f"{base}{quote}", "baseCoin": base, "quoteCoin": quote}
    return {**names, **digits, "status": "online"}


def ticker_row(wire_symbol: str, price: str = "5") -> dict[str, str]:
    """A ticker as told."""
    return {"symbol": wire_symbol, "lastPr": price, "ts": str(NOW_MS)}


def test_server_time() -> None:
    transport = StubTransport(good({"serverTime": str(NOW_MS)}))

    assert client(transport).get_server_time() == NOW


def test_closed_markets_are_listed_too() -> None:
    transport = StubTransport(good([symbol_row("BTC"), symbol_row("OLD") | {"status": "offline"}]))

    markets = client(transport).get_markets()

    assert [(market.symbol, market.is_trading) for market in markets] == [
        ("BTC/USDT", True),
        ("OLD/USDT", False),
    ]


def test_one_ticker() -> None:
    transport = StubTransport(good([ticker_row("BTCUSDT")]))

    ticker = client(transport).get_ticker("BTC/USDT")

    assert (ticker.symbol, ticker.last, ticker.at) == ("BTC/USDT", 5, NOW)
    assert transport.requests[0].target == "/api/v2/spot/market/tickers?symbol=BTCUSDT"


def test_unknown_market_is_told_so() -> None:
    transport = StubTransport(failure("40102", "symbol does not exist"))

    with pytest.raises(UnknownSymbol, match=r"symbol does not exist \(40102\)"):
        client(transport).get_ticker("NO/USDT")


def test_all_tickers_are_told_under_their_symbols() -> None:
    transport = StubTransport(
        good([symbol_row("BTC"), symbol_row("ETH", "BTC")]),
        good([ticker_row("BTCUSDT"), ticker_row("ETHBTC"), ticker_row("GHOSTUSDT")]),
        good([ticker_row("BTCUSDT")]),
    )
    everybody = client(transport)

    assert list(everybody.fetch_tickers()) == ["BTC/USDT", "ETH/BTC"]
    assert list(everybody.fetch_tickers()) == ["BTC/USDT"]

    # The markets are learned once.
    assert asked(transport) == ["GET symbols", "GET tickers", "GET tickers"]


def test_named_tickers_need_no_market_list() -> None:
    rows = [ticker_row("BTCUSDT"), ticker_row("ETHUSDT"), ticker_row("XUSDT")]
    transport = StubTransport(good(rows), good(rows[:1]), failure("40102"))
    everybody = client(transport)

    assert list(everybody.fetch_tickers(["BTC/USDT", "ETH/USDT", "NO/USDT"])) == [
        "BTC/USDT",
        "ETH/USDT",
    ]
    assert list(everybody.fetch_tickers({"BTC/USDT"})) == ["BTC/USDT"]
    assert everybody.fetch_tickers(["NO/USDT"]) == {}
    assert everybody.fetch_tickers([]) == {}

    assert [request.query for request in transport.requests] == [
        "",
        "symbol=BTCUSDT",
        "symbol=NOUSDT",
    ]


def test_read_is_tried_three_times() -> None:
    transport = StubTransport(*[ConnectionCut("x")] * 3)

    with pytest.raises(ExchangeUnavailable, match="GET /api/v2/public/time at bitget"):
        client(transport).get_server_time()

    assert len(transport.requests) == 3


def test_refused_rate_is_not_tried_again() -> None:
    transport = StubTransport(failure("1001", "too frequent"))

    with pytest.raises(RateLimited):
        client(transport).get_server_time()

    assert len(transport.requests) == 1


# Candles


def kline(at_ms: int) -> list[str]:
    """A candle as told; its close is its minute, so that it can be told apart."""
    price = str(at_ms // MINUTE % 1000 + 1)
    return [str(at_ms), price, price, price, price, "1", "1", "1"]


class Market:
    """Tells candles as Bitget does: newest first counted from the end, young and old ones apart."""

    def __init__(self, *, step: int = MINUTE) -> None:
        self.step = step
        self.now_ms = NOW_MS
        self.missing: tuple[int, ...] = ()
        #: From when to when nothing was traded.
        self.gap = (0, 0)
        self.trades_every = step
        self.reach = 30 * DAY
        self.first_ms = 0
        self.includes_end = True
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The answer to a question about time or candles."""
        self.requests.append(request)
        if request.path.endswith("/time"):
            return good({"serverTime": str(self.now_ms)})
        params = dict(pair.split("=") for pair in request.query.split("&"))
        is_old = request.path.endswith("history-candles")
        limit = int(params["limit"])
        assert limit <= (200 if is_old else 1000)
        end = int(params.get("endTime", self.now_ms + 1)) - (not self.includes_end)
        end = min(end, self.now_ms)
        start = max(int(params.get("startTime", 0)), self.first_ms)
        if not is_old:
            start = max(start, self.now_ms - self.reach)
        rows: list[list[str]] = []
        at = end - end % self.trades_every
        while at >= start and len(rows) < limit:
            if self.gap[0] <= at < self.gap[1]:
                at = self.gap[0] - self.trades_every
                continue
            if at not in self.missing:
                rows.insert(0, kline(at))
            at -= self.trades_every
        return good(rows)

    def client(self) -> BitgetClient:
        """A client that asks it, whose clock is right."""
        return BitgetClient(
            base_url="http://stub",
            limits=MemoryLimitStore(now=self.ticking().__next__),
            transport=self,
            now=lambda: self.now_ms / 1000,
        )

    @staticmethod
    def ticking() -> Iterator[float]:
        """A clock on which there is always time enough for the next request."""
        now = 0.0
        while True:
            now += 10
            yield now

    def asked(self) -> list[str]:
        """What was asked for, in short."""
        return [request.path.rpartition("/")[2] for request in self.requests]


@pytest.fixture(params=[True, False], ids=["end included", "end excluded"])
def market(request: pytest.FixtureRequest) -> Market:
    """A market, whichever way it understands the end of a range."""
    made = Market()
    made.includes_end = request.param
    return made


def minute(ago: int) -> datetime:
    """The beginning of a minute, so many before the running one."""
    return NOW - timedelta(minutes=ago)


def minutes_told(opened_at_ms: object) -> list[int]:
    """How many minutes ago each candle opened."""
    return [(NOW_MS - at) // MINUTE for at in list(opened_at_ms)]  # type: ignore[call-overload]


def test_newest_candles_are_one_question_and_the_last_still_runs() -> None:
    transport = StubTransport(good([kline(NOW_MS - MINUTE), kline(NOW_MS)]))

    candles = client(transport).get_candles("BTC/USDT", Timeframe.M1, limit=2)

    assert transport.requests[0].target == (
        "/api/v2/spot/market/candles?granularity=1min&limit=2&symbol=BTCUSDT"
    )
    assert (len(candles), candles.closed) == (2, 1)
    assert candles[-1].opened_at == NOW
    assert len(transport.requests) == 1


def test_last_candle_that_may_have_ended_is_read_again_after_the_clock() -> None:
    rows = [kline(NOW_MS - 2 * MINUTE), kline(NOW_MS - MINUTE)]
    final = [rows[0], [rows[1][0], "7", "7", "7", "7", "7", "7", "7"]]
    transport = StubTransport(good(rows), good({"serverTime": str(NOW_MS)}), good(final))

    candles = client(transport).get_candles("BTC/USDT", Timeframe.M1, limit=2)

    assert (candles.closed, candles.close[-1]) == (2, 7)


def test_candle_that_runs_by_the_exchanges_clock_is_not_closed() -> None:
    rows = [kline(NOW_MS - 2 * MINUTE), kline(NOW_MS - MINUTE)]
    behind = good({"serverTime": str(NOW_MS - 1)})
    transport = StubTransport(good(rows), behind, good(rows))

    assert client(transport).get_candles("BTC/USDT", Timeframe.M1, limit=2).closed == 1


def test_range_includes_both_ends(market: Market) -> None:
    candles = market.client().get_candles(
        "BTC/USDT", Timeframe.M1, start=minute(30), end=minute(20)
    )

    assert minutes_told(candles.opened_at_ms) == [*range(30, 19, -1)]
    # All had ended on the clock that was asked before, so one more question is enough.
    assert (candles.closed, market.asked()) == (11, ["time", "candles"])


def test_start_between_two_candles_begins_with_the_next(market: Market) -> None:
    start, end = minute(5) + timedelta(seconds=1), minute(2) + timedelta(seconds=59)

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=start, end=end)

    assert minutes_told(candles.opened_at_ms) == [4, 3, 2]


def test_from_a_start_the_oldest_are_told(market: Market) -> None:
    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=minute(3000), limit=1500)

    assert minutes_told(candles.opened_at_ms) == [*range(3000, 1500, -1)]
    assert market.asked() == ["time", "candles", "candles"]


def test_up_to_now_the_last_one_still_runs(market: Market) -> None:
    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=minute(3))

    assert minutes_told(candles.opened_at_ms) == [3, 2, 1, 0]
    assert candles.closed == 3


def test_up_to_an_end_the_newest_are_told(market: Market) -> None:
    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, end=minute(100), limit=2500)

    assert minutes_told(candles.opened_at_ms) == [*range(2599, 99, -1)]
    assert (candles.closed, market.asked()) == (2500, ["time", *["candles"] * 3])


def test_more_than_one_answer_holds_is_asked_for_in_parts(market: Market) -> None:
    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, limit=1500)

    assert minutes_told(candles.opened_at_ms) == [*range(1499, -1, -1)]
    assert (candles.closed, market.asked()) == (1499, ["time", "candles", "candles"])


def test_old_candles_are_asked_for_elsewhere(market: Market) -> None:
    start = NOW - timedelta(days=100)

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=start, limit=500)

    assert minutes_told(candles.opened_at_ms) == [*range(144_000, 143_500, -1)]
    assert market.asked() == ["time", *["history-candles"] * 3]
    assert all("endTime" in request.query for request in market.requests[1:])


def test_range_may_go_from_old_to_young_ones(market: Market) -> None:
    start = NOW - timedelta(days=29, minutes=100)

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=start, limit=400)

    assert len(candles) == 400
    assert market.asked() == ["time", "history-candles", "candles"]


def test_backwards_from_young_to_old_ones(market: Market) -> None:
    end = NOW - timedelta(days=28, hours=12)

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, end=end, limit=1400)

    assert len(candles) == 1400
    assert candles[-1].opened_at == end
    assert set(market.asked()) == {"time", "history-candles"}


def test_minutes_without_a_trade_are_missing_and_no_end(market: Market) -> None:
    market.missing = tuple(NOW_MS - ago * MINUTE for ago in range(20, 400))

    forwards = market.client().get_candles("BTC/USDT", Timeframe.M1, start=minute(410), limit=25)
    backwards = market.client().get_candles("BTC/USDT", Timeframe.M1, end=minute(18), limit=5)

    assert minutes_told(forwards.opened_at_ms) == [*range(410, 399, -1), *range(19, 5, -1)]
    assert minutes_told(backwards.opened_at_ms) == [402, 401, 400, 19, 18]


YEAR = 365 * 24 * 60


def test_candles_after_a_long_gap_are_found_in_few_questions(market: Market) -> None:
    market.gap = (NOW_MS - (YEAR - 5) * MINUTE, NOW_MS - 1000 * MINUTE)

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=minute(YEAR), limit=7)

    assert minutes_told(candles.opened_at_ms) == [YEAR, *range(YEAR - 1, YEAR - 5, -1), 1000, 999]
    assert len(market.requests) <= 30


def test_start_long_before_the_first_trade_is_no_long_walk(market: Market) -> None:
    market.first_ms = NOW_MS - 100_000 * MINUTE

    candles = market.client().get_candles(
        "BTC/USDT", Timeframe.M1, start=minute(7 * YEAR), limit=500
    )

    assert minutes_told(candles.opened_at_ms) == [*range(100_000, 99_500, -1)]
    assert len(market.requests) <= 30


def test_market_that_has_never_traded_is_told_in_few_questions(market: Market) -> None:
    market.first_ms = NOW_MS + DAY

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=minute(YEAR))

    assert len(candles) == 0
    assert len(market.requests) <= 10


def test_market_that_hardly_trades_ends_with_what_there_is(market: Market) -> None:
    market.trades_every = DAY

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=minute(YEAR), limit=1000)

    told = minutes_told(candles.opened_at_ms)
    assert told == [*range(YEAR, YEAR - len(told) * 1440, -1440)]
    assert len(told) > 3
    assert len(market.requests) <= 40


def test_market_that_is_young_has_what_it_has(market: Market) -> None:
    market.first_ms = NOW_MS - 5 * MINUTE

    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, end=minute(1), limit=100)

    assert minutes_told(candles.opened_at_ms) == [5, 4, 3, 2, 1]


def test_range_of_the_future_is_empty(market: Market) -> None:
    candles = market.client().get_candles("BTC/USDT", Timeframe.M1, start=minute(-5))

    assert (len(candles), market.asked()) == (0, ["time"])


def test_question_about_long_candles_spans_no_more_than_allowed() -> None:
    market = Market(step=4 * HOUR)
    market.reach = 240 * DAY

    candles = market.client().get_candles(
        "BTC/USDT", Timeframe.H4, start=NOW - timedelta(days=200), limit=1000
    )

    assert len(candles) == 1000
    for request in market.requests[1:]:
        params = dict(pair.split("=") for pair in request.query.split("&"))
        assert int(params["endTime"]) - int(params["startTime"]) <= 90 * DAY


@pytest.mark.parametrize(
    ("timeframe", "word"),
    [
        (Timeframe.M1, "1min"),
        (Timeframe.M3, "3min"),
        (Timeframe.M5, "5min"),
        (Timeframe.M15, "15min"),
        (Timeframe.H1, "1h"),
        (Timeframe.H4, "4h"),
    ],
)
def test_timeframe_has_bitgets_word(timeframe: Timeframe, word: str) -> None:
    transport = StubTransport(good([]))

    client(transport).get_candles("BTC/USDT", timeframe)

    assert f"granularity={word}&" in transport.requests[0].query


def test_timeframe_that_bitget_lacks_is_refused() -> None:
    transport = StubTransport()

    with pytest.raises(Unsupported, match=r"Bitget has no 2h candles\. Nothing was sent"):
        client(transport).get_candles("BTC/USDT", Timeframe.H2)

    assert transport.requests == []


def test_times_of_candles_are_utc() -> None:
    transport = StubTransport(good([kline(NOW_MS)]))

    (candle,) = client(transport).get_candles("BTC/USDT", Timeframe.M1)

    assert candle.opened_at == datetime(2026, 1, 2, tzinfo=UTC)
