"""What every command is handed: the home, the settings, and the ways to the database and to core."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from foldward.cli._output import say
from foldward.contracts.errors import ConfigError

if TYPE_CHECKING:
    from foldward.console import Client
    from foldward.settings import Finding, Home, Settings, Snapshot
    from storage.reads import Reader

DEFAULT_HOME = "./var"


class Context:
    """Options that all commands share, resolved when first needed."""

    def __init__(self, home: str | None, config: str | None, as_json: bool) -> None:
        self._home_flag = home or os.environ.get("FOLDWARD_HOME") or None
        self._config_flag = config or os.environ.get("FOLDWARD_CONFIG") or None
        self.as_json = as_json
        self.flags: dict[str, Any] = {}
        self._told = False
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @cached_property
    def config_file(self) -> Path | None:
        """The first of --config, FOLDWARD_CONFIG, HOME/foldward.toml and ./foldward.toml."""
        return self._find_config()

    def _find_config(self) -> Path | None:
        if self._config_flag:
            return Path(self._config_flag)
        for folder in (self._home_flag or DEFAULT_HOME, "."):
            if (file := Path(folder) / "foldward.toml").is_file():
                return file
        return None

    @cached_property
    def snapshot(self) -> Snapshot:
        """The checked settings. Raises ConfigError with every fault."""
        from foldward.settings import load

        return load(self.config_file, flags=self._flags())

    def recheck(self, version: int) -> tuple[Snapshot | None, list[Finding]]:
        """Read the same sources again, for `config reload`: a snapshot, or every fault."""
        from foldward.settings import check

        return check(self._find_config(), flags=self._flags(), version=version)

    def _flags(self) -> dict[str, Any]:
        return {**self.flags, "core.home": self._home_flag}

    @property
    def settings(self) -> Settings:
        return self.snapshot.settings

    @cached_property
    def home(self) -> Home:
        """The data directory; not created here. Raises config.invalid for a path that is something else."""
        from foldward.settings import Home

        root = Path(self._home_flag or self.settings.core.home)
        if root.exists() and not root.is_dir():
            raise ConfigError("config.invalid", f"--home {root} is not a directory", hint="name a directory")
        return Home(root)

    def spoken(self, words: str) -> str:
        """A foldward command as this person can type it: found as it was started, and on this home."""
        started = sys.argv[0]
        found = shutil.which("foldward")
        program = "foldward"
        if os.path.basename(started) == "foldward" and (
            found is None or not os.path.samefile(found, started)
        ):
            program = os.path.relpath(started) if started.startswith(os.getcwd() + os.sep) else started
        elif os.path.basename(started) != "foldward" and found is None:
            program = f"{sys.executable} -m foldward.cli"
        home = (
            ""
            if str(self.home.root) == str(Path(DEFAULT_HOME))
            else f" --home {shlex.quote(str(self.home.root))}"
        )
        return f"{program} {words}{home}"

    def load_kinds(self) -> None:
        """Make the user's own kinds of strategy known, before one is checked or computed."""
        from foldward.app.kinds import load_kinds

        load_kinds(self.settings)

    def reader(self) -> Reader:
        """A read-only connection, closed when the command ends.

        A home without a database holds nothing: every question has an empty answer, and the person hears why.
        """
        from storage.reads import Reader

        database = self.home.database
        if not database.exists():
            if not self.as_json and not self._told:
                say(f"there is no database in {self.home.root} yet; --home names another data directory")
            self._told = True
            database = self._empty
        return self._closing.enter_context(Reader(database))

    @cached_property
    def _empty(self) -> Path:
        """An empty database in a passing folder: its answers have the shape of a real one's."""
        from storage import open_writer

        folder = Path(self._closing.enter_context(TemporaryDirectory(prefix="foldward-")))
        open_writer(folder / "empty.db", self.settings.storage).close()
        return folder / "empty.db"

    def client(self, timeout: float = 10.0) -> Client:
        """The way to the running core. Raises supervision.core_down (exit 3) when there is none."""
        from foldward.console import Client

        return Client(self.home, timeout=timeout)
