"""What the human log says about the end of a process that nobody wanted."""

import pytest

from foldward.app.wiring import process_line

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
