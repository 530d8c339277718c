"""Pages with files that a reader copies: run as a reader would, in an empty folder, without our conftest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
_FILE = re.compile(r"^```python\n# file: (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_files_of_the_page_about_time_run_as_they_stand(tmp_path: Path) -> None:
    page = (ROOT / "docs/how_to/test_with_time.md").read_text()
    files = dict(_FILE.findall(page))
    assert list(files) == ["conftest.py", "test_retry.py", "test_timers.py", "test_queue.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
