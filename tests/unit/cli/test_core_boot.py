"""What core answers when it cannot start: 2 where a restart does not help, its family's code where it may."""

from pathlib import Path

import pytest

from foldward.cli._app import run
from foldward.contracts.errors import ConfigError, FoldwardError, StorageError, WireError


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (StorageError("storage.newer", "schema 99"), 2),
        (StorageError("storage.corrupt", "malformed"), 2),
        (WireError("wire.curve_required", message="no keys"), 2),
        (ConfigError("config.invalid", "workers"), 2),
        (StorageError("storage.disk_full", "no space"), 8),
        (StorageError("storage.io", "stale handle"), 8),
    ],
)
def test_a_boot_that_no_restart_can_cure_leaves_with_2(
    error: FoldwardError,
    exit_code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> int:
        raise error

    monkeypatch.setattr("foldward.app.boot.run_core", refuse)
    assert run(["core", "--home", str(tmp_path / "home")]) == exit_code
    assert capsys.readouterr().err.startswith(f"error {error.code}: ")
