"""Files of names of units: TOML with one `number = "name"` per line, or CSV with the columns unit and name."""

import csv
import io
import tomllib
from collections.abc import Iterable
from pathlib import Path

from docnvil.errors import ConfigurationError
from docnvil.text.records import csv_rows


def read_names(path: Path) -> dict[int, str]:
    """Return names by the number of the unit; an empty name removes one.

    Arguments:
        path: a file whose name ends in ".toml" or ".csv".

    Raises:
        ConfigurationError: the file is of another kind, or a line of it is not a number and a name.
    """
    kind = path.suffix.lower()
    if kind not in (".toml", ".csv"):
        raise ConfigurationError(f"{path} is neither a .toml nor a .csv file. Write the names in one of these formats.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 (byte {error.start:,}). Save it as UTF-8.") from None
    pairs = _toml_pairs(path, text) if kind == ".toml" else _csv_pairs(path, text)
    names: dict[int, str] = {}
    for place, number, name in pairs:
        if not (isinstance(number, str) and number.isascii() and number.isdecimal() and isinstance(name, str)):
            raise ConfigurationError(f'{path}, {place}: {number!r} = {name!r} does not name a unit. Write 3 = "name".')
        if int(number) in names:
            raise ConfigurationError(f"{path}, {place}: unit {int(number)} has two names. Give it one.")
        names[int(number)] = name.strip()
    if not names:
        raise ConfigurationError(f"{path} has no names. Write the number and the name of a unit on each line.")
    return names


def _toml_pairs(path: Path, text: str) -> Iterable[tuple[str, object, object]]:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f'{path} is not TOML: {error}. Write lines such as 3 = "space flight".') from None
    except RecursionError:
        raise ConfigurationError(f'{path} is nested too deeply. Write lines such as 3 = "space flight".') from None
    return ((f"key {number}", number, name) for number, name in values.items())


def _csv_pairs(path: Path, text: str) -> Iterable[tuple[str, object, object]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        rows = [(reader.line_num, row) for row in csv_rows(reader) if any(row)]
    except csv.Error as error:
        raise ConfigurationError(f"{path} is not CSV: {error}. Write the columns unit and name.") from None
    columns = rows[0][1] if rows else []
    for needed in ("unit", "name"):
        if columns.count(needed) != 1:
            problem = "has no column" if needed not in columns else "has twice the column"
            raise ConfigurationError(f"{path} {problem} {needed!r}. Write the columns unit and name.")
    unit, name = columns.index("unit"), columns.index("name")
    padded = ((number, [*row, *[None] * len(columns)]) for number, row in rows[1:])
    return ((f"line {number}", (row[unit] or "").strip(), row[name]) for number, row in padded)
