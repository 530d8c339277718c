"""A real core, a real dashboard and a real browser, for the browser tests."""

import json
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes import Shell, until

from foldward.console import Client
from foldward.contracts import clock
from foldward.contracts.facts import HoldDeadLetter, ImportStrategies
from foldward.contracts.jobs import Strategy
from foldward.data import bundled_dir
from foldward.settings import Home, StorageTable
from storage import open_writer

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NAME = "<img src=x onerror=\"window.taken=1\"> & 'co'"
FLAKY = '''
"""A kind that fails as long as the file `broken` lies beside it."""

from pathlib import Path

import numpy as np

from foldward.backtest import Param


class Flaky:
    name = "flaky"
    params = {"every": Param(20, 1, 500)}
    warmup = 1

    def signals(self, bars, params):
        if Path(__file__).with_name("broken").exists():
            raise ValueError("broken on purpose")
        at = np.arange(len(bars.close)) // int(params["every"]) % 2
        return {"long_entry": at == 0, "long_exit": at == 1, "short_entry": at == 9, "short_exit": at == 9}
'''


class Site:
    """One home with its core and its dashboard."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.home = Home(shell.home)
        self.client = Client(self.home)
        self.core: Any = None
        self.url = ""
        self.login = ""

    def serve(self) -> None:
        """`foldward web` on a free port."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.shell.start("web", "--port", str(port))
        told = until(self._told, 30, "the dashboard's address")
        self.url = told["url"].rstrip("/")
        self.login = self.shell.json("web", "--login")["login"]

    def _told(self) -> dict[str, Any] | None:
        file = self.home.run_dir / "web.json"
        return json.loads(file.read_text()) if file.exists() else None

    def node(self, child: str) -> dict[str, Any]:
        """A child's entry in the tree."""
        found = [self.client.tree()]
        for entry in found:
            if entry["id"] == child:
                return entry
            found.extend(entry.get("children", ()))
        raise AssertionError(f"no {child} in the tree")


@contextmanager
def opened(workers: int) -> Iterator[Site]:
    """A home with a strategy that breaks, one with a dangerous name, three poisoned letters, and its core."""
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        root = Path(folder)
        (root / "flaky.py").write_text(FLAKY)
        (root / "broken").touch()
        shell = Shell(root / "home")
        shell.env |= {
            "PYTHONPATH": folder,
            "FOLDWARD_CORE__KINDS": '["flaky"]',
            "FOLDWARD_RETRY__MAX_FAILURES": "1",
            "FOLDWARD_RANK__AUTO_REQUEST": "false",
        }
        site = Site(shell)
        _fill(site.home.make())
        try:
            site.core = shell.start("core", "--workers", str(workers), "--data", str(bundled_dir()))
            site.serve()
            until(lambda: _ready(site, workers), 60, "core")
            yield site
        finally:
            shell.close()


def _ready(site: Site, workers: int) -> bool:
    assert site.core.poll() is None, site.shell.log()
    if site.home.holder() is None or not (site.home.run_dir / "inspect.sock").exists():
        return False
    found = site.client.status()["workers"]
    return len(found) == workers and all(worker["state"] == "running" for worker in found)


def _fill(home: Home) -> None:
    writer = open_writer(home.database, StorageTable(synchronous="NORMAL"))
    now = clock.utc_us()
    strategies = (
        Strategy(name="flaky-AAPL", kind="flaky", symbol="AAPL", timeframe=1440),
        Strategy(name=NAME, kind="sma", symbol="AAPL", timeframe=1440),
        Strategy(name="n" * 90, kind="sma", symbol="AAPL", timeframe=1440),
    )
    letters = [
        HoldDeadLetter(
            reason="unparseable", code="wire.unparseable", error=f"byte {n}", payload=b"{" * n, at_us=now
        )
        for n in (1, 2, 3)
    ]
    writer.apply([ImportStrategies(strategies=strategies, at_us=now), *letters])
    writer.close()


class Browser:
    """Chromium without a screen, and what the tests do with it."""

    def __init__(self, folder: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={folder}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))

    def width(self, pixels: int) -> None:
        """As a phone's screen or a desk's."""
        metrics = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": pixels < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def script(self, on: bool) -> None:
        """Pages with or without script."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def open(self, address: str) -> None:
        self.driver.get(address)

    def text(self, selector: str = "body") -> str:
        """What a person reads; empty where there is none."""
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.common.by import By

        try:
            found = self.driver.find_elements(By.CSS_SELECTOR, selector)
            return found[0].text if found else ""
        except StaleElementReferenceException:
            return ""

    def click(self, selector: str) -> None:
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def confirm(self) -> None:
        """Yes to the browser's question."""
        until(self._asked, 10, "a question").accept()

    def _asked(self) -> Any:
        from selenium.common.exceptions import NoAlertPresentException

        try:
            return self.driver.switch_to.alert
        except NoAlertPresentException:
            return None

    def reads(self, words: str, selector: str = "body", seconds: float = 15.0) -> str:
        """Wait until the words stand there."""
        until(lambda: words in self.text(selector), seconds, f"{words!r} in {selector}")
        return self.text(selector)

    def complaints(self) -> list[str]:
        """What the browser's console holds against the page: refused scripts, failed requests, errors."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
