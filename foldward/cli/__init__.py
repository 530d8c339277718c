"""The command line: `foldward`."""

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script; exits with the codes of the reference page."""
    from foldward.cli._app import run
    from foldward.cli._output import prepare_streams

    prepare_streams()
    raise SystemExit(run())
