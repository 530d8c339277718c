"""Settings are read once, at the door: flag > environment > file > default, each value with its origin.

All faults are found at once, each with its dotted path, its line in the file and the nearest known name;
nothing works before the check passes, and a file with a fault never lends another file's values.
"""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from foldward.contracts.canonical import digest
from foldward.contracts.errors import ConfigError, did_you_mean
from foldward.settings._schema import Settings

PREFIX = "FOLDWARD_"
# Known to the command line itself, not settings of the schema.
PLAIN_ENV = frozenset({"FOLDWARD_HOME", "FOLDWARD_CONFIG"})
MASK = "********"


@dataclass(frozen=True)
class Finding:
    """One fault: where (dotted path, line of the file or None), what, and the nearest known name."""

    path: str
    message: str
    line: int | None = None
    did_you_mean: str | None = None
    source: str = "file"

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `did_you_mean` only where there is one."""
        plain: dict[str, Any] = {
            "path": self.path,
            "line": self.line,
            "message": self.message,
            "source": self.source,
        }
        if self.did_you_mean:
            plain["did_you_mean"] = self.did_you_mean
        return plain


@dataclass(frozen=True)
class Snapshot:
    """One immutable, versioned set of settings: what a run pins and a reload replaces whole."""

    settings: Settings
    origins: Mapping[str, str]
    file: str | None
    version: int = 1
    config_hash: str = field(default="")

    def values(self) -> dict[str, Any]:
        """All values as plain JSON data, secrets masked."""
        return _masked(self.settings)


def load(
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    version: int = 1,
) -> Snapshot:
    """Read and check everything. `flags` maps dotted paths to values.

    Raises ConfigError config.unreadable or config.invalid; the latter carries all findings in its context.
    """
    snapshot, findings = check(file, env, flags, version)
    if snapshot is None:
        first = findings[0]
        where = f" ({file} line {first.line})" if first.line else ""
        more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
        near = f", did you mean '{first.did_you_mean}'?" if first.did_you_mean else ""
        code = "config.unknown_key" if first.did_you_mean or "unknown" in first.message else "config.invalid"
        raise ConfigError(
            code,
            f"{first.path}: {first.message}{near}{where}{more}",
            hint=f"foldward config check {file}" if file else "foldward config check",
            findings=[finding.to_dict() for finding in findings],
        )
    return snapshot


def check(
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    version: int = 1,
) -> tuple[Snapshot | None, list[Finding]]:
    """As `load`, but hands back the findings instead of raising. ConfigError only for an unreadable file."""
    env = os.environ if env is None else env
    text = ""
    from_file: dict[str, Any] = {}
    if file is not None:
        text, from_file = _read(file)
    from_env, findings = _environment(env)
    from_flags = _nest(flags or {})
    lines = _line_index(text)

    origins: dict[str, str] = dict.fromkeys(_paths(Settings), "default")
    merged: dict[str, Any] = {}
    for source, values in (("file", from_file), ("env", from_env), ("flag", from_flags)):
        findings += _unknown(values, Settings, source, lines if source == "file" else {})
        for path, value in _leaves(values, Settings):
            _put(merged, path, value)
            origins[".".join(path)] = source
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        findings += [_finding(item, origins, lines) for item in error.errors()]
    if findings:
        return None, findings
    # Where a home lies and how many workers it has changes no number, so it is no part of the identity.
    hashed = digest(settings.model_dump(mode="json", exclude={"core": {"home", "workers"}}))
    return Snapshot(settings, origins, str(file) if file else None, version, hashed), []


def _read(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config.unreadable", f"{file} cannot be read: {error}", file=str(file)) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"at line (\d+)", str(error))
        line = int(where[1]) if where else text.count("\n") + 1  # the other places are the end of the file
        raise ConfigError(
            "config.unreadable", f"{file} is not TOML: {error}", file=str(file), line=line
        ) from error


@functools.cache
def _env_view() -> type[BaseSettings]:
    """The settings as pydantic-settings reads them from the environment; building the class takes 2 ms."""
    return type(
        "EnvView",
        (BaseSettings,),
        {
            "__annotations__": {name: item.annotation for name, item in Settings.model_fields.items()},
            **{name: item.default for name, item in Settings.model_fields.items()},
            "model_config": SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__"),
        },
    )


def _environment(env: Mapping[str, str]) -> tuple[dict[str, Any], list[Finding]]:
    findings: list[Finding] = []
    ours = {key: value for key, value in env.items() if key.startswith(PREFIX) and key not in PLAIN_ENV}
    known = list(_paths(Settings))
    for key in ours:
        path = key.removeprefix(PREFIX).lower().replace("__", ".")
        names = {name.lower(): name for name in known}
        if path not in names:
            near = did_you_mean(path, known)
            spelled = PREFIX + near.upper().replace(".", "__") if near else None
            findings.append(Finding(path, f"unknown setting in {key}", None, spelled, "env"))
    source = EnvSettingsSource(_env_view())
    source.env_vars = {key.lower(): value for key, value in ours.items()}
    try:
        return dict(source()), findings
    except SettingsError as error:
        return {}, [*findings, Finding("environment", f"not readable: {error}", None, None, "env")]


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, item in model.model_fields.items():
        inner = item.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _paths(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _unknown(
    values: Mapping[str, Any], model: type[BaseModel], source: str, lines: Mapping[str, int], prefix: str = ""
) -> list[Finding]:
    findings: list[Finding] = []
    for key, value in values.items():
        item = model.model_fields.get(key)
        path = f"{prefix}{key}"
        if item is None:
            if source != "env":  # the environment's unknown names are reported by their own spelling
                near = did_you_mean(key, model.model_fields)
                findings.append(
                    Finding(
                        path, "unknown setting", lines.get(path), f"{prefix}{near}" if near else None, source
                    )
                )
            continue
        inner = item.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if isinstance(value, Mapping):
                findings += _unknown(value, inner, source, lines, f"{path}.")
            else:
                findings.append(Finding(path, "must be a table", lines.get(path), None, source))
    return findings


def _leaves(
    values: Mapping[str, Any], model: type[BaseModel], prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        item = model.model_fields.get(key)
        if item is None:
            continue
        inner = item.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if isinstance(value, Mapping):
                yield from _leaves(value, inner, (*prefix, key))
        else:
            yield (*prefix, key), value


def _put(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        target = target.setdefault(key, {})
    target[path[-1]] = value


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        if value is not None:
            _put(nested, tuple(path.split(".")), value)
    return nested


def _finding(item: Any, origins: Mapping[str, str], lines: Mapping[str, int]) -> Finding:
    path = ".".join(str(part) for part in item["loc"])
    setting = path
    while setting not in origins and "." in setting:
        setting = setting.rpartition(".")[0]
    given = item.get("input")
    shown = MASK if _is_secret(path) else repr(given)
    source = origins.get(setting, "file")
    where = {"env": f" in {PREFIX}{setting.upper().replace('.', '__')}", "flag": " on the command line"}
    return Finding(
        path,
        f"{item['msg']} (given: {shown}){where.get(source, '')}",
        lines.get(setting) if source == "file" else None,
        None,
        source,
    )


_TABLE = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*([A-Za-z0-9_."'\- ]+?)\s*=""")


def _line_index(text: str) -> dict[str, int]:
    """Dotted path → line (from 1) for `[table]` headers and `key =` lines; good enough to point a person."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            table = _clean(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            name = _clean(key[1])
            lines.setdefault(f"{table}.{name}" if table else name, number)
    return lines


def _clean(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))


def _is_secret(path: str) -> bool:
    return any(word in path for word in ("token", "secret", "password", "api_key", "notify.urls"))


def _masked(model: BaseModel) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            plain[name] = _masked(value)
        elif isinstance(value, SecretStr):
            plain[name] = MASK if value.get_secret_value() else ""
        elif isinstance(value, tuple):
            plain[name] = [MASK if isinstance(item, SecretStr) else item for item in value]
        else:
            plain[name] = value
    return plain
