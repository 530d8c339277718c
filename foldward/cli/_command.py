"""How a function becomes a command: shared options, one line per error, exit codes by family."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from foldward.cli._context import Context
from foldward.cli._output import drop_stdout, print_error
from foldward.contracts import clock
from foldward.contracts.errors import (
    ConfigError,
    FoldwardError,
    InternalError,
    StorageError,
    SupervisionError,
)
from foldward.contracts.masking import mask_text

HOME_HELP = "Data directory (default: FOLDWARD_HOME, else ./var)."
CONFIG_HELP = "Settings file (default: foldward.toml there or here)."
JSON_HELP = "Print one JSON document and nothing else on stdout."
HomeOption = Annotated[str | None, typer.Option("--home", metavar="DIR", help=HOME_HELP, show_default=False)]
ConfigOption = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help=CONFIG_HELP, show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help=JSON_HELP)]

_SHARED = {"home": (HomeOption, None), "config": (ConfigOption, None), "as_json": (JsonOption, False)}


def command(
    group: typer.Typer, name: str | None = None, **settings: Any
) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Register `fn(ctx, …)`: its first parameter is a Context; --home, --config and --json are added.

    The function returns an exit code or None (0). FoldwardError becomes one line on stderr and its family's
    exit code; anything unforeseen becomes internal.bug (70) with the traceback in the log only.
    """

    def register(fn: Callable[..., int | None]) -> Callable[..., None]:
        @functools.wraps(fn)
        def wrapper(typer_context: typer.Context, **given: Any) -> None:
            outer = typer_context.find_root().obj or {}
            context = Context(
                given.pop("home") or outer.get("home"),
                given.pop("config") or outer.get("config"),
                given.pop("as_json") or outer.get("as_json", False),
            )

            def work() -> int | None:
                _must_be_text(given)
                return fn(context, **given)

            with context:
                raise typer.Exit(guarded(work, lambda: context.home.root))

        parameters = list(inspect.signature(fn, eval_str=True).parameters.values())[1:]
        shared = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in _SHARED.items()
        ]
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        first = inspect.Parameter(
            "typer_context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        every = [first, *keyword, *shared]
        wrapper.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
        group.command(name, **settings)(wrapper)
        return wrapper

    return register


def _must_be_text(given: Mapping[str, Any]) -> None:
    """Refuse words that UTF-8 cannot hold: no name and no id has them. Paths may (PEP 383). ConfigError."""
    for key, value in given.items():
        for word in value if isinstance(value, list | tuple) else (value,):
            if isinstance(word, str) and any("\ud800" <= char <= "\udfff" for char in word):
                option = key.replace("_", "-")
                raise ConfigError("config.usage", f"{option}: {word!r} is not UTF-8", hint="foldward --help")


def guarded(work: Callable[[], int | None], home: Callable[[], Path] | None = None) -> int:
    """Run and turn every error into its one line and its exit code."""
    try:
        return work() or 0
    except FoldwardError as error:
        print_error(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our pipe left (head, a closed pager): nothing is wrong.
        drop_stdout()
        return 0
    except SystemExit as error:  # rich leaves so when the pipe breaks under a table
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        drop_stdout()
        return 0 if error.code in (0, 1, None) else 1
    except TimeoutError as error:
        if error.errno is not None:  # a share that does not answer
            print_error(StorageError("storage.io", f"{error.strerror}: {error.filename or 'the disk'}"))
            return StorageError.exit_code
        late = SupervisionError("supervision.no_answer", str(error) or "nobody answered in time")
        print_error(late)
        return late.exit_code
    except OSError as error:  # a disk that is full or read-only, a path that may not be written
        code = "storage.disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "storage.io"
        place = f": {error.filename}" if error.filename else ""
        _keep_traceback(home)
        hint = None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "make it writable for this user, or choose another place (--home DIR)"
        elif error.errno in (errno.ENOTDIR, errno.EISDIR):
            hint = "something else stands there: choose another place (--home DIR)"
        print_error(StorageError(code, f"{error.strerror or error}{place}", hint=hint))
        return StorageError.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except MemoryError:
        print_error(
            InternalError("internal.bug", "out of memory", hint="use a smaller input or a larger machine")
        )
        return 70
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # the last door: whatever it is, the person gets one line, the log the rest
        print_error(
            InternalError(
                "internal.bug",
                f"{type(error).__name__}: {error}",
                hint=f"report it with {_keep_traceback(home)}",
            )
        )
        return 70


def _keep_traceback(home: Callable[[], Path] | None) -> Path:
    """Append the traceback to the home's logs, or to the temporary folder where there is no home yet."""
    folder = None
    try:
        folder = home().joinpath("logs") if home is not None else None
        there = folder is not None and folder.is_dir()
    except (FoldwardError, OSError):  # also a home that may not be looked into
        there = False
    if folder is None or not there:
        folder = Path(tempfile.gettempdir())
    file = folder / "foldward-cli.log"
    told = f"{clock.iso_ms(clock.utc_us())} foldward {' '.join(sys.argv[1:])}\n{traceback.format_exc()}\n"
    told = mask_text(told)
    with contextlib.suppress(OSError), file.open("a", encoding="utf-8", errors="backslashreplace") as handle:
        handle.write(told)
    return file
