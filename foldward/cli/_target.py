"""Files that a command is told to write: what stands there already stays, unless --force says otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from foldward.contracts.errors import RequestError

ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that stands there already.")]


def spare(target: Path, force: bool, source: Path) -> None:
    """Refuse a target that exists. Raises RequestError request.exists.

    A folder, or the source itself, is for the command to refuse: no --force may replace those.
    """
    if not target.exists() or target.is_dir() or os.path.realpath(target) == os.path.realpath(source):
        return
    if not target.is_file():
        raise RequestError(
            "request.exists", f"{target} is a device or a pipe", hint="name a file", file=str(target)
        )
    if not force:
        raise RequestError("request.exists", f"{target} exists already", file=str(target))
