"""Core ends under an open page: the page says so by itself, and everything can still be read."""

from dashboard import Browser, opened


def test_an_open_page_sees_core_go_and_becomes_read_only(browser: Browser) -> None:
    with opened(workers=0) as site:
        browser.open(site.login)
        browser.reads("Pause", "#health")
        site.core.terminate()
        site.core.wait(10)
        hero = browser.reads("Core is not running", "#health")
        assert f"foldward core --home {site.home.root}" in hero
        assert "Pause" not in hero
        for path, words in (
            ("/queue", "No requests yet."),
            ("/dead", "wire.unparseable"),
            ("/strategies", "flaky-AAPL"),
            ("/tree", "There is no tree to show"),
        ):
            browser.open(site.url + path)
            page = browser.reads(words, "main")
            assert "Core is not running. This page is read from the database" in page
            assert (
                browser.driver.execute_script("return document.querySelectorAll('.act button').length") == 1
            )
        # The one button that is left signs out.
        browser.click("form[action='/logout'] button")
        browser.reads("Sign in")
        browser.open("about:blank")
