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


def test_boot_refuses_to_run_foreign_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor.metadata, "packages_distributions", lambda: {"storage": ["foldward", "storage3"]}
    )
    with pytest.raises(ConfigError, match=r"storage \(from storage3\)") as caught:
        doctor.require_own_rooms()
    assert (caught.value.code, caught.value.exit_code) == ("config.foreign_package", 2)


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
