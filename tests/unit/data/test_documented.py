"""The contract's page and the catalogue know every code, and no other."""

import re
from pathlib import Path

from foldward.contracts.errors import CATALOGUE
from foldward.data.findings import ALLOWABLE, RULES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "data_contract.md"


def test_every_code_of_the_contract_is_in_the_catalogue():
    assert set(RULES) <= set(CATALOGUE)


def test_the_page_lists_every_code_and_which_can_be_allowed():
    rows = re.findall(r"^\| (data\.\w+) \|([^|]*)\|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    assert {code for code, _, _ in rows} == set(RULES)
    assert {code for code, _, allowed in rows if allowed.strip()} == ALLOWABLE
