"""The systemd units before systemd itself, where there is one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
UNITS = sorted(file.name for file in FOLDER.glob("*.service"))


@pytest.mark.slow
def test_systemd_itself_finds_no_fault(tmp_path):
    """With systemd-analyze where there is one; the paths are pointed at something that exists."""
    tool = shutil.which("systemd-analyze")
    for name in UNITS:
        text = (FOLDER / name).read_text().replace("/opt/foldward/.venv/bin/foldward", "/bin/true")
        assert "/opt/" not in text
        (tmp_path / name).write_text(text)
        if tool is None:
            continue
        unit = tmp_path / name.replace("@", "@1")
        if not unit.exists():
            unit.symlink_to(tmp_path / name)
        done = subprocess.run(
            [tool, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
        )
        about_us = [line for line in done.stderr.splitlines() if "foldward" in line]
        assert about_us == []


@pytest.mark.slow
def test_honchos_export_still_works_beside_them(tmp_path):
    root = FOLDER.parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "honcho", "export", "systemd", str(tmp_path), "-a", "foldward"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for process in ("core", "web"):
        unit = (tmp_path / f"foldward-{process}-1.service").read_text()
        assert f"exec foldward {process}" in unit
