"""Writing strategies in the admin."""

from datetime import datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.strategies.blank import BLANK
from apps.strategies.catalogue import get_sample
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import SandboxUnavailable
from apps.strategies.services import note_verdict
from apps.strategies.tests.conftest import INVALID, SaveVersion

ADD = "/admin/strategies/strategy/add/"


def change(strategy: Strategy, page: str = "change") -> str:
    return reverse(f"admin:strategies_strategy_{page}", args=[strategy.pk])


def post(desk: Client, address: str, **values: Any) -> str:
    data = {"name": "Mine", "timeframe": "15m", "description": "", "code": "one\r\n"}
    return desk.post(address, {**data, **values}, follow=True).content.decode()


def test_a_new_strategy_begins_with_a_choice(desk: Client) -> None:
    assert desk.get(ADD)["Location"] == reverse("strategies:new")


def test_the_choice_offers_every_sample(desk: Client) -> None:
    page = desk.get(reverse("strategies:new")).content.decode()

    assert f'href="{ADD}?sample=ema_cross"><h3>EMA cross</h3>' in page


def test_a_sample_comes_with_its_code_and_a_name_that_is_free(desk: Client, alice: User) -> None:
    Strategy.objects.create(owner=alice, name="EMA cross")

    form = desk.get(ADD, {"sample": "ema_cross"}).context["adminform"].form

    assert form["code"].value() == get_sample("ema_cross").code
    assert form["name"].value() == "EMA cross 2"


@pytest.mark.parametrize("sample", ["", "../services"])
def test_anything_else_begins_blank(desk: Client, sample: str) -> None:
    form = desk.get(ADD, {"sample": sample}).context["adminform"].form

    assert (form["code"].value(), form["name"].value()) == (BLANK, None)


def test_valid_code_is_a_version_that_may_run(desk: Client, found: list[Any]) -> None:
    page = post(desk, ADD)

    version = StrategyVersion.objects.get()
    assert (version.code, version.validated_at is None) == ("one\n", False)
    assert "Mine v1 is saved, and may run." in page


def test_invalid_code_is_kept_and_says_what_to_mend(desk: Client, found: list[Any]) -> None:
    found.append(INVALID)

    page = post(desk, ADD)

    assert StrategyVersion.objects.get().validated_at is None
    assert "Mine v1 is saved, but may not run" in page
    assert 'data-line="3"' in page
    assert "There is no name lenght." in page


def test_nothing_is_lost_while_there_is_no_sandbox(desk: Client, found: list[Any]) -> None:
    found.append(SandboxUnavailable("The sandbox does not run."))

    page = post(desk, ADD)

    assert StrategyVersion.objects.get().code == "one\n"
    assert "It could not be checked: The sandbox does not run." in page


def test_a_file_takes_the_place_of_the_code(desk: Client, found: list[Any]) -> None:
    post(desk, ADD, upload=SimpleUploadedFile("mine.py", "\ufeffzwei = 'ü'\r\n".encode()))

    assert StrategyVersion.objects.get().code == "zwei = 'ü'\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe", "is no text in UTF-8"), (b"a\0", "is no text"), (b"#" * 100_001, "more than")],
)
def test_a_file_that_can_not_be_code_is_refused(
    desk: Client, found: list[Any], content: bytes, words: str
) -> None:
    page = post(desk, ADD, upload=SimpleUploadedFile("mine.py", content))

    assert words in page
    assert Strategy.objects.exists() is False


def test_no_code_at_all_is_refused(desk: Client, found: list[Any]) -> None:
    assert "Write some code, or choose a file." in post(desk, ADD, code=" \n")


def test_a_form_with_a_mistake_keeps_what_was_typed(desk: Client, found: list[Any]) -> None:
    page = post(desk, ADD, name="", code="typed = 1")

    assert "typed = 1" in page
    assert Strategy.objects.exists() is False


def test_the_page_shows_the_newest_code_its_problems_and_all_versions(
    desk: Client, strategy: Strategy, save: SaveVersion
) -> None:
    save("one")
    save("two", INVALID)

    page = desk.get(change(strategy))

    assert page.context["adminform"].form["code"].value() == "two"
    assert [version.number for version in page.context["versions"]] == [2, 1]
    assert "may not run: There is no name lenght." in page.content.decode()


def test_the_page_costs_the_same_for_many_versions(
    desk: Client, strategy: Strategy, save: SaveVersion, django_assert_max_num_queries: Any
) -> None:
    for number in range(25):
        save(str(number))

    with django_assert_max_num_queries(14):
        page = desk.get(change(strategy)).content.decode()

    assert "5 older ones" in page


def test_a_strategy_is_deleted_with_its_versions(
    desk: Client, strategy: Strategy, save: SaveVersion
) -> None:
    save("one")

    desk.post(change(strategy, "delete"), {"post": "yes"})

    assert not Strategy.objects.exists()
    assert not StrategyVersion.objects.exists()


def version_page(version: StrategyVersion, page: str = "change") -> str:
    return reverse(f"admin:strategies_strategyversion_{page}", args=[version.pk])


def test_a_version_shows_its_code_parameters_and_problems(desk: Client, save: SaveVersion) -> None:
    valid, invalid = save("one = 1"), save("two = 2", INVALID)

    assert "Fast EMA" in desk.get(version_page(valid)).content.decode()
    page = desk.get(version_page(invalid)).content.decode()
    assert "two = 2" in page
    assert "There is no name lenght." in page


def test_restoring_makes_a_new_version_of_the_old_code(
    desk: Client, strategy: Strategy, save: SaveVersion, found: list[Any]
) -> None:
    old = save("one")
    save("two")

    desk.post(version_page(old, "restore"), {"_form_submitted": "on"})

    assert list(strategy.versions.values_list("number", "code")) == [
        (3, "one"),
        (2, "two"),
        (1, "one"),
    ]


def test_restoring_checks_again(desk: Client, save: SaveVersion, found: list[Any]) -> None:
    old = save("one")
    save("two")
    found.append(INVALID)

    desk.post(version_page(old, "restore"), {"_form_submitted": "on"})

    assert StrategyVersion.objects.get(number=3).validated_at is None


def test_a_version_is_compared_with_the_newest(
    desk: Client, strategy: Strategy, save: SaveVersion
) -> None:
    old = save("one")
    save("two")

    page = desk.get(version_page(old, "compare"), follow=True).content.decode()

    assert "<td>-</td><td>one</td>" in page
    assert "<td>+</td><td>two</td>" in page


@pytest.mark.parametrize("page", ["strategy", "strategyversion"])
def test_what_backtests_found_of_the_code_is_shown_with_it(
    desk: Client, save: SaveVersion, symbol: Symbol, now: datetime, page: str
) -> None:
    version = save("one\n")
    note_verdict(
        version=version,
        symbol=symbol,
        timeframe=Timeframe.M15,
        looks_ahead=True,
        words="x knows the candle after it.",
        now=now,
    )
    pk = version.pk if page == "strategyversion" else version.strategy_id

    shown = desk.get(reverse(f"admin:strategies_{page}_change", args=[pk])).content.decode()

    assert "BTC/USDT 15m" in shown
    assert "looks ahead</span>" in shown
    assert "x knows the candle after it." in shown
