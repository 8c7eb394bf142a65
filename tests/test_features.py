"""The table of features: each row has a command with its option, a test that exists, and sources that are listed."""

import re
from pathlib import Path

import pytest
from test_readme import ROOT, find_command, option_names

PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ") and "docnvil `" not in line][
    1:
]
SOURCES = set(re.findall(r"^(\d+)\. \[", PAGE, re.MULTILINE))


def test_the_table_has_rows():
    assert len(ROWS) > 20
    assert len(SOURCES) > 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_rows_name_what_exists(row):
    assert len(row) == 8
    words = re.search(r"`docnvil ([^`]*)`", row[1])[1].split()
    command, rest = find_command(words)
    assert set(rest) <= option_names(command)
    test = Path(ROOT / re.search(r"tests/\w+\.py", row[1])[0])
    assert "def test_" in test.read_text(encoding="utf-8")
    for cell in row[2:]:
        assert cell.strip() == "?" or set(re.findall(r"\[(\d+)\]", cell)) & SOURCES, cell
