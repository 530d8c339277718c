"""Ctrl-C before a command has begun: while the program is still being imported, or parses its words."""

import importlib.abc
import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from foldward import cli


class Interrupting(importlib.abc.MetaPathFinder):
    """Somebody presses Ctrl-C while this module is looked for."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == "foldward.cli._app":
            raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["import", "run"])
def test_ctrl_c_is_one_word_and_130(
    where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if where == "import":
        monkeypatch.delitem(sys.modules, "foldward.cli._app", raising=False)
        monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    else:

        def run() -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr("foldward.cli._app.run", run)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 130
    assert capsys.readouterr() == ("", "interrupted\n")
