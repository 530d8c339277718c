"""Homes and clients that the tests of the pages share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.testclient import TestClient

from foldward.app.status import status
from foldward.contracts import clock
from foldward.contracts.facts import HoldDeadLetter, ImportStrategies
from foldward.contracts.jobs import Strategy
from foldward.settings import Home, StorageTable, WebTable
from foldward.web.app import make_app
from storage import open_writer

TOKEN = "correct horse"
NAME = "<script>alert(1)</script> & 'quoted' \"name\""
HERE = "http://127.0.0.1:8710"


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """One event loop for all clients: left alone, each starts a thread and a loop for every request."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def open_app(portal: BlockingPortal) -> Callable[..., TestClient]:
    """A client of a dashboard with these settings."""

    def app_client(home: Home, **settings: Any) -> TestClient:
        table = WebTable(token=TOKEN, **settings)
        app = make_app(home, lambda: status(home, timeout=0.2), table)
        client = TestClient(app, base_url=HERE, follow_redirects=False)
        client.portal = portal
        return client

    return app_client


@pytest.fixture
def client(tmp_path: Path, open_app: Callable[..., TestClient]) -> TestClient:
    return open_app(Home(tmp_path / "home"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A strategy with a dangerous name and two dead letters."""
    home = Home(tmp_path_factory.mktemp("web") / "home").make()
    writer = open_writer(home.database, StorageTable(synchronous="NORMAL"))
    bad = HoldDeadLetter(
        reason="unparseable",
        code="wire.unparseable",
        error="byte 3: <b>",
        payload=b"{<b>\xff",
        at_us=clock.utc_us(),
    )
    held = HoldDeadLetter(
        reason="schema",
        code="wire.missing_field",
        error="no sharpe",
        payload=b'{"a": 1}',
        at_us=clock.utc_us(),
    )
    writer.apply(
        [ImportStrategies(strategies=(Strategy(name=NAME, kind="sma", symbol="AAPL"),), at_us=1), bad, held]
    )
    writer.close()
    return home
