"""`foldward oos submit|list|show|cancel`, `wfv start|list`, `cpcv start|list`: work through the queue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foldward.cli._choices import STATUSES, WORK, one_of
from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._known import full_ids, known_request, not_open, tell_refused, tell_undone
from foldward.cli._output import print_json, print_table, say
from foldward.cli._split import cpcv as cpcv_group
from foldward.cli._split import wfv as wfv_group
from foldward.cli._watch import WatchOption, repeat
from foldward.cli._words import grid_of, span
from foldward.contracts import clock
from foldward.contracts.durations import age
from foldward.contracts.errors import ConfigError

group = typer.Typer(help="Out-of-sample requests: submit, list, show, cancel.")

Names = Annotated[list[str], typer.Argument(help="Strategy names.", show_default=False)]
RequestId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="A request's id, or its beginning where only one begins so.", show_default=False
    ),
]
RequestIds = Annotated[
    list[str],
    typer.Argument(metavar="ID…", help="Ids of requests, or their beginnings.", show_default=False),
]
NowOption = Annotated[bool, typer.Option("--now", help="Pass the throttle.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="oos")


def submit(ctx: Context, names: Names, now: NowOption = False) -> int:
    """Queue out-of-sample validation; "queued" is said only after the commit."""
    return _submit(ctx, names, "oos", now)


def _submit(ctx: Context, names: list[str], kind: str, now: bool, plan: dict[str, Any] | None = None) -> int:
    answer = ctx.client(timeout=60).call("submit", names=names, kind=kind, now=now, plan=plan)
    items = _traced(ctx, answer["items"])
    if ctx.as_json:
        print_json(items)
    else:
        print_table(
            "",
            ("strategy", "status", "request", "why"),
            [(item["name"], item["status"], item.get("request_id"), _why(item)) for item in items],
            empty="",
            style=lambda row: "red" if row[1] == "refused" else None,
        )
    refused = [item for item in items if item["status"] == "refused"]
    tell_refused(refused)
    if not refused:
        return 0
    if len(refused) < len(items):
        return 6
    code = str(refused[0].get("code") or "")
    return 7 if code.startswith("data.") else 4 if code == "request.unknown_strategy" else 1


def _traced(ctx: Context, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items with the traces of their requests, also of those that were there before."""
    if all(item.get("trace_id") for item in items if item.get("request_id")):
        return items
    reader = ctx.reader()
    for item in items:
        if item.get("request_id") and not item.get("trace_id"):
            known = reader.result(item["request_id"]) or reader.request(item["request_id"])
            if known is not None:
                item["trace_id"] = known.trace_id
    return items


def _why(item: dict[str, Any]) -> str:
    if not item.get("code"):
        return ""
    hint = f" — hint: {item['hint']}" if item.get("hint") else ""
    return f"{item['code']}: {item.get('message') or ''}{hint}"


def list_requests(
    ctx: Context,
    status: Annotated[
        str | None, typer.Option(help="pending, sent, retry, error, cancelled, success or open.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="backtest, oos, wfv, cpcv or evidence.")] = None,
    name: Annotated[str | None, typer.Option("--strategy", help="Only this strategy's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Newest first.")] = 200,
    watch: WatchOption = None,
) -> None:
    """List requests, open ones and finished ones, newest first."""
    status, kind = one_of("--status", status, STATUSES), one_of("--kind", kind, WORK)
    repeat(lambda: _list(ctx, status, kind, name, limit), watch)


def _list(ctx: Context, status: str | None, kind: str | None, name: str | None, limit: int) -> None:
    rows = ctx.reader().requests(limit=limit, status=status, kind=kind, name=name)
    if ctx.as_json:
        print_json([msgspec.to_builtins(row) for row in rows])
        return
    now = clock.utcnow().timestamp()
    print_table(
        "",
        ("request", "strategy", "kind", "status", "sends", "failures", "age", "Sharpe", "last error"),
        [
            (
                row.request_id,
                row.name,
                row.kind,
                row.status,
                row.sends,
                row.failures,
                age(now - row.requested_at),
                row.sharpe,
                row.last_error or "",
            )
            for row in rows
        ],
        empty="no requests that fit"
        if status or kind or name
        else "no requests yet: foldward oos submit NAME",
    )


def show(ctx: Context, request_id: RequestId) -> None:
    """Show one request: its row, its result when there is one."""
    reader = ctx.reader()
    request_id = known_request(request_id, reader)
    row, result = reader.request(request_id), reader.result(request_id)
    plain = {
        "request": None if row is None else _readable(row),
        "result": None if result is None else _marked(msgspec.to_builtins(result)),
    }
    if ctx.as_json:
        print_json(plain)
        return
    for title, part in plain.items():
        if part:
            rows = [(key, str(value)) for key, value in part.items() if key not in ("detail", "payload")]
            print_table(title, ("field", "value"), rows, empty="")


def _marked(result: dict[str, Any]) -> dict[str, Any]:
    """With the mark of an answer whose peer did not say which bars it used: never enough for PASS."""
    return {**result, "window_unverified": bool(result["unverified"])}


def _readable(row: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(row, builtin_types=(bytes,))
    payload = plain.pop("payload", b"")
    plain["payload"] = payload.decode("utf-8", "backslashreplace")
    return plain


def cancel(ctx: Context, request_ids: RequestIds) -> int:
    """Cancel open requests. Exit 4 when none of them was open, 6 when only some were."""
    client = ctx.client()
    _ = client.core
    reader = ctx.reader()
    request_ids = full_ids(request_ids, reader)
    done = client.call("cancel", request_ids=request_ids)["request_ids"]
    missing = [item for item in request_ids if item not in done]
    if ctx.as_json:
        print_json({"cancelled": done, "not_open": missing})
    elif done:
        say(f"{len(done)} of {len(request_ids)} cancelled")
    tell_undone(missing, not_open, reader)
    return 0 if not missing else 6 if done else 4


command(group, "submit")(submit)
command(group, "list")(list_requests)
command(group, "show")(show)
command(group, "cancel")(cancel)


PurgeOption = Annotated[int, typer.Option("--purge", help="Bars left out against labels that reach over.")]
EmbargoOption = Annotated[int, typer.Option("--embargo", help="Further bars left out.")]
GridOption = Annotated[
    Path | None, typer.Option("--grid", help="TOML/JSON: each parameter a list of values; folds choose anew.")
]


def wfv_start(
    ctx: Context,
    names: Names,
    now: NowOption = False,
    train: Annotated[str | None, typer.Option(help="Bars, or 90d (default: classic 80/20).")] = None,
    test: Annotated[str | None, typer.Option(help="Bars, or 30d.")] = None,
    step: Annotated[str | None, typer.Option(help="Bars, or 30d (default: as test).")] = None,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Training always starts at the first bar.")
    ] = False,
    purge: PurgeOption = 0,
    embargo: EmbargoOption = 0,
    grid: GridOption = None,
) -> int:
    """Queue a walk-forward validation; a plan that the candles cannot carry is refused at once."""
    if (train is None) != (test is None):
        raise ConfigError(
            "config.usage", "--train and --test belong together", hint="for example --train 90d --test 30d"
        )
    given = {"--anchored": anchored, "--step": step, "--purge": purge, "--embargo": embargo}
    alone = [option for option, value in given.items() if value and train is None]
    if alone:
        raise ConfigError(
            "config.usage", f"{alone[0]} needs --train and --test", hint="--train 90d --test 30d"
        )
    plan: dict[str, Any] = {"mode": "classic"}
    if train is not None and test is not None:
        plan = {"mode": "anchored" if anchored else "rolling", "train": span(train), "test": span(test)}
        gaps = {"purge": purge, "embargo": embargo, "step": None if step is None else span(step)}
        plan |= {key: value for key, value in gaps.items() if value}
    if grid is not None:
        plan["grid"] = grid_of(grid)
    return _submit(ctx, names, "wfv", now, plan)


def cpcv_start(
    ctx: Context,
    names: Names,
    now: NowOption = False,
    groups: Annotated[int, typer.Option(help="N: contiguous groups of days.")] = 10,
    test_groups: Annotated[int, typer.Option(help="k: groups tested at once.")] = 2,
    purge: PurgeOption = 0,
    embargo: EmbargoOption = 0,
    grid: GridOption = None,
) -> int:
    """Queue a combinatorial purged cross-validation; an impossible plan is refused at once."""
    plan: dict[str, Any] = {"groups": groups, "test_groups": test_groups}
    plan |= {key: value for key, value in (("purge", purge), ("embargo", embargo)) if value}
    if grid is not None:
        plan["grid"] = grid_of(grid)
    return _submit(ctx, names, "cpcv", now, plan)


command(wfv_group, "start")(wfv_start)
command(cpcv_group, "start")(cpcv_start)
