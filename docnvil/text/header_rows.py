"""Header rows of survey exports that follow the first one and are not documents."""

import re
from collections.abc import Sequence

_IMPORT_ID = re.compile(r"""\s*\{\s*['"]ImportId['"]\s*:""")  # the last header row of Qualtrics


def count_extra_header_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how many of the first rows after the header repeat it in other words.

    Qualtrics writes the questions in the second row and `{"ImportId": ...}` in the third, or the latter in the second.
    SurveyMonkey writes "Open-Ended Response" and the like in the second row, whose first cells are empty.

    Example:
        >>> rows = [["Response ID", "Why?"], ['{"ImportId":"_recordId"}', '{"ImportId":"QID1"}'], ["R_1", "So."]]
        >>> count_extra_header_rows(["ResponseId", "Q1"], rows)
        2
    """
    for number, row in enumerate(rows, start=1):
        cells = [cell for cell in row if cell.strip()]
        if cells and 2 * sum(bool(_IMPORT_ID.match(cell)) for cell in cells) > len(cells):
            return number
    if rows and len(rows[0]) == len(header) and not rows[0][0].strip():
        cells = {cell.strip() for cell in rows[0]}
        if cells & {"Open-Ended Response", "Response"} and "respondent" in header[0].lower().replace("_", " "):
            return 1
    return 0
