"""What the snapshot, the counters and the crash reports of a tree say."""

from toys import boom, crash, eventually

from supervision import Backoff, SpecError, supervisor
from supervision._tree import Tree


def test_a_node_tells_what_its_child_did(forest):
    root = forest.boot(forest.toy("a"), intensity=3, period=60.0)
    for number in range(3):
        root.handle("a").tell(number)
    root.handle("a").ask("x")
    node = eventually(lambda: root.find("a")["handled"] == 4 and root.find("a"))
    assert (node["kind"], node["state"], node["incarnation"], node["restarts"]) == ("worker", "running", 1, 0)
    assert (node["mailbox"], node["busy_s"], node["current"], node["pid"]) == (0, 0.0, None, None)
    assert 1 <= node["inbox_peak"] <= 4
    assert node["budget"] == {"max": 3, "period_s": 60.0, "used": 0}


def test_states_of_a_child_that_waits_is_terminated_or_gave_up(forest):
    root = forest.boot(
        forest.toy("w", backoff=Backoff(first=3600.0, ceiling=3600.0)), forest.toy("t"), intensity=1
    )
    crash(root, "w")
    eventually(lambda: root.find("w")["state"] == "backoff")
    assert root.find("w")["backoff_until"] is not None
    root.supervisor().terminate_child("t")
    assert root.find("t")["state"] == "stopped"
    root.supervisor().restart_child("t")
    root.handle("t").tell(boom)
    assert root.wait(10.0)
    assert root.snapshot()["state"] == "failed"
    assert root.snapshot()["last_error"]["code"] == "supervision.budget_spent"


def test_an_errors_own_code_is_kept(forest):
    class Coded(Exception):
        code = "data.corrupt"

    def fail(_actor):
        raise Coded("bytes differ")

    root = forest.boot(forest.toy("a"))
    root.handle("a").tell(fail)
    eventually(lambda: root.names.incarnation("a") == 2)
    assert root.find("a")["last_error"]["code"] == "data.corrupt"


def test_the_last_twenty_reports_of_a_child_are_kept(forest):
    root = forest.boot(forest.toy("a"), intensity=1000, period=1.0)
    for number in range(1, 24):
        eventually(lambda n=number: root.names.incarnation("a") == n)
        root.handle("a").tell(boom)
    eventually(lambda: root.names.incarnation("a") == 24)
    incarnations = [report.incarnation for report in root.crashes("a")]
    assert incarnations == list(range(4, 24))


def test_a_report_lets_go_of_the_dead_incarnation(forest):
    root = forest.boot(forest.toy("a"))
    root.handle("a").tell(boom)
    eventually(lambda: forest.crashes)
    [report] = forest.crashes
    assert "Boom: told to crash" in report.stack
    assert report._error is None
    assert report.as_dict()["offender"]["start"] == "Toy"


def test_counters_add_up(forest):
    root = forest.boot(forest.toy("a"))
    root.handle("nobody").tell("x")
    root.handle("a").tell(boom)
    eventually(lambda: root.names.incarnation("a") == 2)
    counters = eventually(lambda: root.counters()["crashes"] and root.counters())
    assert (counters["dead_letters"], counters["crashes"], counters["restarts"], counters["zombies"]) == (
        2,
        1,
        1,
        0,
    )


def test_ids_belong_to_one_owner_in_the_tree(forest):
    tree = Tree()
    tree.claim(supervisor("s", forest.toy("a")), "root")
    for taken in ("s", "a"):
        try:
            tree.claim(forest.toy(taken), "other")
        except SpecError as error:
            assert f"{taken!r} is in use under 'root'" in str(error)  # noqa: PT017 - two cases in one loop
        else:
            raise AssertionError(f"{taken} was given away twice")
    tree.disclaim(supervisor("s", forest.toy("a")))
    tree.claim(forest.toy("a"), "other")
    assert tree.owner("a") == "other"
