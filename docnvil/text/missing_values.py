"""Cells of CSV and TSV files that stand for a missing text."""

from collections.abc import Iterator, Sequence
from typing import Literal

#: What pandas, R, SQL and spreadsheets write for a missing value; it counts as missing if it is not in quotes.
DEFAULT_NA_VALUES = frozenset(
    ["NA", "NaN", "nan", "N/A", "n/a", "NULL", "null", "None", "#N/A", "#N/A N/A", "#NA", "<NA>", "-NaN", "-nan"]
)
DEFAULT_NA_VALUES |= {"1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "NA_character_", "\\N"}
DEFAULT_NA_VALUES |= {"#CALC!", "#SPILL!", "#NULL!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#DIV/0!"}
# Excel and LibreOffice write errors in the language of the user: German, French, Spanish, Italian, Portuguese ...
DEFAULT_NA_VALUES |= {"#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#N/D", "#N/D!", "#VALEUR!", "#NOMBRE!", "#NUL!", "#NOM?"}
DEFAULT_NA_VALUES |= {"#¡VALOR!", "#¿NOMBRE?", "#¡REF!", "#¡NUM!", "#¡NULO!", "#¡DIV/0!", "#RIF!", "#VALORE!", "#NOME?"}
DEFAULT_NA_VALUES |= {
    "#VALOR!",
    "#NÚM!",
    "#NULO!",
    "#N/B",
    "#WAARDE!",
    "#VERW!",
    "#NAAM?",
    "#ARG!",
    "#ADR!",
    "#LICZBA!",
}
DEFAULT_NA_VALUES |= {
    "#NAZWA?",
    "#Н/Д",
    "#ЗНАЧ!",
    "#ССЫЛКА!",
    "#ИМЯ?",
    "#ЧИСЛО!",
    "#ДЕЛ/0!",
    "#YOK",
    "#DEĞER!",
    "#BAŞV!",
}

# The others are not words of any language, so they stand for a missing text in quotes, too.
_MAY_BE_WORDS = frozenset(["NA", "N/A", "n/a", "None", "nan", "null"])


_Class = Literal["missing", "quoted", "text"]


class MissingValues:
    r"""Decides whether a cell stands for a missing text.

    Arguments:
        values: the values of missing texts, separated by commas, in quotes or not; "none" for no such values; None for
            `DEFAULT_NA_VALUES`, of which "NA", "None" and other possible words count only without quotes.
        delimiter: the delimiter of the file, or None if quotes are plain characters in it.

    Example:
        >>> missing = MissingValues(None, ",")
        >>> missing.classify(["1", "NA"], 1, ["1,NA\n"]), missing.classify(["1", "NA"], 1, ['1,"NA"\n'])
        ('missing', 'quoted')
    """

    def __init__(self, values: str | None, delimiter: str | None) -> None:
        if values is None:
            self._values, self._words = DEFAULT_NA_VALUES, _MAY_BE_WORDS
        else:
            names = [] if values == "none" else values.split(",")
            self._values, self._words = frozenset(name.strip() for name in names), frozenset[str]()
        self._delimiter = delimiter
        self.max_length = 2 + max(map(len, self._values), default=-3)

    def classify(
        self, fields: Sequence[str], column: int, lines: Sequence[str]
    ) -> Literal["missing", "quoted", "text"]:
        """Return "missing", "quoted" for a possible word in quotes, which is text, or "text" for any other text."""
        value = fields[column].strip()
        if value not in self._values:
            return "text"
        if value in self._words and self._delimiter is not None:
            is_quoted = list(_quoted_fields("".join(lines), self._delimiter))
            if column < len(is_quoted) and is_quoted[column]:
                return "quoted"
        return "missing"


def _quoted_fields(row: str, delimiter: str) -> Iterator[bool]:
    """Yield for each field of a row whether it is in quotes."""
    position = 0
    while position <= len(row):
        is_quoted = row.startswith('"', position)
        yield is_quoted
        if is_quoted:
            position = row.find('"', position + 1)
            while position >= 0 and row.startswith('""', position):
                position = row.find('"', position + 2)
            if position < 0:
                return
        position = row.find(delimiter, position) + 1
        if position == 0:
            return
