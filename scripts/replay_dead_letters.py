#!/usr/bin/env python3
"""Replay held dead letters of a running core: `replay_dead_letters.py [--home DIR] [--reason R] [ID …]`.

A small user of `foldward.console.Client`; the same road as `foldward dead replay`.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from foldward.console import Client
from foldward.contracts.errors import FoldwardError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ids", nargs="*", type=int, metavar="ID")
    parser.add_argument("--home", default=os.environ.get("FOLDWARD_HOME", "./var"))
    parser.add_argument("--all", action="store_true", help="every held letter")
    parser.add_argument("--reason", help="only this reason, e.g. schema")
    parser.add_argument("--dry-run", action="store_true", help="say what would be replayed")
    parser.add_argument("--rate", type=float, default=50.0, help="letters a second")
    options = parser.parse_args()
    if not options.ids and not options.all and not options.reason:
        parser.error("name ids, --reason or --all")
    try:
        done = Client(Path(options.home), timeout=600).call(
            "dead_replay",
            ids=options.ids,
            all=options.all,
            reason=options.reason,
            dry_run=options.dry_run,
            rate=options.rate,
            note="scripts/replay_dead_letters.py",
        )
    except FoldwardError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_code
    print(json.dumps(done))
    return 6 if done["failed"] and done["replayed"] else 1 if done["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
