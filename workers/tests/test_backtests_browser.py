"""A backtest the way a person does it: from the strategy's page to the file of its trades."""

from pathlib import Path

from playwright.sync_api import Page, expect

SECONDS = 1000


def test_a_person_backtests_a_strategy_and_keeps_its_trades(page: Page, tmp_path: Path) -> None:
    page.goto("/admin/strategies/strategy/")
    page.get_by_role("link", name="EMA cross").click()
    page.locator("a[href$='/backtest/']").click()
    page.select_option("#id_venue", label="Binance, simulated prices")
    page.select_option("#id_timeframe", label="1m")
    expect(page.locator("#id_parameter_fast")).to_have_value("10")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("heading", name="Candles and trades")).to_be_visible(
        timeout=60 * SECONDS
    )
    expect(page.locator("#candles canvas").first).to_be_visible()
    expect(page.locator("#curve canvas").first).to_be_visible()
    expect(page.get_by_text("How far to trust it")).to_be_visible()
    expect(page.locator("[data-at]").first).to_be_visible()

    with page.expect_download() as download:
        page.locator("a[href$='trades.csv']").click()
    file = tmp_path / "trades.csv"
    download.value.save_as(file)
    assert file.read_text().startswith("entry_time,entry_price,")


def test_a_phone_shows_the_result_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/backtests/backtestrun/")
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator("#curve canvas").first).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
