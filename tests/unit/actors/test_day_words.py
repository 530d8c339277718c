"""The daily report in words: what needs attention, and Markdown that nothing can break."""

from daily_sample import sample

from actors._day_words import attention, markdown


def quiet():
    report = sample()
    report["kpis"] |= dict.fromkeys(
        ("nondeterministic", "given_up", "failure", "data_invalid", "dead_letters"), 0
    )
    report["kpis"] |= {"success_rate": 1.0, "failure_rate": 0.0, "p95_s": 0.6}
    report |= {"stuck": [], "new_dead_letters": {}, "dead_letters": {"held": 0, "by_reason": {}}}
    report["events"] = {
        "complete": True,
        "counts": {},
        "moves": [],
        "restarts": [],
        "refused": [],
        "opened": [],
    }
    return report


def whats(report):
    return [item["what"] for item in attention(report)]


def test_a_good_day_needs_no_attention():
    assert attention(quiet()) == []


def test_a_bad_day_names_the_worst_first_and_each_with_a_command():
    found = attention(sample())
    assert [item["what"] for item in found] == [
        "1 request had two different answers",
        "stuck: 1 request",
        "14 new dead letters, 21 held",
        "10.4% of the attempts failed",
        "4 restarts in the tree",
        "once a breaker opened",
        "2 submits had bad data",
        "p95 of the latency is 1.9 s",
    ]
    assert all(item["command"].startswith(("foldward ", "python -m supervision")) for item in found)
    assert found[1]["command"] == "foldward why 01980000-0000-7000-8000-000000000001"
    assert found[6]["why"] == "prices/XAUUSD_M5.csv"


def test_each_sign_is_told():
    for name, value, told in (
        ("success_rate", 0.94, "only 94.0% of the requests that ended have a result"),
        ("telemetry_fail", 1, "missing from the event file: 1 event"),
        ("notify_failure", 2, "2 notifications did not arrive"),
    ):
        report = quiet()
        report["kpis"][name] = value
        assert whats(report) == [told]
    for name, told in (
        ("supervisor.budget_spent", "once a supervisor gave up"),
        ("supervisor.child_hung", "once a part hung"),
        ("heartbeat.lost", "once a worker fell silent"),
    ):
        report = quiet()
        report["events"]["counts"] = {name: 1}
        assert whats(report) == [told]
    report = quiet()
    report["dead_letters"] = {"held": 3, "by_reason": {"schema": 3}}
    assert attention(report) == [
        {"what": "held: 3 dead letters", "why": "3 schema", "command": "foldward dead list"}
    ]


def test_a_slow_day_is_told_only_against_three_days_and_above_a_second():
    report = quiet()
    report["kpis"]["p95_s"] = 1.9
    assert whats(report) == ["p95 of the latency is 1.9 s"]
    report["history"] = report["history"][:2]
    assert whats(report) == []
    report = quiet()
    report["history"] = [{**line, "p95_s": 0.001} for line in report["history"]]
    report["kpis"]["p95_s"] = 0.9
    assert whats(report) == []


def test_without_an_event_file_there_is_still_a_report():
    report = quiet()
    report["events"] = None
    assert attention(report) == []
    assert "## Restarts\n\nNone in this time; 4 since core started.\n" in markdown(report)
    assert "## Rank moves\n\n3; the event file does not tell which.\n" in markdown(report)


def test_the_markdown_has_every_part_as_a_table():
    text = markdown(sample())
    assert text.startswith("# Foldward, 2026-02-03\n\nOOS sent: 4,400 ")
    assert "From 2026-02-02T23:59:58.000Z to 2026-02-03T23:59:59.000Z." in text
    assert "| latency | 4210 | 0.410 | 1.900 | 4.400 | 31.000 |" in text
    assert "| a\\|b | 120 | 40 | line line |" in text
    assert "| engine.failed | 310 | 290 | division by zero &lt;script> |" in text
    assert "| 01980000-0000-7000-8000-000000000001 | sma-EURUSD-5-20 | 14 min |" in text
    assert "| schema | 13 | 13 |" in text
    assert "| exhausted | 0 | 1 |" in text
    assert "| worker-2 | 4 | killed by signal 9 |" in text
    assert "| prices/XAUUSD_M5.csv | data.geometry | 2 |" in text
    assert "| 2026-02-03T10:00:00.000Z | sma-EURUSD-5-20 | B | A |" in text
    assert "| 2026-01-21 | 3000 | 20 | 99.0% | 0.500 | 0 |" in text
    for line in text.splitlines():
        assert not line.startswith("|") or line.endswith("|")


def test_a_long_list_is_cut_and_says_so():
    report = sample()
    report["stuck"] = report["stuck"] * 25
    assert "… and 5 more." in markdown(report)


def test_a_rotated_event_file_is_said():
    report = sample()
    report["events"]["complete"] = False
    assert "The event file has been rotated since" in markdown(report)
