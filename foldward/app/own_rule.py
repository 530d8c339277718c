"""An error of a rule of one's own on the command line: its place in the file, not in a worker's log."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foldward.contracts.errors import EngineError

PAGE = "docs/how_to/write_a_strategy.md says what a rule gets and returns"
_OURS = Path(__file__).resolve().parents[1]


@contextmanager
def told_by_place() -> Iterator[None]:
    """Raise a rule's engine.failed with file and line of the rule. Its SystemExit is such an error too."""
    try:
        yield
    except EngineError as error:
        if error.code != "engine.failed":
            raise
        place = "" if error.__cause__ is None else _place(error.__cause__)
        raise _failed(f"{error.message}{place}") from error
    except SystemExit as error:
        raise _failed(f"the rule ended the program: SystemExit({error.code!r}){_place(error)}") from error


def _failed(message: str) -> EngineError:
    return EngineError("engine.failed", message, hint=PAGE, retryable=False)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    others = (_OURS, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")))
    theirs = [frame for frame in frames if not any(map(Path(frame.filename).is_relative_to, others))]
    if not theirs:
        return ""
    last = theirs[-1]
    return f" ({last.filename} line {last.lineno}: {last.line or '?'})"
