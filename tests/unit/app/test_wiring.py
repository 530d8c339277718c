"""What the human log says about the end of a process that nobody wanted."""

import pytest

from foldward.app.wiring import Wiring, process_line

REPORT = {
    "child": "worker-1",
    "context": "child_terminated",
    "ending": "crash",
    "reason": "killed by SIGKILL",
    "code": "supervision.process_killed",
    "offender": {"kind": "process", "pid": 4711},
    "uptime_s": 2.41,
    "stack": "INFO worker-1 is ready\n",
}
FAILED = {"reason": "exit code 2", "code": "supervision.process_exited", "stack": "error data.x: no\n"}
SLOW = {
    "context": "shutdown_error",
    "ending": "hung",
    "reason": "not stopped within 2 s",
    "code": "supervision.hung",
}


@pytest.mark.parametrize(
    ("changed", "level", "line"),
    [
        (
            {},
            "ERROR",
            (
                "crash report: worker-1 (pid 4711) ended after 2.4 s: killed by SIGKILL,"
                " supervision.process_killed; it is restarted, and what it held goes out again"
            ),
        ),
        (
            FAILED,
            "ERROR",
            (
                "crash report: worker-1 (pid 4711) ended after 2.4 s: exit code 2,"
                " supervision.process_exited; it is restarted, and what it held goes out again"
                "\nerror data.x: no"
            ),
        ),
        (
            {**FAILED, "context": "shutdown_error"},
            "ERROR",
            (
                "crash report: worker-1 (pid 4711) ended after 2.4 s: exit code 2,"
                " supervision.process_exited; it was being stopped; what it held goes out again"
                "\nerror data.x: no"
            ),
        ),
        (
            SLOW,
            "WARNING",
            (
                "worker-1 (pid 4711) was slow to end (not stopped within 2 s) and was killed;"
                " nothing is lost: what it held goes out again"
            ),
        ),
    ],
)
def test_the_log_says_in_one_line_how_a_process_ended(changed, level, line):
    assert process_line({**REPORT, **changed}) == (level, line)


class Told:
    """A root whose actors note what they are told."""

    def __init__(self):
        self.messages = []

    def handle(self, name):
        self.name = name
        return self

    def tell(self, message):
        self.messages.append((self.name, message.event_type, message.data))
        return True


def test_what_supervision_says_while_the_tree_starts_is_told_when_it_is_up():
    wiring, root = Wiring("run"), Told()
    wiring.on_event("supervisor.started", {"supervisor": "memory"})
    wiring.on_event("supervisor.started", {"supervisor": "root"})
    wiring.up(root)
    wiring.on_event("supervisor.child_restarted", {"supervisor": "watch"})
    assert root.messages == [
        ("telemetry", "supervisor.started", {"supervisor": "memory"}),
        ("telemetry", "supervisor.started", {"supervisor": "root"}),
        ("telemetry", "supervisor.child_restarted", {"supervisor": "watch"}),
    ]


def test_after_the_tree_has_gone_nothing_is_kept():
    wiring, root = Wiring("run"), Told()
    wiring.up(root)
    wiring.up(None)
    wiring.on_event("supervisor.shutdown", {"supervisor": "root"})
    wiring.up(root)
    assert root.messages == []
