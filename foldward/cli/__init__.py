"""The command line: `foldward`."""

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script; exits with the codes of the reference page."""
    from foldward.cli._app import run

    raise SystemExit(run())
