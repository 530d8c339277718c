#!/usr/bin/env python3
"""Print the supervision tree of a running core: `scripts/inspect_tree.py [--home DIR] [--json] [--watch S]`.

A small user of `foldward.console.Client`, to start your own inspection scripts from.
"""

import argparse
import json
import os
import sys
import threading
from pathlib import Path

from foldward.console import Client
from foldward.contracts.errors import FoldwardError


def lines(node: dict, depth: int = 0) -> list[str]:
    """One line a child, indented by depth."""
    error = node.get("last_error")
    row = (
        f"{'  ' * depth}{node['id']:<{24 - 2 * depth}} {node['kind']:<10} {node['state']:<9} "
        f"restarts {node['restarts']:<3} mailbox {node.get('mailbox') or 0:<5} up {node['uptime_s']:.0f} s"
    )
    if error:
        row += f"  last error: {error['code']} {error['message']}"
    return [row, *(line for child in node.get("children", ()) for line in lines(child, depth + 1))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=os.environ.get("FOLDWARD_HOME", "./var"))
    parser.add_argument("--json", action="store_true", help="the tree as one JSON document")
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="again and again, until interrupted")
    options = parser.parse_args()
    client = Client(Path(options.home))
    try:
        while True:
            tree = client.tree()
            print(json.dumps(tree) if options.json else "\n".join(lines(tree)), flush=True)
            if options.watch is None:
                return 0
            threading.Event().wait(options.watch)
    except FoldwardError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
