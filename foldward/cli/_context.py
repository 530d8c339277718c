"""What every command is handed: the home, the settings, and the ways to the database and to core."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldward.contracts.errors import StorageError

if TYPE_CHECKING:
    from foldward.console import Client
    from foldward.settings import Home, Settings, Snapshot
    from storage.reads import Reader


class Context:
    """Options that all commands share, resolved when first needed."""

    def __init__(self, home: str | None, config: str | None, as_json: bool) -> None:
        self._home_flag = home or os.environ.get("FOLDWARD_HOME") or None
        self._config_flag = config or os.environ.get("FOLDWARD_CONFIG") or None
        self.as_json = as_json
        self.flags: dict[str, Any] = {}

    @cached_property
    def config_file(self) -> Path | None:
        """The first of --config, FOLDWARD_CONFIG, HOME/foldward.toml and ./foldward.toml."""
        if self._config_flag:
            return Path(self._config_flag)
        for folder in (self._home_flag, "."):
            if folder and (file := Path(folder) / "foldward.toml").is_file():
                return file
        return None

    @cached_property
    def snapshot(self) -> Snapshot:
        """The checked settings. Raises ConfigError with every fault."""
        from foldward.settings import load

        return load(self.config_file, flags={**self.flags, "core.home": self._home_flag})

    @property
    def settings(self) -> Settings:
        return self.snapshot.settings

    @cached_property
    def home(self) -> Home:
        """The data directory; not created here."""
        from foldward.settings import Home

        return Home(Path(self._home_flag or self.settings.core.home))

    def reader(self) -> Reader:
        """A read-only connection. Raises storage.open when there is no database yet."""
        from storage.reads import Reader

        if not self.home.database.exists():
            raise StorageError(
                "storage.open",
                f"{self.home.database} does not exist",
                hint="foldward run --demo, or foldward core, makes it; --home names another data directory",
            )
        return Reader(self.home.database)

    def client(self, timeout: float = 10.0) -> Client:
        """The way to the running core. Raises supervision.core_down (exit 3) when there is none."""
        from foldward.console import Client

        return Client(self.home, timeout=timeout)
