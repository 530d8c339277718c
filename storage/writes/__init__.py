"""Every INSERT, UPDATE and DELETE: one function a fact, named as the fact in snake case (and one for a run of
facts where they come in hundreds, named in the plural).

A function gets the session of the transaction that is open and returns the fact's outcome; it raises for a
fact that cannot be made true. Only the writer calls these, and only `actors.db_writer` opens a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from foldward.contracts import facts
from storage.writes._admission import admit_request, admit_requests
from storage.writes._answers import apply_result, apply_results
from storage.writes._dead import hold_dead_letter, hold_dead_letters, settle_dead_letter
from storage.writes._leases import lease_request, lease_requests, recover_leases, return_lease
from storage.writes._records import count_up, finish_run, finish_wfv, prune, set_meta, start_run, start_wfv
from storage.writes._requests import (
    cancel_requests,
    fail_attempt,
    give_up,
    note_event,
    requeue_request,
)
from storage.writes._session import Session
from storage.writes._strategies import import_strategies, record_verdict, retire_strategies

WRITES: dict[type[facts.Fact], Callable[[Session, Any], Any]] = {
    facts.AdmitRequest: admit_request,
    facts.ApplyResult: apply_result,
    facts.CancelRequests: cancel_requests,
    facts.CountUp: count_up,
    facts.FailAttempt: fail_attempt,
    facts.FinishRun: finish_run,
    facts.FinishWfv: finish_wfv,
    facts.GiveUp: give_up,
    facts.HoldDeadLetter: hold_dead_letter,
    facts.ImportStrategies: import_strategies,
    facts.LeaseRequest: lease_request,
    facts.NoteEvent: note_event,
    facts.Prune: prune,
    facts.RecordVerdict: record_verdict,
    facts.RecoverLeases: recover_leases,
    facts.RequeueRequest: requeue_request,
    facts.RetireStrategies: retire_strategies,
    facts.ReturnLease: return_lease,
    facts.SetMeta: set_meta,
    facts.SettleDeadLetter: settle_dead_letter,
    facts.StartRun: start_run,
    facts.StartWfv: start_wfv,
}
# What comes in hundreds: the same functions for a run of facts of one type, with few statements for all.
RUNS: dict[type[facts.Fact], Callable[[Session, Sequence[Any]], list[Any]]] = {
    facts.AdmitRequest: admit_requests,
    facts.ApplyResult: apply_results,
    facts.HoldDeadLetter: hold_dead_letters,
    facts.LeaseRequest: lease_requests,
}

__all__ = [
    "RUNS",
    "WRITES",
    "Session",
    "admit_request",
    "admit_requests",
    "apply_result",
    "apply_results",
    "cancel_requests",
    "count_up",
    "fail_attempt",
    "finish_run",
    "finish_wfv",
    "give_up",
    "hold_dead_letter",
    "hold_dead_letters",
    "import_strategies",
    "lease_request",
    "lease_requests",
    "note_event",
    "prune",
    "record_verdict",
    "recover_leases",
    "requeue_request",
    "retire_strategies",
    "return_lease",
    "set_meta",
    "settle_dead_letter",
    "start_run",
    "start_wfv",
]
