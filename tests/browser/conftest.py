"""Fixtures of the browser tests; they are skipped, with the reason, where no browser is installed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard import CHROMIUM, DRIVER, Browser, Site, opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            if CHROMIUM is None or DRIVER is None:
                reason = "no chromium and chromedriver: apt-get install chromium chromium-driver"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with opened(workers=1) as made:
        yield made


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(prefix="fw-chromium-", ignore_cleanup_errors=True) as folder:
        browser = Browser(Path(folder))
        try:
            yield browser
        finally:
            browser.driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Signed out, as wide as a desk; afterwards the console must hold nothing against the pages."""
    chromium.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.width(1280)
    chromium.script(on=True)
    chromium.complaints()
    yield chromium
    assert [line for line in chromium.complaints() if "401" not in line] == []


@pytest.fixture
def signed_in(browser: Browser, site: Site) -> Browser:
    """By the address that `foldward web --login` prints."""
    browser.open(site.login)
    browser.reads("Sign out")
    return browser
