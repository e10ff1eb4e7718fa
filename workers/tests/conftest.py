"""What the tests of a whole installation share."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from apps.conftest import add_candle, alice, broker, now, series, symbol
from workers.sandbox.tests.conftest import backtest_zygote, sandbox, zygote
from workers.tests.installation import running
from workers.tests.test_whole import CHROMIUM

__all__ = [
    "add_candle",
    "alice",
    "backtest_zygote",
    "broker",
    "now",
    "page",
    "sandbox",
    "series",
    "symbol",
    "zygote",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser, signed in as the demo user of an installation of its own."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"needs {CHROMIUM}")
        pytest.skip(f"needs {CHROMIUM}: apt install chromium")
    directory = tmp_path_factory.mktemp("browser")
    with (
        running(directory, "simulated", speed=60) as (installation,),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(base_url=installation.url)
        page.goto("/")
        page.fill("#id_username", "demo")
        page.fill("#id_password", installation.password("demo"))
        page.click("button[type=submit]")
        yield page
        browser.close()
