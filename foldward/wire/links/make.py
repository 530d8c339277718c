"""The link that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from foldward.settings import LinkTable
from foldward.wire.links._port import Sink
from foldward.wire.links.native import NativeLink
from foldward.wire.links.pushpull import PushPullLink


def make_link(
    settings: LinkTable, run_dir: Path | str, sink: Sink, *, lost_s: float = 30.0
) -> NativeLink | PushPullLink:
    """NativeLink or PushPullLink by `link.mode`; nothing is opened before `start()`."""
    if settings.mode == "pushpull":
        return PushPullLink(sink, settings)
    return NativeLink(sink, settings, run_dir, lost_s=lost_s)
