"""The operator's pages name commands, options, files and codes that exist."""

import re
from pathlib import Path

import pytest
import typer

from foldward.cli._app import app
from foldward.contracts.errors import FAMILIES

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / name
    for name in (
        "docs/RUNBOOK.md",
        "docs/OWNERS_GUIDE.md",
        "docs/OBSERVABILITY.md",
        "docs/how_to/operate.md",
        "docs/how_to/remote_workers.md",
        "deploy/systemd/README.md",
    )
]
TREE = typer.main.get_command(app)
_LINE = re.compile(r"`foldward ([^`]+)`|^(?:sudo [^/]*)?foldward ([^#\n]+)", re.MULTILINE)
_WORDS_PASSED_ON = {"worker", "bench", "chaos"}
REASONS = (
    "unparseable multipart oversize schema unknown_request_id mismatch non_retryable exhausted crash_loop"
    " expired corrupt_payload apply_failed poison"
)


def lines():
    for page in PAGES:
        for match in _LINE.finditer(page.read_text()):
            yield page.name, (match.group(1) or match.group(2)).strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(lines())))
def test_every_command_with_its_options_exists(page, line):
    words = re.split(r"[\s|(,;:]+", line)
    command = TREE
    known = {option for parameter in TREE.params for option in parameter.opts}
    for place, word in enumerate(words):
        if word.startswith("--") or not hasattr(command, "commands"):
            break
        inner = command.commands.get(word)
        if inner is None:
            assert command is not TREE or word in ("…", "COMMAND"), f"{page}: no command {word!r} in {line!r}"
            return
        command = inner
        known |= {option for parameter in command.params for option in parameter.opts}
        if place == 0 and word in _WORDS_PASSED_ON:
            return
    for word in re.findall(r"--[a-z][a-z-]*", line):
        assert word in known, f"{page}: {line!r}: no option {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)?(?:#([^)]+))?\)", page.read_text()):
        file = (page.parent / target[0]).resolve() if target[0] else page
        assert file.exists(), f"{page.name}: {target[0]}"
        if target[1]:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
            assert target[1] in {heading.lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_ours_that_is_named_exists(page):
    named = re.findall(
        r"`((?:actors|foldward|storage|supervision|scripts|deploy|tests|docs)/[\w./*-]+)`", page.read_text()
    )
    for name in named:
        assert list(ROOT.glob(name.rstrip("/"))), f"{page.name}: {name}"


@pytest.mark.parametrize("page", ["RUNBOOK.md", "OBSERVABILITY.md"])
@pytest.mark.parametrize("status", ["lost", "frozen"])
def test_both_ways_to_lose_a_heartbeat_are_explained(page, status):
    lines = (ROOT / "docs" / page).read_text().splitlines()
    assert any("`heartbeat.lost`" in line and f"status `{status}`" in line for line in lines)


def test_the_runbook_knows_each_family_and_each_reason():
    said = (ROOT / "docs/RUNBOOK.md").read_text()
    for family in FAMILIES:
        assert f"`{family}.*`" in said or f"`{family}." in said, family
    for reason in REASONS.split():
        assert f"`{reason}`" in said, reason
