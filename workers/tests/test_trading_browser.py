"""Trading by hand, the way a person does: a ticket, a confirmation, an order that is followed, an end."""

import re

import pytest
from playwright.sync_api import Page, expect

PHONE = {"width": 390, "height": 844}
SECONDS = 1000


def choose(page: Page, **words: str) -> None:
    """Each choice changes what the form asks; the next one waits for that, as a person does."""
    for name, word in words.items():
        page.select_option(f"#id_{name}", label=word)
        expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
        expect(page.locator(f"#id_{name} option:checked")).to_have_text(word)


def validate(page: Page) -> None:
    page.get_by_role("button", name="Validate").click()


def test_a_ticket_says_all_that_is_wrong_with_it(page: Page) -> None:
    page.goto("/admin/live/ticket/")
    expect(page.locator("#market .big")).to_contain_text("USDT", timeout=30 * SECONDS)
    choose(page, broker="Demo Binance (simulated)", order_type="Stop limit", side="Sell")

    validate(page)

    for words in ("A limit order needs its price.", "Say at which price", "Give a quantity or a"):
        expect(page.get_by_text(words)).to_be_visible()


def test_a_person_buys_and_sees_it_filled(page: Page) -> None:
    page.goto("/admin/live/ticket/")
    choose(page, broker="Demo Binance (simulated)")
    page.fill("#id_value", "100")
    page.fill("#id_stop_loss", "5")
    expect(page.locator("#market")).to_contain_text("≈ 100.00 USDT")

    validate(page)
    expect(page.get_by_text(re.compile(r"^Buy [\d.]+ BTC at market for about"))).to_be_visible()
    expect(page.get_by_text("Paper money, simulated prices.")).to_be_visible()
    page.get_by_role("button", name="Buy now").click()

    expect(page.locator("h2 .status.filled")).to_be_visible(timeout=20 * SECONDS)
    expect(page.locator("h2 .status")).to_have_text("filled")


def test_a_confirmation_that_nobody_gives_goes_cold(page: Page) -> None:
    page.goto("/admin/live/ticket/")
    page.fill("#id_value", "100")
    validate(page)
    button = page.get_by_role("button", name="Buy now")
    expect(button).to_be_enabled()

    expect(button).to_be_disabled(timeout=20 * SECONDS)
    expect(page.get_by_text("Too late: validate again")).to_be_visible()


def test_a_person_closes_the_position_though_its_stop_loss_holds_the_coins(page: Page) -> None:
    page.goto("/admin/trading/order/?state=open")
    expect(page.locator("#result_list")).to_contain_text("stop loss")
    page.goto("/admin/trading/position/")
    mine = page.locator("#result_list tr", has_text="Manual trading")
    mine.get_by_role("link", name="Close").click()
    page.get_by_role("button", name="Sell all of it").click()

    expect(page.get_by_text("All done.").first).to_be_visible(timeout=60 * SECONDS)

    page.goto("/admin/trading/position/")
    expect(mine).to_contain_text("closed")


def test_an_order_that_rests_is_edited_and_cancelled(page: Page) -> None:
    page.goto("/admin/live/ticket/")
    last = page.locator("#market .big").inner_text().split()[0].replace(",", "")
    choose(page, broker="Demo Binance (simulated)", order_type="Limit")
    page.fill("#id_price", f"{float(last) * 0.95:.2f}")
    page.fill("#id_value", "100")
    validate(page)
    page.get_by_role("button", name="Buy now").click()
    expect(page.locator("h2 .status.open")).to_be_visible(timeout=20 * SECONDS)

    page.goto("/admin/trading/order/?state=open")
    mine = page.locator("#result_list tr", has_text="Manual trading").first
    mine.get_by_role("link", name="Edit").click()
    page.fill("#dialog #id_price", f"{float(last) * 0.94:.2f}")
    page.get_by_role("button", name="Change the order").click()
    expect(page.get_by_text("It rests at the exchange.").first).to_be_visible(timeout=40 * SECONDS)

    page.get_by_role("link", name="Cancel").first.click()
    page.get_by_role("button", name="Cancel the order").click()
    expect(page.get_by_text("It was cancelled").first).to_be_visible(timeout=40 * SECONDS)


@pytest.mark.parametrize(
    "path", ["live/ticket/", "trading/order/", "trading/position/", "core/alert/"]
)
def test_a_phone_shows_the_pages_without_scrolling_sideways(page: Page, path: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"/admin/{path}")

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
