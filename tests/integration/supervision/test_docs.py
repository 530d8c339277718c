"""The documentation's example runs, and the reference names everything that is public."""

import re
from pathlib import Path

import supervision

DOCS = Path(__file__).parents[3] / "docs"


def test_the_example_of_the_explanation_runs():
    text = (DOCS / "explanation" / "supervision.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    space = {}
    exec(code.replace("root.stop(3.5)", "").replace("root.handle", "answer = root.handle"), space)
    try:
        assert space["answer"] == 15
    finally:
        assert space["root"].stop(5.0)


def test_the_reference_names_every_public_name():
    text = (DOCS / "reference" / "supervision.md").read_text()
    missing = [name for name in supervision.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []
