"""A follower and its command over streams in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.domain.environments import Environment
from apps.exchanges.errors import InvalidCredentials, StreamClosed
from apps.exchanges.ports import OrderReport
from apps.trading.models import BrokerWatch
from apps.trading.tests.fakes import make_report
from workers.management.commands import streams as command
from workers.streams import follower as follower_module
from workers.streams.follower import Follower

pytestmark = pytest.mark.django_db(transaction=True)
CUT = StreamClosed("cut")


@dataclass
class FakeStream:
    """Tells its events, one after the other; after the last one the follower is stopped."""

    events: list[OrderReport | Exception | None]
    states: list[bool] = field(default_factory=list)
    follower: Follower | None = None

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def fetch_open_orders(self) -> list[OrderReport]:
        return []

    def recv(self) -> OrderReport | None:
        assert self.follower
        self.states.append(self.follower.whole_since is not None)
        event = self.events.pop(0)
        if not self.events:
            self.follower.stop()
        if isinstance(event, Exception):
            raise event
        return event


Listen = Callable[..., tuple[Follower, FakeStream]]


@pytest.fixture
def broker() -> Broker:
    """One with keys that a test may change."""
    owner = User.objects.create_user("alice", is_staff=True)
    broker = Broker.objects.create(
        owner=owner, name="Paper", exchange="binance", environment="simulated", api_key="key"
    )
    BrokerWatch.objects.create(broker=broker)
    return broker


@pytest.fixture
def listen(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Listen:
    """Follow a stream of these events to its end, without a pause."""
    monkeypatch.setattr("workers.streams.follower.Follower._sleep", lambda *_args: None)
    monkeypatch.setattr(follower_module, "REFUSED_SECONDS", 0)

    def follow(*events: OrderReport | Exception | None) -> tuple[Follower, FakeStream]:
        stream = FakeStream(list(events))
        monkeypatch.setattr(follower_module, "connect", lambda _broker: stream)
        monkeypatch.setattr(follower_module, "connect_stream", lambda _broker: stream)
        stream.follower = Follower(broker)
        stream.follower.run()
        return stream.follower, stream

    return follow


@pytest.mark.parametrize("error", [CUT, InvalidCredentials("refused")], ids=["cut", "refused"])
def test_it_is_whole_from_its_first_sign_of_life_to_a_cut(
    listen: Listen, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    BrokerWatch.objects.update(stream_alive_at=timezone.now())

    _, stream = listen(None, None, error, None, None)

    assert stream.states == [True] * 5
    assert str(error) in caplog.text
    watch = BrokerWatch.objects.get()
    assert (watch.stream_alive_at, watch.stream_error) == (None, str(error))


def test_what_is_left_to_the_poll_is_no_part_of_it(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_report: object) -> None:
        raise follower_module.Error("the database does not answer")

    monkeypatch.setattr("apps.trading.streams.take_report", fail)
    before = timezone.now()

    follower, _ = listen(None, make_report(), None)

    assert follower.whole_since
    assert follower.whole_since > before


def test_orders_placed_elsewhere_are_swept_once_a_minute(listen: Listen, broker: Broker) -> None:
    BrokerWatch.objects.update(next_sweep_at=timezone.now())
    follower, _ = listen(make_report(), make_report(), None)
    assert follower.elsewhere_since

    command.tell_monitor({broker.pk: follower}, follower.elsewhere_since + timedelta(seconds=59))
    assert BrokerWatch.objects.get().next_sweep_at

    command.tell_monitor({broker.pk: follower}, follower.elsewhere_since + timedelta(seconds=60))
    assert BrokerWatch.objects.get().next_sweep_at is None
    assert follower.elsewhere_since is None


class Idle(Follower):
    """Follows nothing, until it is stopped."""

    def run(self) -> None:
        self._stopped.wait(10)


@pytest.fixture
def followers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, Follower]]:
    """Of the command, with nothing behind them."""
    monkeypatch.setattr(command, "Follower", Idle)
    monkeypatch.setattr(command, "is_reachable", lambda env: env is Environment.SIMULATED)
    made: dict[int, Follower] = {}
    yield made
    for follower in made.values():
        follower.stop()


def test_every_active_broker_is_followed_with_its_present_key(
    broker: Broker, followers: dict[int, Follower]
) -> None:
    command.follow(followers)
    first = followers[broker.pk]
    command.follow(followers)
    assert followers == {broker.pk: first}

    Broker.objects.update(api_key="another")
    command.follow(followers)
    first.join(1)
    second = followers[broker.pk]
    assert (first.is_alive(), second.is_alive(), second.broker.api_key) == (False, True, "another")

    Broker.objects.update(is_active=False)
    command.follow(followers)
    second.join(1)
    assert (followers, second.is_alive()) == ({}, False)
