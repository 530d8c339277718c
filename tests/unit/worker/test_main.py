"""The worker's command line: a wrong one is one line with code and hint, exit 2."""

import pytest
from loguru import logger

from foldward.worker.main import main


@pytest.fixture(autouse=True)
def _own_log() -> None:
    """The worker sets its own log up; `foldward replay`, where a test ran it here, has silenced it."""
    logger.remove()
    logger.enable("foldward.worker")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "one of --connect, --serve and --self-test is needed"),
        ("--serve --cluster local", "--cluster needs --connect: a bridge works for core"),
        ("--conect ipc://x", "unrecognized arguments: --conect ipc://x; did you mean --connect?"),
        ("--nothing-like-it", "unrecognized arguments: --nothing-like-it"),
        ("--connect ipc://x --capacity many", "argument --capacity: invalid int value: 'many'"),
    ],
)
def test_a_wrong_line_is_answered_in_one_line(
    line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(line.split())
    assert left.value.code == 2
    assert capsys.readouterr() == ("", f"error config.usage: {says} — hint: foldward worker --help\n")


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://127.0.0.1", "carrier://pigeon"])
def test_an_address_that_cannot_be_is_a_wrong_setting(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--connect", endpoint, "--allow-plain"]) == 2
    said = capsys.readouterr().err
    assert f"error config.invalid: {endpoint} is no address to connect to: " in said
    assert "hint: ipc://PATH or tcp://HOST:PORT" in said
