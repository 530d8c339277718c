"""`foldward bench` and `foldward chaos` where their programs are not."""

import pytest

from foldward.cli import _app, _tools


def test_outside_a_checkout_bench_says_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_tools, "__file__", str(tmp_path / "foldward" / "cli" / "_tools.py"))
    assert _app.run(["bench", "queue"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "error config.usage: the benchmarks are not installed with the package"
        " — hint: run it in a checkout: ./scripts/bench\n"
    )


def test_without_the_test_tools_chaos_says_so(monkeypatch, capsys):
    monkeypatch.setattr(_tools.importlib.util, "find_spec", lambda name: None)
    assert _app.run(["chaos"]) == 2
    assert "error config.usage: the kill test is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "line"), [("bench", ["run.py", "queue"]), ("chaos", ["foldward.testing.chaos"])]
)
def test_where_they_are_the_words_are_passed_on_and_the_exit_code_comes_back(monkeypatch, word, line):
    asked = []
    monkeypatch.setattr(_tools, "_run", lambda given: asked.append(given) or 7)
    assert _app.run([word, *line[1:], "--help"]) == 7
    assert line[0] in " ".join(asked[0])
    assert asked[0][-1] == "--help"
