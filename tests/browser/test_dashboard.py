"""The pages as a person meets them, over a core at work."""

import os
import signal

from dashboard import NAME, Browser, Site
from processes import until

PAGES = (
    "/",
    "/queue",
    "/dead",
    "/dead/1",
    "/strategies",
    "/tree",
    "/failures?by=strategy",
    "/latency",
    "/daily",
    "/login",
    "/nowhere",
)


def test_the_first_thing_seen_is_what_is_wrong_and_what_to_do(signed_in: Browser, site: Site) -> None:
    signed_in.open(site.url)
    hero = signed_in.reads("3 dead letters held", "#health")
    assert "1 of 1 workers ready" in hero
    assert "Look, then replay or drop" in hero
    signed_in.click(".problems a.button")
    signed_in.reads("Dead letters", "h1")


def test_the_tree_shows_a_killed_worker_and_its_successor_by_itself(browser: Browser, site: Site) -> None:
    browser.open(f"{site.url}/tree")
    before = site.node("worker-1")["pid"]
    browser.reads(f"pid {before}", "#node-worker-1")
    browser.driver.execute_script("window.sameePage = true")
    os.kill(before, signal.SIGKILL)
    browser.reads("1 restart", "#node-worker-1")
    after = until(lambda: site.node("worker-1").get("pid"), 15, "the next worker")
    assert after != before
    browser.reads(f"pid {after}", "#node-worker-1")
    browser.reads("live", "#link")
    assert browser.driver.execute_script("return window.sameePage") is True


def test_a_child_is_restarted_by_a_click(signed_in: Browser, site: Site) -> None:
    signed_in.open(f"{site.url}/tree")
    before = signed_in.reads("running", "#node-reporter")
    until(lambda: signed_in.text("#node-reporter") != before, 10, "an update under the button")
    signed_in.click("#node-reporter button")
    signed_in.confirm()
    signed_in.reads("reporter was restarted", "#outcome")
    assert site.node("reporter")["incarnation"] == 2


def test_a_wrong_token_is_refused_and_nothing_can_be_pressed(browser: Browser, site: Site) -> None:
    browser.open(f"{site.url}/login?next=/dead")
    browser.driver.execute_script("document.getElementById('token').value = 'wrong'")
    browser.click("#login button")
    browser.reads("That is not this dashboard's token.")
    browser.open(f"{site.url}/dead")
    page = browser.reads("Sign in to act")
    assert "Replay" not in page.replace("replay it", "")


def test_a_bulk_replay_by_filter_reports_each_outcome(signed_in: Browser, site: Site) -> None:
    signed_in.open(f"{site.url}/dead?state=held&reason=unparseable")
    signed_in.click("#replay-all")
    outcome = signed_in.reads("0 replayed, 3 failed, 0 skipped.", "#outcome")
    assert [f"\n{number} held: wire." in outcome for number in (1, 2, 3)] == [True, True, True]
    # The list was read again: each letter has been tried once more.
    signed_in.open(f"{site.url}/dead/2")
    signed_in.reads("{{")


def test_a_dead_letter_is_replayed_by_a_click(signed_in: Browser, site: Site) -> None:
    item = site.client.call("submit", names=["flaky-AAPL"], kind="backtest")["items"][0]
    assert item["status"] == "queued"
    signed_in.open(f"{site.url}/request?id={item['request_id']}")
    until(lambda: site.shell.home.joinpath("foldward.db").exists(), 5)

    def given_up() -> bool:
        signed_in.open(f"{site.url}/request?id={item['request_id']}")
        return "given up" in signed_in.text("h1")

    until(given_up, 20, "the request to be given up")
    assert "broken on purpose" in signed_in.text("main")
    signed_in.click(".strip a[href^='/dead/']")
    signed_in.reads("broken on purpose", "main")
    site.home.root.with_name("broken").unlink()
    signed_in.click("form[action='/act/dead-replay'] button")
    signed_in.reads("1 replayed, 0 failed, 0 skipped.", "#outcome")
    signed_in.reads("replayed", "#rows h1")

    def finished() -> bool:
        signed_in.open(f"{site.url}/request?id={item['request_id']}")
        return "finished" in signed_in.text("h1")

    until(finished, 20, "the result")
    timeline = signed_in.text(".story")
    for event in ("oos.requested", "dead_letter.held", "dead_letter.replayed", "oos.result"):
        assert event in timeline
    # Its page has an equity curve now, drawn by the vendored library under the strict policy.
    signed_in.click("h1 a")
    until(
        lambda: signed_in.driver.execute_script("return document.querySelector('.plot canvas')"),
        10,
        "a curve",
    )


def test_lists_are_read_again_by_themselves(signed_in: Browser, site: Site) -> None:
    signed_in.open(f"{site.url}/queue?status=cancelled")
    signed_in.reads("No requests that fit.")
    site.client.call("pause")
    item = site.client.call("submit", names=["n" * 90], kind="backtest")["items"][0]
    site.client.call("cancel", request_ids=[item["request_id"]])
    site.client.call("resume")
    signed_in.reads("n" * 90, "#rows")
    assert "cancelled\n1" in signed_in.text("#chips") or "cancelled 1" in signed_in.text("#chips")
    # A choice is not taken away while somebody makes it; then it is acted on.
    signed_in.click("td.tick input")
    signed_in.click("#rows form > .head button")
    signed_in.reads("1 of 1 due now.", "#outcome")
    signed_in.reads("No requests that fit.", "#rows")


def test_html_in_a_name_is_text(signed_in: Browser, site: Site) -> None:
    signed_in.open(f"{site.url}/strategies")
    assert NAME in signed_in.text("main")
    signed_in.open(f"{site.url}/strategies?name=%3Cimg")
    signed_in.click("td a.name")
    signed_in.reads(NAME, "h1")
    assert signed_in.driver.execute_script("return window.taken === undefined")
    assert signed_in.driver.execute_script("return document.querySelectorAll('main img').length") == 0


def test_a_phone_needs_no_sideways_scroll(signed_in: Browser, site: Site) -> None:
    signed_in.width(380)
    widths = {}
    for path in PAGES:
        signed_in.open(site.url + path)
        until(lambda: signed_in.text("h1"), 10, "a heading")
        script = "return [document.documentElement.scrollWidth, innerWidth]"
        widths[path] = signed_in.driver.execute_script(script)
    assert widths == {path: [380, 380] for path in PAGES}
    signed_in.complaints()


def test_the_keyboard_is_enough(signed_in: Browser, site: Site) -> None:
    from selenium.webdriver.common.keys import Keys

    signed_in.open(f"{site.url}/dead")
    signed_in.driver.switch_to.active_element.send_keys(Keys.TAB)
    skip = signed_in.driver.switch_to.active_element
    assert (skip.text, skip.is_displayed()) == ("Skip to the content", True)
    skip.send_keys(Keys.ENTER)
    # On from the content: the first filter, and what has the focus is outlined.
    signed_in.driver.switch_to.active_element.send_keys(Keys.TAB)
    first = signed_in.driver.switch_to.active_element
    assert first.text.startswith("held")
    assert first.value_of_css_property("outline-style") == "solid"


def test_a_live_update_leaves_the_focus_where_it_is(signed_in: Browser, site: Site) -> None:
    signed_in.open(f"{site.url}/tree")
    script = "const button = document.querySelector('#node-heartbeat button'); button.focus(); return button"
    button = signed_in.driver.execute_script(script)
    before = signed_in.text("#node-heartbeat")
    until(lambda: signed_in.text("#node-heartbeat") != before, 10, "an update of its age")
    assert signed_in.driver.switch_to.active_element == button


def test_without_script_a_button_is_a_plain_form(signed_in: Browser, site: Site) -> None:
    signed_in.script(on=False)
    signed_in.open(site.url)
    signed_in.click("form[action='/act/pause'] button")
    signed_in.reads("Paused. Nothing is sent until you resume.", ".outcome")
    signed_in.script(on=True)
    signed_in.open(site.url)
    signed_in.reads("Paused", "#health")
    signed_in.click("form[action='/act/resume'] button")
    signed_in.reads("Sending again.", "#outcome")
    until(lambda: "Paused" not in signed_in.text("#health"), 10, "the page to follow")


def test_the_dark_scheme_is_dark(browser: Browser, site: Site) -> None:
    browser.open(site.url)
    shades = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        shades.append(browser.driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert shades == ["rgb(245, 246, 248)", "rgb(17, 21, 27)"]
