"""Settings read anew: taken over whole, or not at all."""

from pathlib import Path
from typing import Any

import pytest

from foldward.app.reload import Reloader
from foldward.settings import Settings, check, load


class Stage:
    """A settings file, what was applied and what was emitted."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.applied: list[Settings] = []
        self.emitted: list[tuple[str, dict[str, Any]]] = []
        file.write_text("[data]\nallow = []\n")
        self.reload = Reloader(
            load(file, {}),
            lambda version: check(file, {}, None, version),
            self.applied.append,
            lambda event, data: self.emitted.append((event, data)),
        )


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "foldward.toml")


def test_an_unchanged_file_changes_nothing(stage: Stage) -> None:
    answer = stage.reload()
    assert (answer["ok"], answer["changed"], answer["snapshot"]["version"]) == (True, [], 1)
    assert stage.applied == []


def test_what_can_change_at_once_is_applied_and_the_rest_is_named(stage: Stage) -> None:
    stage.file.write_text('[data]\nallow = ["data.outlier"]\n[queue]\nmax_inflight = 7\n')
    answer = stage.reload()
    assert (answer["applied"], answer["restart_needed"]) == (["data.allow"], ["queue.max_inflight"])
    assert answer["snapshot"]["version"] == 2
    assert list(stage.applied[0].data.allow) == ["data.outlier"]
    assert stage.emitted[-1][0] == "config.reloaded"


@pytest.mark.parametrize("text", ["[queue]\nmax_inflght = 7\n", "[queue\n"])
def test_a_faulty_file_leaves_the_last_good_settings_in_force(stage: Stage, text: str) -> None:
    stage.file.write_text(text)
    answer = stage.reload()
    assert answer["ok"] is False
    assert len(answer["findings"]) == 1
    assert answer["snapshot"]["version"] == 1
    assert stage.applied == []
    assert stage.emitted[-1][0] == "config.reload_rejected"


def test_a_mended_file_is_taken_after_a_refusal(stage: Stage) -> None:
    stage.file.write_text("[queue\n")
    stage.reload()
    stage.file.write_text("[data]\ncoverage_min = 0.5\n")
    assert stage.reload()["applied"] == ["data.coverage_min"]


def test_what_needs_a_restart_is_named_until_the_restart(stage: Stage) -> None:
    stage.file.write_text("[queue]\nmax_inflight = 7\n")
    assert stage.reload()["restart_needed"] == ["queue.max_inflight"]
    answer = stage.reload()
    assert (answer["changed"], answer["restart_needed"]) == ([], ["queue.max_inflight"])
    stage.file.write_text("")
    answer = stage.reload()
    assert (answer["changed"], answer["restart_needed"]) == (["queue.max_inflight"], [])
    assert stage.applied == []


def test_values_that_cannot_be_put_into_force_leave_the_last_good_ones(stage: Stage) -> None:
    def fails(_: Settings) -> None:
        raise OSError("too many levels of links")

    reload = Reloader(
        load(stage.file, {}),
        lambda version: check(stage.file, {}, None, version),
        fails,
        lambda event, data: stage.emitted.append((event, data)),
    )
    stage.file.write_text('[core]\ndata_roots = ["/a"]\n')
    answer = reload()
    assert (answer["ok"], answer["snapshot"]["version"], reload.snapshot.version) == (False, 1, 1)
    assert answer["findings"][0]["path"] == "core.data_roots"
    assert "too many levels of links" in answer["findings"][0]["message"]
    assert stage.emitted[-1][0] == "config.reload_rejected"


def test_a_run_keeps_the_snapshot_it_began_with(stage: Stage) -> None:
    pinned = stage.reload.snapshot
    stage.file.write_text('[data]\nallow = ["data.outlier"]\n[queue]\nmax_inflight = 7\n')
    stage.reload()
    assert (pinned.version, pinned.settings.queue.max_inflight) == (1, 500)
    assert pinned.settings.data.allow == ()
    assert stage.reload.snapshot.version == 2
