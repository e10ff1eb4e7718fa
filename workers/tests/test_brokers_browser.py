"""Adding a broker the way a person does: the keys are tried first, by a worker, at an exchange."""

import pytest
from playwright.sync_api import Page, expect

PHONE = {"width": 390, "height": 844}


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_a_broker_whose_keys_do_not_work_is_not_saved(page: Page) -> None:
    page.goto("/admin/brokers/broker/add/")
    page.fill("#id_name", "Practice")
    page.fill("#id_api_key", "k" * 64)
    page.fill("#id_api_secret", "wrong")
    save(page)

    expect(page.get_by_text("Nothing was saved")).to_be_visible()
    expect(page.locator("#id_api_secret")).to_have_value("")


def test_one_whose_keys_work_is_saved_with_its_balances(page: Page) -> None:
    page.goto("/admin/brokers/broker/add/")
    page.fill("#id_name", "Practice")
    save(page)

    row = page.locator("#result_list tr", has_text="Practice")
    expect(row.get_by_text("works")).to_be_visible()
    row.get_by_role("link", name="Practice").click()
    expect(page.locator("#id_initial_capital")).to_have_value("10000")


def test_its_symbols_are_read_again_while_the_page_shows_how_far_it_is(page: Page) -> None:
    panel = page.locator(".sync")
    panel.get_by_role("button", name="Sync symbols").click()

    expect(panel.get_by_text("4 listed: 0 added, 0 updated")).to_be_visible(timeout=15_000)


def test_its_page_leads_to_what_the_exchanges_can_do(page: Page) -> None:
    page.get_by_role("link", name="Capabilities").click()

    expect(page.get_by_role("columnheader", name="Kraken")).to_be_visible()
    expect(page.get_by_text("one at a time").first).to_be_visible()


@pytest.mark.parametrize(
    "path", ["brokers/broker/", "brokers/broker/capabilities/", "markets/symbol/"]
)
def test_a_phone_shows_the_pages_without_scrolling_sideways(page: Page, path: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"/admin/{path}")

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
