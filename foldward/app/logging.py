"""Human logs through loguru: stderr and a file; the standard library's logging is routed in.

Every line carries a trace id (`-` where there is none), so that one request can be followed through core,
worker and CLI with grep. What programs read is telemetry.jsonl, not this.
"""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

from loguru import logger

from foldward.contracts.masking import TRACE, mask_record

LINE = "{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC}Z {level: <7} {extra[who]} {extra[trace_id]} {message}"


class _Routed(logging.Handler):
    """Standard library records become loguru records with their own level and exception."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = (
            record.levelname if record.levelname in logging.getLevelNamesMapping() else record.levelno
        )
        logger.opt(exception=record.exc_info, depth=6).log(level, "{}", record.getMessage())


def _line(_record: object) -> str:
    return LINE + TRACE


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    """A thread that an exception ended is told in the log, masked as everything there."""
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread is not None else "?"
        logger.opt(exception=args.exc_value).error("thread {} was ended by an exception", name)


def configure(who: str, file: Path | None, *, stderr_level: str = "INFO") -> None:
    """Send logs of this process to stderr and `file` (rotated at 10 MiB, five kept)."""
    logger.remove()
    logger.configure(extra={"who": who, "trace_id": "-"}, patcher=mask_record)
    logger.add(sys.stderr, format=_line, level=stderr_level, colorize=sys.stderr.isatty(), diagnose=False)
    if file is not None:
        # diagnose=False: a traceback that prints values could print a secret.
        logger.add(
            file,
            format=_line,
            level="DEBUG",
            rotation=10 * 1024 * 1024,
            retention=5,
            enqueue=False,
            diagnose=False,
        )
    threading.excepthook = _thread_ended
    logging.basicConfig(handlers=[_Routed()], level=logging.INFO, force=True)
