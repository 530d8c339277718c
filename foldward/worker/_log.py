"""A worker's log: stderr and, if asked for, a file; every line names the trace and the request."""

from __future__ import annotations

import sys

from loguru import logger

from foldward.contracts.masking import TRACE, mask_record

FORMAT = (
    "{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC}Z {level} {extra[worker]} "
    "trace_id={extra[trace_id]} request_id={extra[request_id]} {message}"
)


def _line(_record: object) -> str:
    return FORMAT + TRACE


def set_up(worker: str, file: str | None, level: str = "INFO") -> None:
    """Replace loguru's handlers. The file is rotated at 10 MB and five are kept.

    The file says a line for every request, also for those that went well: a trace ends nowhere else.
    """
    logger.remove()
    logger.configure(extra={"worker": worker, "trace_id": "-", "request_id": "-"}, patcher=mask_record)
    logger.add(sys.stderr, format=_line, level=level, backtrace=False, diagnose=False)
    if file:
        logger.add(
            file,
            format=_line,
            level="DEBUG",
            rotation=10_000_000,
            retention=5,
            backtrace=False,
            diagnose=False,
        )
