"""The command line: `foldward`."""

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script; exits with the codes of the reference page."""
    import threading

    from foldward.cli._app import run
    from foldward.cli._output import prepare_streams
    from foldward.contracts.leaving import leave

    prepare_streams()
    code = run()
    if threading.active_count() > 1:  # the dashboard of a run still serves
        leave(code)
    raise SystemExit(code)
