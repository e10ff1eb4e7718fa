"""Limits of exchanges on Valkey, shared by all processes of an installation."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from apps.exchanges.errors import ExchangeUnavailable
from apps.exchanges.limits import (
    PATIENCE_SECONDS,
    WAITING_SECONDS,
    CallRecord,
    CallStatistics,
    Refusal,
    Spending,
)

logger = logging.getLogger(__name__)

PREFIX = "limits:"
TIMEOUT_SECONDS = 2.0
#: Statistics of a venue and nonces of a key are dropped when nobody has used them for so long; nonces
#: are times, so the next one is larger all the same.
KEPT_SECONDS = 90 * 86_400

# Numbers are written with 17 digits, with which a double survives the way through text.
_CLOCK = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local function text(number)
  return string.format('%.17g', number)
end
local function keep(key, value, seconds)
  redis.call('SET', key, value, 'EX', math.ceil(seconds) + 1)
end
"""

# A level is "used at", and expires when all of it has flowed back. Four arguments tell of a spending:
# capacity, seconds, whether it refills, amount.
_LEVELS = (
    _CLOCK
    + """
local function read_spending(i)
  return tonumber(ARGV[i]), tonumber(ARGV[i + 1]), ARGV[i + 2] == '1', tonumber(ARGV[i + 3])
end
local function used_now(stored, capacity, seconds, refills)
  if not stored then
    return 0
  end
  local used, at = string.match(stored, '(%S+) (%S+)')
  if refills then
    return math.max(0, used - math.max(0, now - at) * capacity / seconds)
  end
  return math.floor(at / seconds) == math.floor(now / seconds) and tonumber(used) or 0
end
local function keep_level(key, used, capacity, seconds, refills)
  local lasts = refills and used * seconds / capacity or seconds
  keep(key, text(used) .. ' ' .. text(now), lasts)
end
"""
)

_SPEND = (
    _LEVELS
    + """
local share, stops = tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = redis.call('MGET', unpack(KEYS))
for i = 1, stops do
  if stored[i] and tonumber(stored[i]) > now then
    return {i, text(stored[i] - now)}
  end
end
local refusal, seen, levels = false, stops, {}
for i = stops + 1, #KEYS do
  local capacity, seconds, refills, amount = read_spending(4 * (i - stops))
  local used = used_now(stored[i], capacity, seconds, refills)
  local over = used + amount - capacity * share
  levels[KEYS[i]], seen = used, i
  if over > 0 and used > 0 then
    local wait = refills and math.min(over, used) * seconds / capacity or seconds - now % seconds
    refusal = {i, text(wait)}
    break
  end
end
for i = stops + 1, seen do
  local capacity, seconds, refills, amount = read_spending(4 * (i - stops))
  levels[KEYS[i]] = levels[KEYS[i]] + (refusal and 0 or amount)
  keep_level(KEYS[i], levels[KEYS[i]], capacity, seconds, refills)
end
return refusal
"""
)

_RECORD = (
    _LEVELS
    + """
local calls, stop = KEYS[1], KEYS[2]
for i = 3, #KEYS do
  local capacity, seconds, refills, amount = read_spending(6 + 4 * (i - 3))
  local used = used_now(redis.call('GET', KEYS[i]), capacity, seconds, refills)
  keep_level(KEYS[i], math.max(used, amount), capacity, seconds, refills)
end
local stop_seconds = tonumber(ARGV[4])
if stop_seconds > 0 then
  local ends = math.max(now + stop_seconds, tonumber(redis.call('GET', stop) or 0))
  keep(stop, text(ends), ends - now)
end
redis.call('HINCRBY', calls, 'calls', 1)
redis.call('HINCRBYFLOAT', calls, 'seconds', ARGV[3])
if ARGV[2] == '1' then
  redis.call('HSET', calls, 'last_ok_at', text(now))
else
  redis.call('HINCRBY', calls, 'failures', 1)
end
redis.call('EXPIRE', calls, ARGV[5])
"""
)

# A turn is "until holder"; the hash beside it has who waits: token to "priority until".
_TAKE_TURN = (
    _CLOCK
    + """
local turn, waiting = KEYS[1], KEYS[2]
local token, priority = ARGV[2], tonumber(ARGV[3])
local is_free = tonumber(string.match(redis.call('GET', turn) or '0', '%S+')) <= now
local others = redis.call('HGETALL', waiting)
for i = 1, #others, 2 do
  local rank, ends = string.match(others[i + 1], '(%S+) (%S+)')
  if tonumber(ends) <= now then
    redis.call('HDEL', waiting, others[i])
  elseif others[i] ~= token and tonumber(rank) > priority then
    is_free = false
  end
end
if is_free then
  redis.call('HDEL', waiting, token)
  keep(turn, text(now + ARGV[4]) .. ' ' .. token, ARGV[4])
  return 1
end
redis.call('HSET', waiting, token, priority .. ' ' .. text(now + ARGV[5]))
redis.call('EXPIRE', waiting, math.ceil(ARGV[5]) + 1)
return 0
"""
)

_END_TURN = """
redis.call('HDEL', KEYS[2], ARGV[1])
if string.match(redis.call('GET', KEYS[1]) or '', ' (.*)') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
"""

# Nonces have more digits than Lua's numbers, so they are counted by Valkey and compared as text.
_NEXT_NONCE = """
redis.call('INCR', KEYS[1])
local nonce, least = redis.call('GET', KEYS[1]), ARGV[1]
if #nonce < #least or (#nonce == #least and nonce < least) then
  nonce = least
end
redis.call('SET', KEYS[1], nonce, 'EX', ARGV[2])
return nonce
"""


class ValkeyLimitStore:
    """Limits of all processes, by Valkey's clock; every method is one script and one round trip.

    Raises ExchangeUnavailable where a limit can't be asked, so that nothing is sent past it. Where a
    market runs `pace` times as fast as the clock, its limits give back as much sooner. What can wait
    spends no more than `share` of a budget, whatever its priority. `now` is a clock for tests.
    """

    patience = PATIENCE_SECONDS

    def __init__(
        self,
        valkey: Redis,
        *,
        prefix: str = PREFIX,
        now: Callable[[], float] | None = None,
        pace: float = 1.0,
        share: float = 1.0,
    ) -> None:
        self._valkey = valkey
        self._prefix = prefix
        self._now = now
        self._pace = pace
        self._share = share
        self._spend = valkey.register_script(_SPEND)
        self._record = valkey.register_script(_RECORD)
        self._take_turn = valkey.register_script(_TAKE_TURN)
        self._end_turn = valkey.register_script(_END_TURN)
        self._next_nonce = valkey.register_script(_NEXT_NONCE)

    def spend(
        self, spendings: Sequence[Spending], *, share: float, stops: Sequence[str]
    ) -> Refusal | None:
        """Spend all or nothing, up to `share` of each budget, unless one of `stops` is set."""
        share = min(share, self._share)
        refusal = self._ask(
            self._spend,
            [*self._keys("stop", *stops), *self._keys("level", *(s.key for s in spendings))],
            [self._clock(), share, len(stops), *self._arguments(spendings)],
        )
        if refusal is None:
            return None
        position, seconds = refusal
        return Refusal(float(seconds), [*stops, *(s.key for s in spendings)][position - 1])

    def record(self, call: CallRecord) -> None:
        """Count a call, raise budgets to what the exchange counted, set a stop."""
        keys = [
            *self._keys("calls", call.venue),
            *self._keys("stop", call.stop),
            *self._keys("level", *(spending.key for spending in call.used)),
        ]
        stop_seconds = call.stop_seconds if call.stop else 0
        try:
            self._record(
                keys=keys,
                args=[
                    *(self._clock(), int(call.is_ok), call.seconds, stop_seconds, KEPT_SECONDS),
                    *self._arguments(call.used),
                ],
            )
        except RedisError as error:
            # The exchange has answered, and its answer must not be lost for a count.
            logger.warning("A call to %s was not counted: %s", call.venue, error)

    def statistics(self, venue: str) -> CallStatistics:
        """The calls to a venue so far."""
        try:
            counted: dict[Any, Any] = self._valkey.hgetall(*self._keys("calls", venue))
        except RedisError as error:
            raise _unreachable(error) from error
        last_ok_at = counted.get("last_ok_at")
        return CallStatistics(
            calls=int(counted.get("calls", 0)),
            failures=int(counted.get("failures", 0)),
            seconds=float(counted.get("seconds", 0)),
            last_ok_at=None if last_ok_at is None else float(last_ok_at),
        )

    def take_turn(self, name: str, token: str, *, priority: int, seconds: float) -> bool:
        """Whether the turn of `name` is ours now; while a more urgent one waits it is not."""
        taken = self._ask(
            self._take_turn,
            [*self._keys("turn", name), *self._keys("waiting", name)],
            [self._clock(), token, int(priority), seconds, WAITING_SECONDS],
        )
        return bool(taken)

    def end_turn(self, name: str, token: str) -> None:
        """Give the turn back, or stop waiting for it."""
        keys = [*self._keys("turn", name), *self._keys("waiting", name)]
        try:
            try:
                self._end_turn(keys=keys, args=[token])
            except RedisError:
                # Doing it twice does no harm, and a turn that is not given back silences its key.
                self._end_turn(keys=keys, args=[token])
        except RedisError as error:
            # The exchange may have answered, and its answer must not be lost; the turn ends by itself.
            logger.warning("The turn of %s was not given back: %s", name, error)

    def next_nonce(self, name: str, at_least: int) -> int:
        """A number larger than every one before it, and than `at_least` minus one."""
        # The first of all numbers is one, so that no text of a smaller one has to be compared.
        arguments = [max(at_least, 1), KEPT_SECONDS]
        return int(self._ask(self._next_nonce, self._keys("nonce", name), arguments))

    def _ask(self, script: Script, keys: Sequence[str], arguments: Sequence[str | float]) -> Any:
        try:
            return script(keys=keys, args=arguments)
        except RedisError as error:
            raise _unreachable(error) from error

    def _keys(self, kind: str, *names: str) -> list[str]:
        return [f"{self._prefix}{kind}:{name}" for name in names]

    def _arguments(self, spendings: Sequence[Spending]) -> list[float]:
        numbers: list[float] = []
        for _key, budget, amount in spendings:
            seconds = budget.seconds / self._pace
            numbers += (budget.capacity, seconds, int(budget.refills), amount)
        return numbers

    def _clock(self) -> float | str:
        return "" if self._now is None else self._now()


def _unreachable(error: RedisError) -> ExchangeUnavailable:
    return ExchangeUnavailable(
        "The shared rate limits in Valkey can't be reached: nothing was sent."
        f" Check that Valkey runs and that REDIS_URL leads to it ({error})."
    )


_stores: dict[tuple[int, str, float, float], ValkeyLimitStore] = {}


def limit_store(pace: float = 1.0, share: float = 1.0) -> ValkeyLimitStore:
    """The one store of this process for limits of that pace and share; it connects when it is first used."""
    # A forked child must not speak on its parent's socket, so a store belongs to a process.
    key = (os.getpid(), settings.REDIS_URL, pace, share)
    if key not in _stores:
        _stores[key] = ValkeyLimitStore(connect_valkey(settings.REDIS_URL), pace=pace, share=share)
    return _stores[key]


def connect_valkey(url: str) -> Redis:
    """A client for a store, not connected yet."""
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        decode_responses=True,
        # A script whose answer was lost may have run, and a turn taken twice is never ours.
        retry=Retry(NoBackoff(), 0),
    )
