"""Kinds of the user's own are known to the command line as they are to the workers."""

import sys
from pathlib import Path

import pytest

from foldward.app.kinds import load_kinds
from foldward.backtest import kinds, plugins
from foldward.contracts.errors import RequestError
from foldward.settings import CoreTable, Settings


def test_a_module_beside_the_work_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setattr(kinds, "_registry", dict(kinds._registry))
    monkeypatch.setattr(plugins, "_plugins", dict(plugins._plugins))
    (tmp_path / "my_momentum.py").write_text(
        "def signals(bars, params):\n    return bars.close * 0\n\nSTRATEGIES = [signals]\n"
    )
    names = load_kinds(Settings(core=CoreTable(kinds=("my_momentum",))))
    assert len(names) == 1
    assert names[0] in kinds._registry


def test_a_module_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match="no_such_module"):
        load_kinds(Settings(core=CoreTable(kinds=("no_such_module",))))
