"""python -m supervision: look at a running tree, and restart or stop parts of it, through its socket.

Exit codes: 0 ok · 1 refused · 2 usage · 3 nobody answers on the socket · 4 unknown id · 5 no answer in time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from supervision._latch import Latch
from supervision.inspect import Client, InspectError

DEFAULT_HOME = "var"
EXIT_CODES = {"supervision.not_found": 4, "supervision.no_answer": 5, "supervision.core_down": 3}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    args = _parser().parse_args(argv)
    client = Client(_socket(args))
    try:
        command: Callable[[Client, argparse.Namespace], int] = args.command
        return command(client, args)
    except InspectError as error:
        return _complain(EXIT_CODES.get(error.code, 1), f"{error.code}: {error.message}")
    except TimeoutError as error:
        return _complain(5, f"supervision.no_answer: {error}")
    except ConnectionError as error:
        return _complain(3, f"supervision.core_down: {error} — hint: --home DIR or --socket PATH")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone: head, less
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m supervision", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="data for programs, nothing else on stdout")
    common.add_argument(
        "--timeout", type=float, default=5.0, metavar="S", help="seconds to wait for the answer"
    )
    common.add_argument("--socket", help="inspection socket (default: $SUPERVISION_SOCKET, else the home's)")
    common.add_argument("--home", help=f"data directory (default: $FOLDWARD_HOME, else ./{DEFAULT_HOME})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Callable[..., int], help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[common], help=help, description=help)
        sub.set_defaults(command=function)
        return sub

    add("tree", _tree, "the tree with states, restarts and inboxes")
    watch = add("watch", _watch, "the tree again and again")
    watch.add_argument("--interval", type=float, default=1.0, metavar="S")
    watch.add_argument("--count", type=int, default=0, help="how many times; 0: until Ctrl-C")
    add("child", _child, "everything about one child").add_argument("id")
    add("crashes", _crashes, "the last crash reports").add_argument("id", nargs="?")
    add("stacks", _stacks, "where each thread is now")
    add("restart", _restart, "stop one child and start it again").add_argument("id")
    add("stop", _stop, "stop the whole tree")
    return parser


def _socket(args: argparse.Namespace) -> str:
    """The socket that is named, or the one of the named home: `run/core.lock` says where it lies."""
    if args.socket is None and args.home is None and (named := os.environ.get("SUPERVISION_SOCKET")):
        return named
    if args.socket is not None:
        return str(args.socket)
    run = Path(args.home or os.environ.get("FOLDWARD_HOME") or DEFAULT_HOME, "run")
    try:
        found = json.loads((run / "core.lock").read_text(encoding="utf-8"))["inspect"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    return found if isinstance(found, str) else str(run / "inspect.sock")


def _tree(client: Client, args: argparse.Namespace) -> int:
    tree = client.call("tree", args.timeout)
    _out(json.dumps(tree) if args.json else table(tree))
    return 0


def _watch(client: Client, args: argparse.Namespace) -> int:
    beat, shown = Latch(), 0
    while True:
        tree = client.call("tree", args.timeout)
        if args.json:
            _out(json.dumps(tree))
        else:
            clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
            _out(f"{clear}{tree.get('at', '')}\n{table(tree)}")
        sys.stdout.flush()
        shown += 1
        if args.count and shown >= args.count:
            return 0
        beat.wait(args.interval)


def _child(client: Client, args: argparse.Namespace) -> int:
    view = client.call("child", args.timeout, id=args.id)
    if args.json:
        _out(json.dumps(view))
        return 0
    for key, value in view.items():
        if key != "children":
            _out(f"{key:15} {_cell(value)}")
    return 0


def _crashes(client: Client, args: argparse.Namespace) -> int:
    wish = {} if args.id is None else {"id": args.id}
    reports = client.call("crashes", args.timeout, **wish)
    if args.json:
        _out(json.dumps(reports))
        return 0
    for report in reports:
        head = "{supervisor} / {child}#{incarnation}  {context}  {ending}: {reason}".format(**report)
        on = f" on {report['message_type']}" if report["message_type"] else ""
        _out(f"{head}{on}, after {report['uptime_s']:.1f} s, inbox {report['inbox_depth']}")
        if report["stack"]:
            _out("    " + report["stack"].rstrip().replace("\n", "\n    "))
    if not reports:
        _out("no crashes")
    return 0


def _stacks(client: Client, args: argparse.Namespace) -> int:
    stacks = client.call("stacks", args.timeout)
    if args.json:
        _out(json.dumps(stacks))
        return 0
    for name, stack in stacks.items():
        _out(f"{name}\n{stack.rstrip()}\n")
    return 0


def _restart(client: Client, args: argparse.Namespace) -> int:
    done = client.call("restart", args.timeout + 30.0, id=args.id)
    _out(json.dumps(done) if args.json else f"{done['id']} runs as incarnation {done['incarnation']}")
    return 0


def _stop(client: Client, args: argparse.Namespace) -> int:
    done = client.call("stop", args.timeout)
    _out(json.dumps(done) if args.json else "stopping")
    return 0


COLUMNS = ("state", "restarts", "budget", "inbox", "handled", "busy", "up", "last error")


def table(tree: dict[str, Any]) -> str:
    """The tree as text, one line per child."""
    rows = [("child", *COLUMNS), *_lines(tree, "", "", root=True)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def _lines(view: dict[str, Any], lead: str, below: str, *, root: bool = False) -> list[tuple[str, ...]]:
    budget, error = view["budget"], view["last_error"]
    number = f"#{view['incarnation']}" if view["incarnation"] else ""
    own = view.get("strategy") or root
    rows: list[tuple[str, ...]] = [
        (
            f"{lead}{view['id']}{number}",
            view["state"],
            str(view["restarts"]),
            f"{budget['used']}/{budget['max']} in {budget['period_s']:g}s" if budget and own else "",
            str(view["mailbox"]),
            str(view["handled"]),
            f"{view['busy_s']:.1f}s {view['current'] or ''}" if view["busy_s"] else "",
            f"{view['uptime_s']:.0f}s",
            error["message"][:80] if error else "",
        )
    ]
    children = view.get("children", [])
    for number_of, child in enumerate(children, 1):
        last = number_of == len(children)
        rows += _lines(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
    return rows


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items())
    return "-" if value is None else str(value)


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(code: int, text: str) -> int:
    sys.stderr.write(f"error {text}\n")
    return code


__all__ = ["main", "table"]

if __name__ == "__main__":
    sys.exit(main())
