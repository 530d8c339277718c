"""The demonstration: bundled real prices and a set of strategies."""

from pathlib import Path

from foldward.data import bundled_dir

__all__ = ["demo_inputs"]


def demo_inputs() -> tuple[Path, Path]:
    """The folder of prices and the strategies file."""
    return bundled_dir(), Path(__file__).parent / "strategies.toml"
