"""Pages about a strategy's code, and whose they are."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.tests.conftest import INVALID, SaveVersion

VALIDATE = "/admin/strategies/validate/"


def test_validating_saves_nothing(desk: Client, found: list[Any]) -> None:
    page = desk.post(VALIDATE, {"code": "one", "timeframe": "15m"}).content.decode()

    assert "It may run." in page
    assert "Fast EMA" in page
    assert StrategyVersion.objects.exists() is False


def test_validating_tells_every_problem_with_its_line(desk: Client, found: list[Any]) -> None:
    found.append(INVALID)

    page = desk.post(VALIDATE, {"code": "one", "timeframe": "15m"}).content.decode()

    assert 'data-line="3" data-severity="error" data-message="There is no name lenght."' in page


@pytest.mark.parametrize("forged", [{"timeframe": "7m"}, {}])
def test_what_no_page_sends_is_refused(
    desk: Client, found: list[Any], forged: dict[str, str]
) -> None:
    assert desk.post(VALIDATE, {"code": "one", **forged}).status_code == 400


def test_two_versions_are_compared(desk: Client, strategy: Strategy, save: SaveVersion) -> None:
    save("same\none")
    save("same\ntwo")
    address = reverse("strategies:comparison", args=[strategy.pk])

    page = desk.get(address, {"old": 1, "new": 2}).content.decode()

    assert '<tr class="removed"><td>2</td><td></td><td>-</td><td>one</td></tr>' in page
    assert '<tr class="added"><td></td><td>2</td><td>+</td><td>two</td></tr>' in page
    assert '<option value="1" selected>v1</option>' in page


@pytest.mark.parametrize("numbers", [{}, {"old": 1, "new": 9}, {"old": "x", "new": 1}])
def test_versions_that_are_not_there_are_said_so(
    desk: Client, strategy: Strategy, save: SaveVersion, numbers: dict[str, Any]
) -> None:
    save("one")

    page = desk.get(reverse("strategies:comparison", args=[strategy.pk]), numbers)

    assert "Choose two versions of this strategy." in page.content.decode()


def test_code_is_downloaded_as_it_was_saved(desk: Client, save: SaveVersion) -> None:
    version = save("one = 'ü'\n")

    file = desk.get(reverse("strategies:download", args=[version.pk]))

    assert file.content.decode() == "one = 'ü'\n"
    assert file["Content-Disposition"] == 'attachment; filename="mine-v1.py"'


def test_nobody_reads_the_code_of_another(client: Client, bob: User, save: SaveVersion) -> None:
    version = save("one")
    client.force_login(bob)

    for name, key in (("comparison", version.strategy_id), ("download", version.pk)):
        address = reverse(f"strategies:{name}", args=[key])
        assert client.get(address, {"old": 1, "new": 1}).status_code == 404, name


@pytest.mark.parametrize("action", ["restore", "compare", "download"])
def test_nobody_acts_on_the_version_of_another(
    client: Client, bob: User, save: SaveVersion, found: list[Any], action: str
) -> None:
    old = save("only_for_alice = 1")
    save("two")
    client.force_login(bob)
    address = reverse(f"admin:strategies_strategyversion_{action}", args=[old.pk])

    page = client.post(address, {"_form_submitted": "on"}, follow=True)

    assert "only_for_alice" not in page.content.decode()
    assert StrategyVersion.objects.count() == 2


@pytest.mark.parametrize("name", ["new", "validate", "comparison", "extraction", "download"])
def test_strangers_are_asked_to_log_in(client: Client, db: None, name: str) -> None:
    keys = [] if name in {"new", "validate"} else [1]
    send = client.post if name == "validate" else client.get

    assert "/login/" in send(reverse(f"strategies:{name}", args=keys))["Location"]
