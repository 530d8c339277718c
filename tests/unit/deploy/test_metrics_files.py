"""The Grafana dashboard and the alert rules speak of metrics, labels and runbook entries that exist."""

import json
import re
from pathlib import Path

import pytest
import yaml
from promcheck import names
from status_sample import sample

from actors.metrics import metrics_text

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "deploy/grafana/foldward.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
KNOWN = names(metrics_text(sample()))
_METRIC = re.compile(r"\b(foldward_[a-z0-9_]+)(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")
_GIVEN = {"instance", "job", "le"}


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


EXPRESSIONS = [
    *(target["expr"] for panel in panels() for target in panel["targets"]),
    *(item["expr"] for item in DASHBOARD["annotations"]["list"]),
    *(
        variable["query"]["query"]
        for variable in DASHBOARD["templating"]["list"]
        if isinstance(variable["query"], dict)
    ),
    *(rule["expr"] for rule in RULES),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_that_is_asked_for_is_on_the_page(expression):
    asked = _METRIC.findall(expression)
    assert asked
    labels = set()
    for name, inner in asked:
        assert name in KNOWN, f"{name} is on no page"
        labels |= KNOWN[name]
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)", inner):
            assert label in KNOWN[name] | _GIVEN, f"{name} has no label {label}"
    for group in _BY.findall(expression):
        assert set(group.replace(" ", "").split(",")) <= labels | _GIVEN
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_and_an_entry_in_the_runbook(rule):
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), flags=re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_only_labels_that_its_expression_keeps(rule):
    kept = set().union(*(KNOWN[name] for name, _ in _METRIC.findall(rule["expr"])))
    for text in rule["annotations"].values():
        assert set(re.findall(r"\$labels\.([a-z_]+)", text)) <= kept


def test_panels_do_not_overlap_and_have_numbers_of_their_own():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_metric_is_documented():
    said = (ROOT / "docs/OBSERVABILITY.md").read_text()
    for name in KNOWN:
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert f"`{family}" in said, f"docs/OBSERVABILITY.md does not know {family}"
