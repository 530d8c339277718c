"""Human logs through loguru: stderr and a file; the standard library's logging is routed in.

Every line carries a trace id (`-` where there is none), so that one request can be followed through core,
worker and CLI with grep. What programs read is telemetry.jsonl, not this.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from loguru import logger

LINE = "{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC}Z {level: <7} {extra[who]} {extra[trace_id]} {message}"


class _Routed(logging.Handler):
    """Standard library records become loguru records with their own level and exception."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = (
            record.levelname if record.levelname in logging.getLevelNamesMapping() else record.levelno
        )
        logger.opt(exception=record.exc_info, depth=6).log(level, "{}", record.getMessage())


def configure(who: str, file: Path | None, *, stderr_level: str = "INFO") -> None:
    """Send logs of this process to stderr and `file` (rotated at 10 MiB, five kept)."""
    logger.remove()
    logger.configure(extra={"who": who, "trace_id": "-"})
    logger.add(sys.stderr, format=LINE, level=stderr_level, colorize=sys.stderr.isatty(), diagnose=False)
    if file is not None:
        # diagnose=False: a traceback that prints values could print a secret.
        logger.add(
            file,
            format=LINE,
            level="DEBUG",
            rotation=10 * 1024 * 1024,
            retention=5,
            enqueue=False,
            diagnose=False,
        )
    logging.basicConfig(handlers=[_Routed()], level=logging.INFO, force=True)
