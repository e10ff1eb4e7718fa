"""Writing a strategy the way a person does: in the editor, with a mistake, until it trades."""

import re

from playwright.sync_api import Page, expect

from workers.tests.installation import wait_for

SECONDS = 1000
#: Buys at once and keeps it; line 3 holds a mistake that only shows when it runs.
MISTAKEN = """\
class Eager(Strategy):
    def should_long(self):
        return self.redy

    def should_short(self):
        return False

    def calculate_position_size(self):
        return self.balance * 0.1

    def calculate_stop_loss(self):
        return None

    def calculate_take_profit(self):
        return None
"""


def write(page: Page, code: str) -> None:
    page.locator(".ace_editor").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)


def test_a_person_writes_a_strategy_mends_its_mistake_and_sees_it_trade(page: Page) -> None:
    page.goto("/admin/strategies/new/")
    page.get_by_role("link", name="A blank strategy").click()
    page.fill("#id_name", "Eager")
    write(page, MISTAKEN)

    page.get_by_role("button", name="Validate").click()
    expect(page.locator("#findings")).to_contain_text("redy", timeout=20 * SECONDS)
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_text("3")

    page.get_by_role("button", name="line 3").click()
    page.keyboard.press("Shift+End")
    page.keyboard.insert_text("        return True")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Eager v1 is saved, and may run.")).to_be_visible()
    expect(page.locator("#findings")).to_contain_text(re.compile(r"dry run .* took [\d.]+ ms"))

    page.goto("/admin/bots/activation/add/")
    page.select_option("#id_version", label="Eager v1")
    page.select_option("#id_broker", label="Demo Binance (simulated)")
    page.select_option("#id_timeframe", label="1m")
    page.get_by_role("button", name="Save", exact=True).click()

    page.goto("/admin/trading/order/")
    bought = page.locator("#result_list tr", has_text="Eager").filter(has_text="filled")
    wait_for(lambda: page.reload() is not None and bought.count() > 0, seconds=20)


def test_a_phone_shows_the_editor_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/strategies/strategy/add/?sample=ema_cross")
    expect(page.locator(".ace_editor")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
