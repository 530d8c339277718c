"""Runs the benchmarks of this folder, each in a process of its own, and prints one table of their figures.

    scripts/bench [--list] [--quick] [--json FILE] [NAME …]

A benchmark that fails is shown with its last words, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Bench(NamedTuple):
    """file: in this folder. report: JSON goes to a file, to stdout when asked for (flag), or always there."""

    file: str
    quick: tuple[str, ...]
    report: str


ALL = {
    "queue": Bench("queue/end_to_end.py", ("--quick",), "file"),
    "storage": Bench("storage/bench_facts.py", ("--jobs", "2000"), "stdout"),
    "million": Bench("storage/bench_million.py", ("--finished", "50000", "--open", "5000"), "stdout"),
    "wire": Bench("wire/bench_wire.py", ("--count", "1000"), "flag"),
    "supervision": Bench("supervision/bench.py", (), "flag"),
    "engine": Bench("engine/compare.py", ("--bars", "200000"), "file"),
    "data": Bench("data/bench_data.py", ("--rows", "200000", "--rounds", "2"), "flag"),
    "overhead": Bench("overhead/checks.py", ("--rounds", "2"), "flag"),
    "pbo": Bench("stats/pbo.py", ("--repeats", "2"), "stdout"),
    "noise": Bench("stats/null_noise.py", ("--studies", "20"), "stdout"),
}


def run(name: str, quick: bool) -> tuple[Any, float]:
    """What it measured (None: it failed, and its words were shown), and how long that took in seconds."""
    bench = ALL[name]
    argv = [sys.executable, str(HERE / bench.file), *(bench.quick if quick else ())]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fw-bench-") as folder:
        target = Path(folder) / "figures.json"
        if bench.report == "file":
            argv += ["--json", str(target)]
        elif bench.report == "flag":
            argv += ["--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            sys.stderr.write(f"{name} failed ({done.returncode}):\n{done.stderr[-2000:]}\n")
            return None, seconds
        text = target.read_text() if bench.report == "file" else done.stdout
    try:
        return json.loads(text), seconds
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        try:  # one object a line
            return [json.loads(line) for line in lines], seconds
        except ValueError:
            return lines, seconds


def figures(found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(name, value) of every number and word, in the order in which the benchmark gave them."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from figures(value, f"{path}.{key}" if path else str(key))
    elif isinstance(found, list | tuple):
        for place, value in enumerate(found):
            yield from figures(value, f"{path}[{place}]")
    elif isinstance(found, bool) or found is None or isinstance(found, str):
        yield path, str(found)
    else:
        yield path, f"{found:,.4g}" if abs(found) < 1e4 else f"{found:,.0f}"


def main() -> int:
    """Exit code 0, or 1 when one of them failed."""
    options = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; without one: all")
    options.add_argument("--list", action="store_true", help="say which there are")
    options.add_argument("--quick", action="store_true", help="small sizes: whether they run, not how fast")
    options.add_argument("--json", type=Path, help="also write everything to this file")
    given = options.parse_args()
    if given.list:
        for name, bench in ALL.items():
            first = (HERE / bench.file).read_text().split('"""')[1].splitlines()[0]
            print(f"{name:12} {first}")
        return 0
    unknown = [name for name in given.names if name not in ALL]
    if unknown:
        options.error(f"{', '.join(unknown)}: not one of {', '.join(ALL)}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    everything: dict[str, Any] = {}
    for name in given.names or ALL:
        found, seconds = run(name, given.quick)
        everything[name] = found
        print(f"\n{name} ({seconds:.0f} s)" + (": failed" if found is None else ""), flush=True)
        for label, value in figures(found) if found is not None else ():
            print(f"  {label:60.60} {value}")
    if given.json:
        given.json.write_text(json.dumps(everything, indent=2) + "\n")
    return 1 if None in everything.values() else 0


if __name__ == "__main__":
    sys.exit(main())
