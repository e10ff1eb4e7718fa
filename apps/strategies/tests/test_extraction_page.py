"""Numbers in the code become parameters, by a page."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.strategies.models import StrategyVersion
from apps.strategies.tests.conftest import SaveVersion

CODE = """\
class Mine(Strategy):
    STRATEGY_PARAMS = {"slow": {"default": 20, "label": "Slow EMA"}}

    def should_long(self):
        length = 14
        return len(self.candles) > length * 2.5
"""
LENGTH = {
    "0-chosen": "on",
    "0-name": "length",
    "0-label": "Length",
    "0-min": "3",
    "0-max": "56",
    "0-step": "1",
}


@pytest.fixture
def version(save: SaveVersion) -> StrategyVersion:
    """With two numbers in it."""
    return save(CODE)


def address(version: StrategyVersion) -> str:
    return reverse("strategies:extraction", args=[version.pk])


def test_the_page_offers_what_was_found(desk: Client, version: StrategyVersion) -> None:
    page = desk.get(address(version))

    assert [row.literal.value for row in page.context["rows"]] == [14, 2.5]
    assert "<td>Slow EMA</td>" in page.content.decode()
    assert "the editor</a>, from line 2 on" in page.content.decode()


def test_the_changes_are_shown_before_anything_is_saved(
    desk: Client, version: StrategyVersion
) -> None:
    page = desk.post(address(version), LENGTH).content.decode()

    assert "self.params[&quot;length&quot;]" in page
    assert StrategyVersion.objects.count() == 1


def test_what_was_shown_is_saved_as_a_new_version(
    desk: Client, version: StrategyVersion, found: list[Any]
) -> None:
    desk.post(address(version), {**LENGTH, "0-name": "window", "save": "yes"})

    newest = StrategyVersion.objects.get(number=2)
    assert 'length = self.params["window"]' in newest.code
    assert '"window": {"default": 14,' in newest.code


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"0-min": "2.5"}, "Mend what is marked."),
        ({"0-name": "my length"}, "is not a name."),
        ({"0-name": "slow"}, "Choose another name."),
    ],
)
def test_what_does_not_fit_is_said_and_not_saved(
    desk: Client, version: StrategyVersion, wrong: dict[str, str], words: str
) -> None:
    page = desk.post(address(version), {**LENGTH, **wrong, "save": "yes"}).content.decode()

    assert words in page
    assert StrategyVersion.objects.count() == 1


def test_rows_that_are_not_chosen_need_not_make_sense(
    desk: Client, version: StrategyVersion, found: list[Any]
) -> None:
    desk.post(address(version), {**LENGTH, "1-name": "", "save": "yes"})

    assert StrategyVersion.objects.filter(number=2).exists()


def test_nothing_chosen_changes_nothing(desk: Client, version: StrategyVersion) -> None:
    page = desk.post(address(version), {"save": "yes"}).content.decode()

    assert "Tick a number first." in page
    assert StrategyVersion.objects.count() == 1


def test_code_that_can_not_be_read_has_to_be_mended_first(desk: Client, save: SaveVersion) -> None:
    page = desk.get(address(save("class Mine(Strategy:\n"))).content.decode()

    assert "Line 1:" in page
    assert "Mend this" in page


def test_the_strategy_leads_to_its_newest_version(desk: Client, save: SaveVersion) -> None:
    version = save(CODE)
    link = reverse("admin:strategies_strategy_extract", args=[version.strategy_id])

    assert desk.get(link)["Location"] == address(version)


def test_nobody_extracts_from_the_code_of_another(
    client: Client, bob: User, version: StrategyVersion
) -> None:
    client.force_login(bob)

    assert client.post(address(version), {**LENGTH, "save": "yes"}).status_code == 404
    assert StrategyVersion.objects.count() == 1
