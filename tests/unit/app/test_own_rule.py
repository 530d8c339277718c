"""A rule of one's own that fails on the command line is told with its file and line."""

import json
from pathlib import Path
from typing import Any

import pytest

from foldward.app.own_rule import PAGE, told_by_place
from foldward.contracts.errors import EngineError


def rule(tmp_path: Path, body: str) -> tuple[Path, Any]:
    file = tmp_path / "momentum.py"
    file.write_text(f"import json, sys\n\n\ndef momentum(bars, params):\n    {body}\n")
    space: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), space)
    return file, space["momentum"]


def call(function: Any) -> None:
    try:
        function(None, {})
    except Exception as error:
        raise EngineError("engine.failed", f"kind 'momentum' failed: {error!r}") from error


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("return bars.nope", "AttributeError(\"'NoneType' object has no attribute 'nope'\")"),
        ("return json.loads('')", "JSONDecodeError('Expecting value: line 1 column 1 (char 0)')"),
    ],
)
def test_an_exception_is_told_with_the_line_of_the_rule_also_below_a_library(
    tmp_path: Path, body: str, what: str
) -> None:
    file, function = rule(tmp_path, body)
    with pytest.raises(EngineError) as failed, told_by_place():
        call(function)
    assert failed.value.message == f"kind 'momentum' failed: {what} ({file} line 5: {body})"
    assert failed.value.hint == PAGE


def test_a_rule_that_leaves_the_program_has_failed(tmp_path: Path) -> None:
    file, function = rule(tmp_path, "sys.exit(3)")
    with pytest.raises(EngineError) as failed, told_by_place():
        call(function)
    assert failed.value.code == "engine.failed"
    assert failed.value.message == (f"the rule ended the program: SystemExit(3) ({file} line 5: sys.exit(3))")


def test_an_answer_of_the_wrong_shape_keeps_its_words() -> None:
    with pytest.raises(EngineError) as failed, told_by_place():
        raise EngineError("engine.failed", "target position has the shape (2,); the candles have 6 bars")
    assert failed.value.message == "target position has the shape (2,); the candles have 6 bars"
    assert failed.value.hint == PAGE


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(EngineError) as other, told_by_place():
        raise EngineError("engine.memory", "too much")
    assert other.value.code == "engine.memory"
    with pytest.raises(json.JSONDecodeError), told_by_place():
        json.loads("")
