"""Where errors are provoked: a folder, a home, a world of actors without threads, and short ways to each."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from toys import Forest

from foldward.cli._app import run
from foldward.contracts.errors import CATALOGUE, FAMILIES, FoldwardError
from foldward.contracts.jobs import Backtest, Result, Strategy
from foldward.data.bars import Bars, day_ends
from foldward.testing.actor_world import ActorWorld

DAY_NS = 86_400 * 10**9
HEADER = "timestamp,open,high,low,close,volume"
FIRST = 1_704_067_200  # 2024-01-01, a Monday


class Said(Exception):
    """A code that is told and not raised: a fault, a finding, a refusal, a dead letter."""

    def __init__(self, code: str | None, message: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message or ""


class Scene:
    """See the module."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.patch = monkeypatch
        self.root: Any = None
        self._forest: Forest | None = None
        self._open: list[Any] = []

    def close(self) -> None:
        for one in reversed(self._open):
            one.__exit__(None, None, None)

    @property
    def forest(self) -> Forest:
        """Supervision trees, stopped at the end."""
        if self._forest is None:
            self._forest = Forest()
            self._open.append(contextlib.closing(self._forest))
        return self._forest

    def enter(self, context: Any) -> Any:
        self._open.append(context)
        return context.__enter__()

    # --- command line ----------------------------------------------------------------------------------

    def line(self, words: str) -> Said:
        """What the command line says on stderr, with the exit code checked against the error's own."""
        self.patch.setenv("FOLDWARD_HOME", str(self.folder / "home"))
        self.patch.chdir(self.folder)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            exit_code = run(words.split())
        text = err.getvalue()
        assert text.startswith("error "), (text, out.getvalue())
        assert text.count("\n") == 1, text
        assert " — hint: " in text, text
        code, _, message = text.removeprefix("error ").partition(": ")
        family = FAMILIES["request" if code.startswith("queue.") else code.partition(".")[0]]
        assert exit_code == (CATALOGUE[code].exit_code or family.exit_code), (code, exit_code)
        return Said(code, message.strip())

    # --- candles ---------------------------------------------------------------------------------------

    def rows(self, count: int = 80) -> list[list[Any]]:
        """Calm daily rows: Unix seconds, open, high, low, close, volume."""
        rows = []
        close = 100.0
        for day in range(count):
            open_, close = close, round(100 + math.sin(day / 7), 4)
            high, low = max(open_, close) + 0.2, min(open_, close) - 0.2
            rows.append([FIRST + day * 86_400, open_, high, low, close, 10])
        return rows

    def csv(self, rows: list[list[Any]] | bytes, header: str = HEADER, name: str = "X_D1.csv") -> Path:
        file = self.folder / name
        if isinstance(rows, bytes):
            file.write_bytes(rows)
        else:
            file.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
        return file

    def finding(self, code: str, rows: list[list[Any]] | bytes | Path, header: str = HEADER) -> Said:
        """What the data contract says of a file; the finding of that code."""
        from foldward.data.contract import check_file

        report = check_file(rows if isinstance(rows, Path) else self.csv(rows, header))
        found = {finding.code: finding for finding in report.findings}
        assert code in found, list(found)
        finding = found[code]
        return Said(finding.code, f"{finding.rule}: {finding.places[0].detail if finding.places else ''}")

    def changed(self, row: int, cell: int, value: Any) -> list[list[Any]]:
        rows = self.rows()
        rows[row][cell] = value
        return rows

    def bars(self, count: int = 300) -> Bars:
        time = np.arange(count, dtype=np.int64) * DAY_NS + FIRST * 10**9
        price = 100 + np.sin(np.arange(count) / 7)
        return Bars(
            time=time, open=price, high=price + 0.2, low=price - 0.2, close=price, volume=price,
            timeframe=1440, day_end=day_ends(time), fingerprint="f", symbol="X", provenance="real",
        )  # fmt: skip

    # --- actors ----------------------------------------------------------------------------------------

    def world(self, **settings: Any) -> ActorWorld:
        from foldward.settings import Settings

        world: ActorWorld = self.enter(ActorWorld(self.folder, Settings(**settings)))
        world.add("sma-1", "sma-2")
        return world

    def refused(self, world: ActorWorld, *names: str, **fields: Any) -> Said:
        item = world.submit(*(names or ("sma-1",)), **fields)[-1]
        assert item.hint, item
        return Said(item.code, item.message)

    def letter(self, world: ActorWorld) -> Said:
        letters = world.reader.dead_letters()
        return Said(letters[0].code, letters[0].error)

    def job(self, **fields: Any) -> Backtest:
        strategy = Strategy(name="a", kind="sma", symbol="X", timeframe=1440)
        base: dict[str, Any] = {"request_id": "01980000-0000-7000-8000-000000000001", "strategy": strategy}
        return Backtest(**(base | fields))

    def worked(self, **fields: Any) -> Said:
        """What a worker answers to a job."""
        from foldward.data.cache import Cache
        from foldward.worker.runner import run_job

        result: Result = run_job(self.job(**fields), Cache(self.folder / "cache"), data_roots=[self.folder])
        return Said(result.code, result.error)

    # --- plugins ---------------------------------------------------------------------------------------

    def plugin(self, body: str) -> Said:
        """What the engine says of a user's own kind."""
        import importlib
        import sys

        from foldward.backtest import register, simulate

        name = f"own_{abs(hash(body)) % 10**8}"
        (self.folder / f"{name}.py").write_text(body.replace("NAME", name))
        self.patch.syspath_prepend(str(self.folder))
        importlib.invalidate_caches()
        register([name])
        try:
            outcome = simulate(self.bars(), Strategy(name="a", kind=name, symbol="X", timeframe=1440))
        finally:
            sys.modules.pop(name, None)
        assert outcome.verdict == "INVALID", outcome
        return Said(outcome.faults[0].code, outcome.faults[0].message)


def caught(call: Callable[..., Any], *arguments: Any, **named: Any) -> FoldwardError:
    """The error of ours that a call raises."""
    with pytest.raises(FoldwardError) as error:
        call(*arguments, **named)
    return error.value


def replaced(value: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(value, **fields)
