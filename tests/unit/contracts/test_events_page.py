"""The page of events is what the table says."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_events_is_up_to_date():
    page = runpy.run_path(str(ROOT / "scripts" / "gen_events.py"))["page"]()
    written = (ROOT / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    assert written == page, "run scripts/gen_events.py"
