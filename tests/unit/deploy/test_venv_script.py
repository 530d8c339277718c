"""What scripts/run says when the packages cannot be installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError('",
            "error config.usage: the packages could not be fetched: no network, or the index",
        ),
        (
            "ERROR: No space left on device",
            "ERROR: No space left on device\nerror config.usage: the installation failed — hint: ",
        ),
    ],
)
def test_a_failed_installation_is_told_in_words(tmp_path: Path, log: str, says: str) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("setup.cfg", "pyproject.toml", "scripts/_venv.sh", "scripts/run"):
        shutil.copy(ROOT / name, tmp_path / name)
    pip = tmp_path / ".venv" / "bin" / "python"
    pip.parent.mkdir(parents=True)
    pip.write_text(f'#!/bin/sh\necho "{log}"\nexit 1\n')
    pip.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "scripts" / "run")],
        env={"PATH": "/usr/bin:/bin", "FOLDWARD_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"Preparing .venv (once; about a minute, over the network) ...\n{says}"), (
        done.stderr
    )
    assert done.stderr.endswith("the whole log is in .venv/install.log\n")
