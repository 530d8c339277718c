"""Measure branch coverage of four rooms and hold them to a limit. Called by scripts/coverage.

The tests that concern these rooms run under coverage, each piece in a process of its own, child processes
(core, workers, supervised programs) measured too. What a SIGKILL ends is lost, as it must be. A room fails by
its branches alone: a percentage that mixes lines and branches hides unvisited branches behind many lines.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "supervision": "supervision/",
    "storage": "storage/",
    "actors": "actors/",
    "foldward.wire": "foldward/wire/",
}
# Runs as `python -I -S` and becomes another program: nothing can look on. tests/integration/supervision/
# test_processes.py holds what it does.
UNSEEN = "supervision/_launcher.py"
# Pieces, so that one of them can be run again alone; the mutants are left out because they run other code.
PIECES = {
    "unit": ["tests/unit/actors", "tests/unit/storage", "tests/unit/supervision", "tests/unit/wire",
             "tests/unit/worker", "tests/unit/testing", "tests/unit/console", "tests/unit/cli",
             "tests/unit/web", "tests/integration/console", "tests/migration"],
    "supervision": ["--ignore", "tests/conformance/supervision/test_mutants.py",
                    "tests/conformance/supervision", "tests/integration/supervision",
                    "tests/property/supervision"],
    "actors": ["tests/integration/actors", "tests/integration/app", "tests/property/actors"],
    "storage": ["tests/integration/storage", "tests/property/storage"],
    "wire": ["tests/conformance/links", "tests/property/wire", "tests/integration/worker/test_pushpull.py",
             "tests/integration/worker/test_worker_process.py"],
    "core": ["tests/acceptance/test_core.py"],
}  # fmt: skip


def main() -> int:
    """Exit 0 when every room reaches the limit, 1 when one does not, 2 when a test failed."""
    parser = argparse.ArgumentParser(prog="scripts/coverage", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--limit", type=float, default=95.0, help="branches visited, in percent, of each room"
    )
    parser.add_argument("--missing", action="store_true", help="list what was not visited")
    parser.add_argument("--html", metavar="FOLDER", help="write the pages of coverage.py there")
    parser.add_argument("--piece", action="append", choices=list(PIECES), help="only this piece of the tests")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the data there and add to what it holds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="foldward-coverage-") as folder:
        data = Path(options.keep or folder)
        data.mkdir(parents=True, exist_ok=True)
        failed = [name for name in options.piece or PIECES if not measured(name, data)]
        if failed:
            sys.stderr.write(f"error: tests failed under coverage: {', '.join(failed)}\n")
            return 2
        return judged(data, options)


def measured(piece: str, data: Path) -> bool:
    """Run one piece of the tests; whether it passed."""
    config = data / "coverage.ini"
    config.write_text(
        "[run]\nbranch = true\nparallel = true\nsigterm = true\npatch = subprocess\nconcurrency = thread\n"
        f"data_file = {data / 'data'}\nomit = {ROOT / UNSEEN}\n"
        "source = \n    " + "\n    ".join(str(ROOT / p) for p in ROOMS.values())
    )
    command = ["-m", "coverage", "run", f"--rcfile={config}", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    print(f"== {piece}", flush=True)
    return not subprocess.call([sys.executable, *command, *PIECES[piece]], cwd=ROOT, env=os.environ)


def judged(data: Path, options: argparse.Namespace) -> int:
    """Print the table; 1 when a room stays below the limit."""
    report = data / "report.json"
    base = [sys.executable, "-m", "coverage"]
    where = [f"--rcfile={ROOT / 'setup.cfg'}", f"--data-file={data / 'all'}"]
    subprocess.check_call(
        [*base, "combine", "-q", "--keep", *where, *map(str, data.glob("data.*"))], cwd=ROOT
    )
    subprocess.check_call([*base, "json", "-q", *where, "-o", str(report)], cwd=ROOT)
    if options.html:
        subprocess.check_call([*base, "html", "-q", *where, "-d", options.html], cwd=ROOT)
    files = json.loads(report.read_text())["files"]
    below = []
    print(f"\n{'room':16}{'branches':>10}{'visited':>10}{'%':>8}{'lines %':>10}")
    for room, prefix in ROOMS.items():
        mine = {path: found for path, found in files.items() if path.startswith(prefix)}
        total, visited = (sum(f["summary"][key] for f in mine.values()) for key in BRANCHES)
        lines, seen = (sum(f["summary"][key] for f in mine.values()) for key in LINES)
        percent = 100 * visited / total
        below += [room] if percent < options.limit else []
        print(f"{room:16}{total:>10}{visited:>10}{percent:>8.2f}{100 * seen / lines:>10.2f}")
        if options.missing:
            for path, found in sorted(mine.items()):
                print_missing(path, found)
    if below:
        sys.stderr.write(f"error: below {options.limit:g} % of branches: {', '.join(below)}\n")
    return 1 if below else 0


BRANCHES = ("num_branches", "covered_branches")
LINES = ("num_statements", "covered_lines")


def print_missing(path: str, found: dict[str, list[object]]) -> None:
    """One line a file: the lines and the branches (from->to) that no test took."""
    arrows = " ".join(f"{start}->{end}" for start, end in found["missing_branches"])
    if found["missing_lines"] or arrows:
        print(f"    {path}: lines {found['missing_lines']} branches {arrows}")


if __name__ == "__main__":
    raise SystemExit(main())
