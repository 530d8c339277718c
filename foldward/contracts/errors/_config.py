"""Settings, flags, environment."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class ConfigError(FoldwardError):
    """Settings, flags or environment are wrong."""

    family = "config"
    exit_code = 2


declare(
    "config.unknown_key", "No such setting.", "docs/reference/settings.md lists the settings", fault="caller"
)
declare("config.invalid", "A setting's value is not allowed.", "foldward config check FILE", fault="caller")
declare(
    "config.unreadable", "The settings file cannot be read.", "check the path and its TOML", fault="caller"
)
declare(
    "config.foreign_package",
    "Another distribution owns one of our package names.",
    "install Foldward in a venv of its own",
    fault="machine",
)
declare("config.usage", "The command's words do not fit.", "foldward COMMAND --help", fault="caller")
