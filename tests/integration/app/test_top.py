"""`foldward top` in a terminal of 80 × 24 columns, driven as a person does, with and without a core."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from status_sample import sample

from foldward.cli import _top
from foldward.cli._top import Tail, Top, look
from foldward.cli._top_view import Seen
from foldward.settings import Home, StorageTable
from storage import open_writer

pytestmark = pytest.mark.slow
TREE = {
    "id": "root",
    "kind": "supervisor",
    "state": "running",
    "restarts": 0,
    "children": [{"id": "reporter", "kind": "worker", "state": "hung", "restarts": 2, "children": []}],
}


def screen(app: Top) -> str:
    return "\n".join(
        "".join(segment.text for segment in line) for line in app.screen._compositor.render_strips()
    )


async def until(holds: Any) -> None:
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


def play(home: Home, act: Any) -> None:
    async def run() -> None:
        app = Top(home)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(lambda: app.seen is not None)
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(run())


def test_what_is_wrong_stands_on_top_and_every_key_is_shown(tmp_path: Path, monkeypatch: Any) -> None:
    home = Home(tmp_path).make()
    home.telemetry.write_bytes(
        b'{"timestamp":"2026-02-03T12:00:00.123Z","event_type":"heartbeat.sent","severity":"info","data":{}}\n'
        b'{"timestamp":"2026-02-03T12:00:01.123Z","event_type":"rank.changed","severity":"info","data":{"to":"A"}}\n'
    )
    monkeypatch.setattr(_top, "look", lambda _: Seen(sample(), TREE))

    async def act(app: Top, pilot: Any) -> None:
        shown = screen(app)
        lines = shown.splitlines()
        assert len(lines) == 24
        assert all(len(line) <= 80 for line in lines)
        assert "reporter is hung" in lines[1]
        assert "python -m supervision crashes" in lines[1]
        for key in ("q Leave", "p Pause", "r Resume", "a All events", "c Fold"):
            assert key in lines[-1]
        assert "rank.changed to=A" in shown
        assert "heartbeat.sent" not in shown
        assert "○ reporter hung ↻2" in shown
        await pilot.press("a")
        await pilot.pause()
        assert "heartbeat.sent" in screen(app)
        await pilot.press("c")
        await pilot.pause()

    play(home, act)


def test_without_a_core_it_shows_what_the_database_knows(tmp_path: Path) -> None:
    home = Home(tmp_path).make()
    open_writer(home.database, StorageTable()).close()

    async def act(app: Top, pilot: Any) -> None:
        shown = screen(app)
        assert "core is not running" in shown.splitlines()[1]
        assert "core down" in shown
        assert "no core answers" in shown
        await pilot.press("p")
        await until(lambda: app._notifications)
        assert "supervision.core_down" in next(iter(app._notifications)).message

    play(home, act)


def test_an_empty_home_and_a_damaged_database_are_looked_at_too(tmp_path: Path) -> None:
    assert look(Home(tmp_path / "none")).error == ""
    home = Home(tmp_path / "bad").make()
    home.database.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5_000)
    assert look(home).error.startswith("error storage.")


def test_a_rotated_file_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.jsonl"
    tail = Tail(file)
    assert tail.new() == []
    file.write_bytes(b"one\ntw")
    assert tail.new() == [b"one"]
    with file.open("ab") as handle:
        handle.write(b"o\n")
    assert tail.new() == [b"two"]
    file.rename(tmp_path / "telemetry.jsonl.1")
    file.write_bytes(b"three\n")
    assert tail.new() == [b"three"]


def test_of_a_long_file_only_the_end_is_read_and_no_half_line(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.jsonl"
    file.write_bytes(b"".join(b"line %06d\n" % number for number in range(10_000)))
    lines = Tail(file).new()
    assert lines[-1] == b"line 009999"
    assert all(len(line) == 11 for line in lines)
    assert 1_000 < len(lines) < 1_400


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_the_usual_keys_leave(tmp_path: Path, monkeypatch: Any, key: str) -> None:
    monkeypatch.setattr(_top, "look", lambda _: Seen(sample(), TREE))

    async def act(app: Top, pilot: Any) -> None:
        await pilot.press(key)
        await until(lambda: app._exit)

    play(Home(tmp_path).make(), act)
