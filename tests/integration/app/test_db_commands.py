"""`foldward db backup` and `restore`: what is in force afterwards, and what became of the backup."""

import json
from pathlib import Path

import pytest

from foldward.cli._app import run

pytestmark = pytest.mark.slow
ONE = '[[strategy]]\nname = "{name}"\nkind = "sma"\nsymbol = "AAPL"\ntimeframe = "D1"\n'


def test_a_restore_brings_back_the_backup_and_leaves_the_backup_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, backup = ["--home", str(tmp_path / "home")], tmp_path / "backup.db"

    def answer(*line: str) -> object:
        capsys.readouterr()
        assert run([*line, *home, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    def add(name: str) -> None:
        (tmp_path / "set.toml").write_text(ONE.format(name=name))
        answer("strategies", "import", str(tmp_path / "set.toml"))

    def names() -> list[str]:
        listed = answer("strategies", "list")
        assert isinstance(listed, list)
        return sorted(item["name"] for item in listed)

    add("before")
    answer("db", "backup", str(backup))
    bytes_of_backup = backup.read_bytes()
    add("after")
    assert names() == ["after", "before"]
    done = answer("db", "restore", str(backup))
    assert isinstance(done, dict)
    assert names() == ["before"]
    assert done["file"] == str(tmp_path / "home" / "foldward.db")
    assert backup.read_bytes() == bytes_of_backup
    assert Path(done["kept"]).parent == tmp_path / "home"


def test_what_is_no_backup_is_refused_and_nothing_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, set_file = ["--home", str(tmp_path / "home")], tmp_path / "set.toml"
    set_file.write_text(ONE.format(name="one"))
    assert run(["strategies", "import", str(set_file), *home]) == 0
    before = (tmp_path / "home" / "foldward.db").read_bytes()
    capsys.readouterr()
    assert run(["db", "restore", str(set_file), *home, "--json"]) == 8
    said = capsys.readouterr()
    assert (said.out, said.err.startswith("error storage.")) == ("", True)
    assert (tmp_path / "home" / "foldward.db").read_bytes() == before
    assert set_file.read_text() == ONE.format(name="one")
