"""`foldward wfv list|show` and `foldward cpcv list|show`: what was split, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer

from foldward.cli._choices import STATUSES, one_of
from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._known import known_request
from foldward.cli._output import print_json, print_table
from foldward.cli._split import cpcv as cpcv_group
from foldward.cli._split import show_folds, show_paths
from foldward.cli._split import wfv as wfv_group
from foldward.contracts import clock
from foldward.contracts.errors import RequestError

FIGURES = {
    "wfv": ("decision", "degradation", "efficiency", "planned", "failed"),
    "cpcv": ("is_passed", "pass_rate", "median_sharpe", "median_maxdd", "pbo", "splits", "paths"),
}
_Show = Callable[[dict[str, Any]], None]


def register(app: typer.Typer) -> None:
    """The groups are `_split`'s; its `run` stands beside these."""


def _listing(kind: str) -> Callable[..., None]:
    def list_runs(
        ctx: Context,
        status: Annotated[
            str | None, typer.Option(help="pending, sent, retry, error, cancelled, success or open.")
        ] = None,
        strategy: Annotated[str | None, typer.Option(help="Only this strategy's.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="Newest first.")] = 200,
    ) -> None:
        status = one_of("--status", status, STATUSES)
        reader = ctx.reader()
        rows = []
        for view in reader.requests(limit=limit, kind=kind, status=status, name=strategy):
            result = reader.result(view.request_id) if view.status == "success" else None
            report = result.report if result is not None else {}
            rows.append({**msgspec.to_builtins(view), **{name: report.get(name) for name in FIGURES[kind]}})
        if ctx.as_json:
            print_json(rows)
            return
        shown = FIGURES[kind]
        print_table(
            "",
            ("request", "strategy", "status", *(name.replace("_", " ") for name in shown), "last error"),
            [
                (
                    row["request_id"],
                    row["name"],
                    row["status"],
                    *(row[name] for name in shown),
                    row["last_error"] or "",
                )
                for row in rows
            ],
            empty=f"none that fits: foldward {kind} start NAME",
        )

    list_runs.__doc__ = f"List {kind} requests with what came of each, newest first."
    return list_runs


def _showing(kind: str, show_report: _Show) -> Callable[..., None]:
    def show(
        ctx: Context,
        request_id: Annotated[
            str,
            typer.Argument(
                metavar="ID", help="Its id, its request's, or the beginning of that.", show_default=False
            ),
        ],
    ) -> None:
        reader = ctx.reader()
        run = reader.wfv_run(request_id)
        request_id = run.request_id if run is not None else known_request(request_id, reader)
        row, result = reader.request(request_id), reader.result(request_id)
        found = result or row
        if found is None or found.kind != kind:
            raise RequestError(
                "request.unknown_id",
                f"{request_id} is no {kind} request" + (f" but {found.kind}" if found is not None else ""),
                hint=f"foldward {kind} list",
            )
        report = result.report if result is not None else {}
        plain = {
            "request_id": request_id,
            "strategy": found.name,
            "status": "success" if result is not None else getattr(row, "status", None),
            "run": msgspec.to_builtins(run) if run is not None else None,
            "result_digest": result.result_digest if result is not None else None,
            "last_error": row.last_error if row is not None else None,
            **report,
        }
        if ctx.as_json:
            print_json(plain)
            return
        print(f"{kind} of {found.name}: {plain['status']}")
        if result is not None:
            took = f"{result.latency_us / 1e6:.3f} s after the request"
            print(f"  answered {clock.iso_ms(result.applied_at)}, {took}")
        if plain["last_error"]:
            print(f"  last error: {plain['last_error']}")
        if report:
            show_report(report)
        else:
            print(f"no answer yet: foldward why {request_id}")

    show.__doc__ = f"Show one {kind} request: every part of its report."
    return show


for _kind, _group, _show in (("wfv", wfv_group, show_folds), ("cpcv", cpcv_group, show_paths)):
    command(_group, "list")(_listing(_kind))
    command(_group, "show")(_showing(_kind, _show))
