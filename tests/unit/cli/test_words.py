"""What a person types for a span, an edit or a time."""

import json
from pathlib import Path

import pytest

from foldward.cli._dead import _edit
from foldward.cli._queue import _moment
from foldward.cli._words import seconds
from foldward.contracts.errors import ConfigError


def test_a_span_is_seconds_or_has_a_unit() -> None:
    assert [seconds(text, "--since") for text in ("90", "1.5h", "2d")] == [90.0, 5400.0, 172_800.0]
    for wrong in ("", "-1s", "1y", "9" * 400):
        with pytest.raises(ConfigError, match="--older-than"):
            seconds(wrong, "--older-than")


def test_an_edit_is_a_json_object_or_a_file_of_one(tmp_path: Path) -> None:
    file = tmp_path / "edit.json"
    file.write_text(json.dumps({"seed": 3}))
    assert _edit('{"strategy": {"sl": null}}') == {"strategy": {"sl": None}}
    assert _edit(str(file)) == {"seed": 3}
    file.write_text("[3]")
    for wrong, words in (("{seed: 3}", "not JSON"), (str(file), "no JSON object"), ("nowhere", "neither")):
        with pytest.raises(ConfigError, match=words):
            _edit(wrong)


def test_a_time_is_shown_as_a_time() -> None:
    assert _moment("deadline_at", 1_770_120_000_123_456) == "2026-02-03T12:00:00.123Z"
    assert _moment("start_ts", 1_770_120_000) == "2026-02-03T12:00:00.000Z"
    assert (_moment("trades", 1_500), _moment("worker", "w1"), _moment("due_at", None)) == (
        "1,500",
        "w1",
        "–",
    )
