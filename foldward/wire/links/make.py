"""The link that the settings ask for."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from foldward.settings import LinkTable
from foldward.wire.links._port import Sink
from foldward.wire.links.native import NativeLink
from foldward.wire.links.pushpull import PushPullLink


def make_link(
    settings: LinkTable,
    run_dir: Path | str,
    sink: Sink,
    *,
    lost_s: float = 30.0,
    beat_s: float = 10.0,
    engine: str = "",
) -> NativeLink | PushPullLink:
    """NativeLink or PushPullLink by `link.mode`; nothing is opened before `start()`.

    lost_s: native workers that are silent so long are dropped. beat_s: time between our own HEARTBEATs to a
    pushpull peer. engine: native workers that name another one get no work.
    """
    if settings.mode == "pushpull":
        return PushPullLink(sink, settings, beat_s=beat_s, version=_version())
    return NativeLink(sink, settings, run_dir, lost_s=lost_s, engine=engine)


def _version() -> str:
    try:
        return metadata.version("foldward")
    except metadata.PackageNotFoundError:
        return "0"
