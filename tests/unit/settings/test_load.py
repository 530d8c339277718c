"""Settings: precedence, origins, and every fault at once with its place and its nearest name."""

from pathlib import Path

import pytest

from foldward.contracts.errors import ConfigError
from foldward.settings import check, load


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "foldward.toml"
    file.write_text(text)
    return file


def test_without_sources_every_value_is_a_default() -> None:
    snapshot = load(None, {})
    assert snapshot.settings.queue.max_inflight == 500
    assert snapshot.settings.retry.cap_s == 300.0
    assert snapshot.settings.rank.gates.A.oos_sharpe == 0.35
    assert set(snapshot.origins.values()) == {"default"}


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "[queue]\nmax_inflight = 1\nthrottle_s = 1\ngrace_s = 1\n")
    env = {"FOLDWARD_QUEUE__MAX_INFLIGHT": "2", "FOLDWARD_QUEUE__THROTTLE_S": "2"}
    snapshot = load(file, env, {"queue.max_inflight": 3})
    queue = snapshot.settings.queue
    assert (queue.max_inflight, queue.throttle_s, queue.grace_s) == (3, 2.0, 1.0)
    origins = snapshot.origins
    assert [origins[f"queue.{name}"] for name in ("max_inflight", "throttle_s", "grace_s", "rate_per_s")] == [
        "flag",
        "env",
        "file",
        "default",
    ]


def test_all_faults_are_found_at_once_with_path_line_and_suggestion(tmp_path: Path) -> None:
    file = write(tmp_path, '[queue]\nmax_inflght = 5\nthrottle_s = -3\n\n[link]\nformat = "xml"\n')
    snapshot, findings = check(file, {"FOLDWARD_QUEU__GRACE_S": "1"})
    assert snapshot is None
    found = {finding.path: (finding.line, finding.did_you_mean) for finding in findings}
    assert found == {
        "queu.grace_s": (None, "FOLDWARD_QUEUE__GRACE_S"),
        "queue.max_inflght": (2, "queue.max_inflight"),
        "queue.throttle_s": (3, None),
        "link.format": (6, None),
    }


def test_a_fault_is_raised_with_its_line_and_the_way_out(tmp_path: Path) -> None:
    file = write(tmp_path, "[queue]\nmax_inflght = 5\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert caught.value.code == "config.unknown_key"
    assert caught.value.exit_code == 2
    assert "did you mean 'queue.max_inflight'? " in caught.value.message
    assert f"({file} line 2)" in caught.value.message


def test_a_file_that_is_no_toml_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not TOML") as caught:
        load(write(tmp_path, "[queue\n"), {})
    assert (caught.value.code, caught.value.context["line"]) == ("config.unreadable", 1)


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml", {})
    assert caught.value.code == "config.unreadable"


def test_home_is_a_known_name_of_the_environment() -> None:
    assert load(None, {"FOLDWARD_HOME": "/tmp/x"}).settings.core.home == "./var"


def test_a_table_that_is_no_table_is_a_finding(tmp_path: Path) -> None:
    _, findings = check(write(tmp_path, "queue = 3\n"), {})
    assert [(finding.path, finding.message, finding.line) for finding in findings] == [
        ("queue", "must be a table", 1)
    ]


def test_secrets_are_masked_in_what_is_shown_and_in_faults(tmp_path: Path) -> None:
    file = write(tmp_path, '[web]\ntoken = "swordfish"\n[notify]\nurls = ["discord://secret/hook"]\n')
    snapshot = load(file, {})
    assert "swordfish" not in repr(snapshot.values())
    assert "hook" not in repr(snapshot.values())
    assert snapshot.settings.web.token.get_secret_value() == "swordfish"
    _, findings = check(write(tmp_path, "[web]\ntoken = 12345\n"), {})
    assert "12345" not in findings[0].message


def test_the_hash_ignores_order_home_and_workers_but_not_gates(tmp_path: Path) -> None:
    one = load(write(tmp_path, "[queue]\ngrace_s = 1\nrate_per_s = 2\n"), {}).config_hash
    two = load(write(tmp_path, "[queue]\nrate_per_s = 2\ngrace_s = 1\n"), {}, {"core.home": "/x"}).config_hash
    three = load(write(tmp_path, "[queue]\nrate_per_s = 3\ngrace_s = 1\n"), {}).config_hash
    assert one == two != three


def test_lists_in_the_environment_are_json(tmp_path: Path) -> None:
    settings = load(None, {"FOLDWARD_CORE__DATA_ROOTS": '["/a", "/b"]'}).settings
    assert settings.core.data_roots == ("/a", "/b")
    _, findings = check(None, {"FOLDWARD_CORE__DATA_ROOTS": "[oops"})
    assert findings[0].source == "env"


def test_a_wrong_value_names_the_variable_or_the_command_line_that_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "foldward.toml"
    file.write_text("[core]\nworkers = 2\n")
    with pytest.raises(ConfigError) as refused:
        load(file, env={"FOLDWARD_CORE__WORKERS": "abc"})
    assert refused.value.message == (
        "core.workers: Input should be a valid integer, unable to parse string as an integer "
        "(given: 'abc') in FOLDWARD_CORE__WORKERS"
    )
    with pytest.raises(ConfigError) as refused:
        load(file, env={}, flags={"core.workers": -1})
    assert refused.value.message == (
        "core.workers: Input should be greater than or equal to 0 (given: -1) on the command line"
    )
