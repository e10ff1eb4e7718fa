import pytest
from django.test import Client
from pytest_django import Settings

from apps.core.health import announce, list_processes


def test_healthz_asks_nobody(client: Client) -> None:
    assert client.get("/healthz").content == b"ok\n"


@pytest.mark.django_db
def test_readyz(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (
        200,
        {"postgresql": "ok", "valkey": "ok"},
    )


@pytest.mark.django_db
def test_readyz_says_what_does_not_answer(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    response = client.get("/readyz")

    assert (response.status_code, response.json()["valkey"]) == (503, "no answer")


def test_a_process_that_says_nothing_is_listed_as_missing() -> None:
    assert [p.count for p in list_processes(("nobody at all",)) if p.name == "nobody at all"] == [0]


def test_an_announced_process_is_alive() -> None:
    announce("a test")

    for _ in range(1000):
        alive = {process.name: process.count for process in list_processes(())}
        if "a test" in alive:
            break
    assert alive["a test"] >= 1
