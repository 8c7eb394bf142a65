"""Missing values of metadata are counted, also where documents lack the column or have very many values."""

import pytest

from docnvil.storage import descriptions
from docnvil.storage.descriptions import describe_column, describe_texts
from docnvil.text.document import Document


def test_documents_without_a_column_miss_its_value():
    rows = [{"year": "1999"}, {}, {"year": "", "title": "Owls"}, {"year": "1999"}]
    described = describe_texts(Document(str(number), "owls", row) for number, row in enumerate(rows))
    year, title = described["metadata"]
    assert (year["column"], year["missing"], year["frequent"]) == ("year", 2, {"1999": 2})
    assert (title["column"], title["missing"], title["frequent"]) == ("title", 3, {"Owls": 1})


@pytest.mark.parametrize("blanks_at_end", [False, True])
def test_missing_values_are_counted_beside_very_many_others(monkeypatch, blanks_at_end):
    monkeypatch.setattr(descriptions, "MAX_DISTINCT", 3)
    values = ["a", "b", "c", "d", "a"]
    described = describe_column("title", [*values, "", ""] if blanks_at_end else ["", "", *values])
    assert (described["missing"], described["more"], described["frequent"]["a"]) == (2, True, 2)
    texts = describe_texts(Document("1", "owls", {"title": value}) for value in [*values, "", ""])
    assert (texts["metadata"][0]["missing"], texts["metadata"][0]["more"]) == (2, True)
