"""The queue end to end, beside two other durable queues on SQLite, in one run.

    python benchmarks/queue/end_to_end.py [--jobs 5000] [--rounds 3] [--sync-us 1000] [--quick] [--json FILE]
    (needs the extra `bench`: pip install -e .[bench]; a rival that is missing is said to be missing)

Throughput: `--jobs` tiny jobs are enqueued durably, one worker process answers each at once, every answer is
durably applied; the clock runs from the first enqueue to the last commit. Rounds are interleaved and medians
quoted, because machines are shared; ratios are of medians in this run.

What is in Foldward's figure: admission of each strategy by name (definition read from the database and
checked, window, seed, payload, digest), the row, its lease, native link to a real worker process through the
product's own worker loop and codec, decoding and judging the answer, one transaction for result + strategy +
row, timeline, counters and histogram, telemetry written to its file. Group commit, synchronous FULL.
What is not: the first check of candles (remembered by the gate after the first time), the backtest itself,
and the other actors of `foldward core` (RankEvaluator judging every result …); the line "whole tree" has
those too. The rivals get the same bytes and answer them with the same codec in one worker process; they
commit each step alone, because that is what they offer, and do much less per job: their figure follows the
disk's fsync, Foldward's the processor. "floor" is what bare statements and the bare link need for the same
bytes.

A ratio to them is therefore a statement about the disk, and it is measured twice: on the disk that is there,
and with every fsync made to take at least --sync-us (0: not). 1,000 µs is a good consumer SSD: 891 µs
(Samsung 990 Pro, smalldatum.blogspot.com/2026/01/ssds-power-loss-protection-and-fsync.html) and 1,643 µs
(the same model, tanelpoder.com/posts/using-pg-test-fsync-for-testing-low-latency-writes) are published;
drives with power-loss protection need tens of microseconds.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GOALS = {"json": 5000.0, "sexp": 4000.0, "litequeue": 5.0, "huey": 10.0, "p50_ms": 3.0, "p99_ms": 15.0}


def measure(script: str, *arguments: str, disk: dict[str, str] | None = None) -> dict[str, Any] | None:
    """Run one measurement in a process of its own; None when it failed (its complaint is shown)."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        env={**os.environ, **(disk or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        sys.stderr.write(f"{script} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}\n")
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def fsync_us() -> float:
    """The median of 200 fsyncs of 4 KiB where the databases are: FULL pays one a commit."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(200):
            file.write(b"\0" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return 1e6 * statistics.median(took)


def slow_disk(folder: Path, sync_us: int) -> dict[str, str] | None:
    """The environment in which an fsync takes at least so long; None, and why is said, without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        print("no C compiler: not measured with slow fsyncs")
        return None
    library = folder / "slow_disk.so"
    source = str(HERE / "_slow_disk.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "SYNC_US": str(sync_us)}


def throughput(jobs: int, rounds: int, disk: dict[str, str] | None = None) -> dict[str, Any]:
    """Medians of interleaved rounds."""
    cases = {
        "foldward json": ("_core.py", "throughput", "--format", "json"),
        "foldward sexp": ("_core.py", "throughput", "--format", "sexp"),
        "foldward json, whole tree": ("_core.py", "throughput", "--tree", "whole"),
        "floor": ("_floor.py",),
        "floor, a commit a step": ("_floor.py", "--single"),
    }
    for rival in ("litequeue", "huey"):
        if importlib.util.find_spec(rival) is None:
            print(f"{rival}: not installed, so not measured (pip install -e .[bench])")
        else:
            cases[rival] = ("_rivals.py", rival)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, command in cases.items():
            found = measure(*command, "--jobs", str(jobs), disk=disk)
            if found is not None:
                runs[name].append(found)
    answer: dict[str, Any] = {}
    for name, found in runs.items():
        if not found:
            continue
        rates = sorted(run["jobs_per_s"] for run in found)
        middle = min(found, key=lambda run: abs(run["jobs_per_s"] - statistics.median(rates)))
        answer[name] = {**middle, "jobs_per_s": statistics.median(rates), "low": rates[0], "high": rates[-1]}
    return answer


def rates_table(found: dict[str, Any], key: str) -> None:
    """One table of throughputs, in lines."""
    rates = found[key]
    base = rates.get("foldward json", {}).get("jobs_per_s")
    print(f"\n{'':28}{'jobs/s':>9} {'(low … high)':>19} {'Foldward is':>12}  settings")
    for name, row in rates.items():
        settings = ", ".join(f"{key} {value}" for key, value in row["pragmas"].items())
        version = row.get("version", found["versions"]["foldward"])
        span = f"({row['low']:.0f} … {row['high']:.0f})"
        ratio = "" if name.startswith("foldward") or not base else f"{base / row['jobs_per_s']:.1f} ×"
        print(f"{name:28}{row['jobs_per_s']:9.0f} {span:>19} {ratio:>12}  {version}; {settings}")


def table(found: dict[str, Any]) -> None:
    """What was measured, in lines."""
    rates_table(found, "throughput")
    if found.get("throughput_slow"):
        print(f"\nwith every fsync made to take at least {found['sync_us']} µs:", end="")
        rates_table(found, "throughput_slow")
    rates = found["throughput"]
    if rates.get("foldward json"):
        threads = rates["foldward json"]["threads_us_per_job"]
        shares = ", ".join(f"{name.split('#')[0]} {us:.0f}" for name, us in threads.items() if us >= 1)
        print(f"core's CPU, µs a job: {rates['foldward json']['core_cpu_us_per_job']:.0f} = {shares}")
    for name in ("latency", "restart", "resend"):
        if found.get(name):
            figures = ", ".join(f"{key} {value:.3g}" for key, value in found[name].items())
            print(f"{name:28}{figures}")
    print("\ngoals and what came of them:")
    for line, held in goals(found):
        print(f"  {'reached' if held else 'missed ':8} {line}")


def goals(found: dict[str, Any]) -> list[tuple[str, bool]]:
    """Each goal in words, and whether this run reached it."""
    rates = {name: row["jobs_per_s"] for name, row in found["throughput"].items()}
    lines: list[tuple[str, bool]] = []
    for encoding in ("json", "sexp"):
        rate = rates.get(f"foldward {encoding}")
        if rate is not None:
            goal = GOALS[encoding]
            lines.append((f"{rate:.0f} jobs/s {encoding}, goal ≥ {goal:.0f}", rate >= goal))
    disks = {"throughput": f"fsync {found['machine']['fsync_us']:.0f} µs"}
    if found.get("throughput_slow"):
        disks["throughput_slow"] = f"fsync ≥ {found['sync_us']} µs"
    for key, disk in disks.items():
        for rival in ("litequeue", "huey"):
            ours, theirs = found[key].get("foldward json"), found[key].get(rival)
            if ours and theirs:
                # A disk that is busy in some rounds hurts who commits each step alone most: so the best too.
                best = ours["high"] / theirs["high"]
                ratio, goal = min(best, ours["jobs_per_s"] / theirs["jobs_per_s"]), GOALS[rival]
                lines.append((f"{ratio:.1f} × {rival} with {disk}, goal ≥ {goal:.0f}", ratio >= goal))
    latency = found.get("latency") or {}
    for key in ("p50_ms", "p99_ms"):
        if key in latency:
            line = f"{key} {latency[key]:.1f} at {latency['rate']:.0f} jobs/s, goal ≤ {GOALS[key]:.0f}"
            lines.append((line, latency[key] <= GOALS[key]))
    if found.get("restart"):
        took = found["restart"]["first_send_s"]
        text = f"first send {took:.2f} s after a restart with {found['restart']['open']} open, goal ≤ 2"
        lines.append((text, took <= 2.0))
    if found.get("resend"):
        took = found["resend"]["worst_s"]
        lines.append((f"resend {took:.2f} s after a worker's SIGKILL (worst), goal ≤ 1", took <= 1.0))
    return lines


def main() -> None:
    """Everything, then the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--jobs", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--sync-us", type=int, default=1000, help="second table: fsyncs this slow; 0: none")
    options.add_argument("--quick", action="store_true", help="1,000 jobs, one round, 300 for the latency")
    options.add_argument("--json", type=Path, help="also write everything that was measured to this file")
    given = options.parse_args()
    jobs, rounds = (1000, 1) if given.quick else (given.jobs, given.rounds)
    found: dict[str, Any] = {
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "fsync_us": fsync_us(),
            "load": os.getloadavg(),
        },
        "versions": {"foldward": importlib.metadata.version("foldward")},
    }
    machine = found["machine"]
    print(
        f"{machine['cpus']} CPUs, Python {machine['python']}, fsync {machine['fsync_us']:.0f} µs,"
        f" load {machine['load'][0]:.1f}; {jobs} jobs, {rounds} rounds"
    )
    found["throughput"] = throughput(jobs, rounds)
    if given.sync_us:
        found["sync_us"] = given.sync_us
        with tempfile.TemporaryDirectory(prefix="fw-disk-") as folder:
            disk = slow_disk(Path(folder), given.sync_us)
            found["throughput_slow"] = throughput(jobs, rounds, disk) if disk else None
    found["latency"] = measure("_core.py", "latency", "--jobs", "300" if given.quick else "1000")
    found["restart"] = measure("_core.py", "restart", "--jobs", "1000" if given.quick else "10000")
    found["resend"] = measure("_core.py", "resend")
    table(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
