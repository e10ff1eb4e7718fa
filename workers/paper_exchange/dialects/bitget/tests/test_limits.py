from workers.paper_exchange.dialects.bitget.limits import PER_ADDRESS_AND_MINUTE, RateLimits

WALL_MS = 1_700_000_040_000


def ask(limits: RateLimits, *, owner: str = "key", wall_ms: int = WALL_MS) -> bool:
    return limits.admit(
        owner=owner, address="127.0.0.1", path="/path", per_second=2, wall_ms=wall_ms
    )


def test_each_second_begins_anew() -> None:
    limits = RateLimits()

    assert [ask(limits) for _ in range(3)] == [True, True, False]
    assert ask(limits, owner="another")
    assert ask(limits, wall_ms=WALL_MS + 1000)


def test_address_has_a_limit_of_its_own() -> None:
    limits = RateLimits()
    for number in range(PER_ADDRESS_AND_MINUTE):
        assert ask(limits, owner=str(number))

    assert not ask(limits, owner="one more")
    assert ask(limits, wall_ms=WALL_MS + 60_000)
