"""A live core under junk: what is no answer becomes dead letters, and honest traffic goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from foldward.contracts import clock
from foldward.testing.siege import Siege
from storage.maintenance import fsck

pytestmark = pytest.mark.slow
JUNK = 1500


def until(holds: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait on what another process and the store do."""
    end = clock.now() + limit_s
    pause = threading.Event()
    while not holds():
        assert clock.now() < end, "not in time"
        pause.wait(0.05)


def test_junk_becomes_dead_letters_and_no_good_request_is_lost(tmp_path: Path) -> None:
    with Siege(tmp_path, junk_per_s=300) as siege:
        flood = siege.flood(JUNK, connections=50)
        took = siege.trickle(150, rate=100)
        assert len(took) == 150
        assert flood.wait(60) == 0
        until(lambda: siege.letters() == JUNK)
        counters = siege.reader.counters()
        assert siege.incarnations == 1
        assert siege.root.snapshot()["restarts"] == 0
        reasons = {name.removeprefix("dead_letter.") for name in counters if name.startswith("dead_letter.")}
        assert reasons == {"unparseable", "multipart", "schema", "unknown_request_id"}
        assert (counters["success"], counters.get("retry", 0)) == (150, 0)
        until(lambda: "link.flooded" in siege.telemetry.read_text())
        assert fsck(siege.database)["violations"] == []
    lines = [json.loads(line) for line in siege.telemetry.read_text().splitlines()]
    flooded, *_ = [line["data"] for line in lines if line["event_type"] == "link.flooded"]
    assert (flooded["link"], flooded["per_s"]) == ("pushpull", 300.0)


def test_beyond_their_bound_dead_letters_go_to_the_spill_file_and_none_is_lost(tmp_path: Path) -> None:
    with Siege(tmp_path, junk_per_s=0, dead_max_rows=200) as siege:
        flood = siege.flood(1000, connections=0, seed=7)
        siege.trickle(50, rate=100)
        assert flood.wait(60) == 0
        until(lambda: siege.letters() == 1000)
        spill = tmp_path / "dead_letters.spill.jsonl"
        counts = siege.reader.dead_counts()
        assert counts["held"] == 200
        until(spill.exists)
        counters = siege.reader.counters()
        again = counters["dead_letter.unparseable"]  # the empty message came many times, and is one letter
        assert again > 0
        assert len(spill.read_text().splitlines()) == counters["dead_letter.spilled"]
        assert siege.incarnations == 1
