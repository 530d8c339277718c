"""The doctor: who owns our package names, and one line for each thing looked at."""

from pathlib import Path

import pytest

from foldward.app import doctor
from foldward.contracts.errors import ConfigError
from foldward.settings import Home


def test_our_own_rooms_are_ours() -> None:
    assert doctor.foreign_packages() == []
    assert doctor.misplaced_rooms() == []


def test_an_intruder_is_named() -> None:
    owners = {"actors": ["foldward", "thespian"], "storage": ["Foldward"], "supervision": ["other"]}
    assert doctor.foreign_packages(owners) == ["actors (from thespian)", "supervision (from other)"]


def test_a_room_that_would_come_from_elsewhere_is_named() -> None:
    assert len(doctor.misplaced_rooms(lambda _: None)) == 4


class Installed:
    """A distribution by the texts that it was installed with."""

    def __init__(self, name: str, **texts: str) -> None:
        self.metadata = {"Name": name}
        self._texts = texts

    def read_text(self, name: str) -> str | None:
        return self._texts.get(name.partition(".")[0])


def test_boot_refuses_to_run_foreign_code(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [
        Installed("Foldward", top_level="actors\nfoldward\nstorage\nsupervision\n"),
        Installed("declares", top_level="storage\n"),
        Installed("lists", top_level="", RECORD="x/actors/a.py,sha256=0,1\nactors/__init__.py,sha256=1,2\n"),
        Installed("one-module", RECORD="supervision.py,sha256=2,3\n"),
        Installed("none-of-ours", RECORD="my/storage/a.py,,\nstorage-1.0/RECORD,,\nstorage/notes.txt,,\n"),
        Installed("near-by", top_level="storage3\nactors_x\n", RECORD="storages/a.py,,\n"),
        Installed("bare"),
    ]
    monkeypatch.setattr(doctor.metadata, "distributions", lambda: installed)
    assert doctor.foreign_packages() == [
        "actors (from lists)",
        "storage (from declares)",
        "supervision (from one-module)",
    ]
    with pytest.raises(ConfigError, match=r"storage \(from declares\)") as caught:
        doctor.require_own_rooms()
    assert (caught.value.code, caught.value.exit_code) == ("config.foreign_package", 2)


def test_a_home_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = next(
        check for check in doctor.examine(Home(tmp_path / "file" / "home"), None) if check.name == "home"
    )
    assert not home.ok
    assert home.detail == f"{tmp_path}/file/home cannot be made: {tmp_path}/file is no folder to write to"


def test_every_check_passes_on_a_fresh_home(tmp_path: Path) -> None:
    checks = doctor.examine(Home(tmp_path / "home"), None)
    assert [item.name for item in checks if not item.ok] == []
    assert {"python", "packages", "sqlite", "settings", "disk", "engine"} <= {item.name for item in checks}


def test_bad_settings_are_a_finding_and_not_an_end(tmp_path: Path) -> None:
    file = tmp_path / "foldward.toml"
    file.write_text("[queue]\nmax_inflght = 1\n")
    bad = [item for item in doctor.examine(Home(tmp_path), file) if not item.ok]
    assert [item.name for item in bad] == ["config.unknown_key"]
    assert "did you mean 'queue.max_inflight'" in bad[0].detail
