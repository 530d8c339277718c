"""What `promtool check metrics` holds a page against, so that the tests need no Prometheus.

Exposition format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/) and the rules of
prometheus/client_golang promlint: help and type for everything, `_total` on counters alone, base units, no
type in a name, no duplicates, histograms that add up.
"""

import math
import re
from collections import defaultdict

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: (-?\d+))?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_SUFFIXES = ("_bucket", "_count", "_sum")
_NOT_BASE = re.compile(
    "(milli|micro|nano)seconds|minutes|hours|days|weeks|ms|us|ns|(kilo|mega|giga|kibi|mebi|gibi)bytes|kb|mb|gb"
    "|bits|percents?"
)
_ABBREVIATED = ("s", "sec", "secs", "second", "b", "byte", "m", "min", "h", "hr", "d")
_TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


def check(text: str) -> list[str]:
    """Every fault of the page; empty when promtool would have none."""
    faults: list[str] = []
    types: dict[str, str] = {}
    helps: dict[str, str] = {}
    samples: dict[str, list[tuple[str, dict[str, str], float]]] = defaultdict(list)
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    done: list[str] = []
    if not text.endswith("\n"):
        faults.append("the last line does not end")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line:
            continue
        if line.startswith("# "):
            _, word, name, rest = [*line.split(" ", 3), ""][:4]
            if word == "HELP":
                if name in helps:
                    faults.append(f"line {number}: second HELP of {name}")
                helps[name] = rest
            elif word == "TYPE":
                if name in types or samples.get(name):
                    faults.append(f"line {number}: TYPE of {name} comes twice or after its samples")
                if rest not in _TYPES:
                    faults.append(f"line {number}: {name} has the type {rest!r}")
                types[name] = rest
            continue
        found = _SAMPLE.match(line)
        if found is None:
            faults.append(f"line {number} is no sample: {line!r}")
            continue
        name, inner, value = found.group(1), found.group(2) or "", found.group(3)
        labels = dict(_LABEL.findall(inner))
        if _LABEL.sub("", inner):
            faults.append(f"line {number}: labels that cannot be read: {inner!r}")
        family = _family(name, types)
        key = (name, tuple(sorted(labels.items())))
        if key in seen:
            faults.append(f"line {number}: {name}{labels} comes twice")
        seen.add(key)
        try:
            samples[family].append((name, labels, float(value)))
        except ValueError:
            faults.append(f"line {number}: {value!r} is no number")
        if family in done[:-1]:
            faults.append(f"line {number}: {family} is not in one piece")
        if not done or done[-1] != family:
            done.append(family)
    for name in samples:
        if not helps.get(name):
            faults.append(f"{name} has no help text")
        if name not in types:
            faults.append(f"{name} has no type")
        faults += _named(name, types.get(name, "untyped"))
        if types.get(name) == "histogram":
            faults += _adds_up(name, samples[name])
        if types.get(name) == "counter":
            faults += [f"{name} is below zero" for _, _, value in samples[name] if not value >= 0]
    faults += [f"{name} has a type and no sample" for name in types if name not in samples]
    return faults


def _family(name: str, types: dict[str, str]) -> str:
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and types.get(name.removesuffix(suffix)) in ("histogram", "summary"):
            return name.removesuffix(suffix)
    return name


def _named(name: str, kind: str) -> list[str]:
    faults = []
    words = name.split("_")
    if name != name.lower():
        faults.append(f"{name} is not in snake_case")
    if kind == "counter" and not name.endswith("_total"):
        faults.append(f"counter {name} does not end in _total")
    if kind != "counter" and name.endswith("_total"):
        faults.append(f"{kind} {name} ends in _total")
    if kind not in ("histogram", "summary"):
        faults += [f"{name} ends in {suffix}" for suffix in _SUFFIXES if name.endswith(suffix)]
    faults += [f"{name} has its type in its name" for word in words if word in _TYPES]
    faults += [f"{name} is not in base units: {word}" for word in words if _NOT_BASE.fullmatch(word)]
    faults += [f"{name} has an abbreviated unit: {word}" for word in words[1:] if word in _ABBREVIATED]
    return faults


def _adds_up(name: str, samples: list[tuple[str, dict[str, str], float]]) -> list[str]:
    faults = []
    groups: dict[tuple[tuple[str, str], ...], dict[str, list[tuple[float, float]]]] = {}
    for sample, labels, value in samples:
        edge = labels.get("le")
        rest = tuple(sorted((key, text) for key, text in labels.items() if key != "le"))
        part = groups.setdefault(rest, {"bucket": [], "count": [], "sum": []})
        part[sample.removeprefix(f"{name}_")].append((float(edge) if edge is not None else 0.0, value))
    for rest, part in groups.items():
        where = f"{name}{dict(rest)}"
        edges = [edge for edge, _ in part["bucket"]]
        counts = [count for _, count in part["bucket"]]
        if edges != sorted(edges) or len(set(edges)) != len(edges):
            faults.append(f"{where}: bucket edges do not rise")
        if counts != sorted(counts):
            faults.append(f"{where}: bucket counts fall")
        if not edges or not math.isinf(edges[-1]):
            faults.append(f"{where}: no bucket +Inf")
        elif [count for _, count in part["count"]] != [counts[-1]]:
            faults.append(f"{where}: _count is not what +Inf says")
        if len(part["sum"]) != 1:
            faults.append(f"{where}: no _sum")
    return faults


def names(text: str) -> dict[str, set[str]]:
    """Every sample name on the page with the names of its labels."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in text.splitlines():
        match = None if line.startswith("#") else _SAMPLE.match(line)
        if match is not None:
            found[match.group(1)] |= {label for label, _ in _LABEL.findall(match.group(2) or "")}
    return dict(found)
