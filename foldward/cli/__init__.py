"""The command line: `foldward`."""

import sys
import threading

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script; exits with the codes of the reference page."""
    try:
        code = _begun()
    except KeyboardInterrupt:  # before a command has begun: half of the first second goes into imports
        sys.stderr.write("interrupted\n")
        raise SystemExit(130) from None
    if threading.active_count() > 1:  # the dashboard of a run still serves
        from foldward.contracts.leaving import leave

        leave(code)
    raise SystemExit(code)


def _begun() -> int:
    from foldward.cli._app import run
    from foldward.cli._output import prepare_streams

    prepare_streams()
    return run()
