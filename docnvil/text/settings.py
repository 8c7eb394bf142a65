"""Settings for reading and counting texts, declared once; importing them loads no large package."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from docnvil.errors import ConfigurationError
from docnvil.schema import check_settings, setting, settings_of

TEXT_FORMATS = ("folder", "lines", "mallet")
TEXT_FORMATS += ("jsonl", "csv", "tsv", "parquet", "feather", "dataset", "xlsx", "octis", "sgml")  # with columns
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
COUNT_FORMATS = ("npz", "mtx", "uci", "ldac", "svmlight", "dtm")
FORMATS = (*TEXT_FORMATS, *COUNT_FORMATS, "bits", "corpus")

# The formats for which an option has an effect.
WITH_COLUMNS = {"format": TEXT_FORMATS[3:]}
SEPARATED = {"format": ("csv", "tsv", "octis")}
WITH_ROWS = {"format": (*SEPARATED["format"], "xlsx")}
ENCODED = {"format": ("folder", "lines", "mallet", "jsonl", "csv", "tsv", "octis", "sgml", "dtm")}
WITH_IDS = {"format": (*WITH_COLUMNS["format"], "dtm")}
DELIMITED = {"format": (*SEPARATED["format"], "dtm")}
FOLDERS = {"format": ("folder",)}
WITH_LABELS = {"format": (*WITH_COLUMNS["format"], "corpus")}
NUMBERED_WORDS = {"format": ("ldac", "svmlight")}
MATRICES = {"format": ("npz", "mtx", "dtm")}
BITS = {"format": ("bits",)}

IndexBase = Literal["auto", "0", "1"]


@dataclass(frozen=True)
class SourceOptions:
    """How to read a source.

    Arguments:
        format: one of `FORMATS`, or "auto" to choose it by the name of the source.
        text_column: the column of the text. Several, separated by commas, are joined; a dot leads to a
            nested key of JSON; a number is the position of a column, from 1.
        id_column: the column of the ids; None for the column `id` if there is one. Without such a column, or with
            `""`, the ids are row numbers from 1.
        label_column: a column that must exist and comes first in the metadata.
        encoding: the encoding of text files, by its Python name, or "auto" to detect it for each file.
        encoding_errors: what to do with bytes that are invalid in the encoding: "strict" raises an error, "replace"
            puts U+FFFD in their place, and "ignore" leaves them out.
        delimiter: the character between the columns of CSV and TSV, or "tab"; None to detect it.
        quoting: "minimal" if double quotes enclose fields of CSV and TSV, "backslash" if quotes inside them have a
            backslash, as MySQL and Spark write them, "none" if quotes are plain characters.
        header: whether the first row of CSV and TSV names the columns; otherwise their names are 1, 2 and so on.
        skip_rows: the number of lines of CSV and TSV before the header.
        na_values: cells of CSV and TSV that stand for a missing text, separated by commas, or "none" for no such
            cells; None for `DEFAULT_NA_VALUES`, outside quotes.
        glob: names of the files of a folder that are documents, such as `*.txt`; several are separated by commas.
        extract: whether PDF, DOCX and HTML files of a folder are documents, too; their text is extracted.
        array: the array to read from an `.npz` of binary vectors, if it has several.
        index_base: the number of the first word in svmlight and LDA-C, "0" or "1"; "auto" finds it out.
        transpose: whether the rows of a matrix are words and its columns are documents.
        label_is_optional: whether documents may lack the label, because the user did not ask for it; not recorded.

    Raises:
        ConfigurationError: a value is not allowed.
    """

    format: str = setting("auto", "Input", f"Format: {', '.join(FORMATS)}; auto goes by the file name")
    text_column: str = setting("text", "Input", "Column with the text, or several: title,body", only_with=WITH_COLUMNS)
    id_column: str | None = setting(
        None,
        "Input",
        "Column with the ids",
        effective="id if there is one, else row numbers",
        only_with=WITH_IDS,
    )
    label_column: str | None = setting(
        None, "Input", "Column with a label, written after the id in embeddings", only_with=WITH_LABELS
    )
    encoding: str = setting(
        "utf-8", "Input", "Encoding of text files; auto detects it for each file", only_with=ENCODED
    )
    encoding_errors: Literal["strict", "replace", "ignore"] = setting(
        "strict", "Input", "Action for invalid bytes", only_with=ENCODED
    )
    delimiter: str | None = setting(
        None, "Input", "Character between columns, or tab", effective="detected", only_with=DELIMITED
    )
    quoting: Literal["minimal", "backslash", "none"] = setting(
        "minimal",
        "Input",
        "Quotes around fields; backslash: escaped ones inside; none: plain characters",
        only_with=SEPARATED,
    )
    header: bool = setting(True, "Input", "First row names the columns", only_with=WITH_ROWS)
    skip_rows: int = setting(0, "Input", "Number of lines before the header to skip", minimum=0, only_with=WITH_ROWS)
    na_values: str | None = setting(
        None,
        "Input",
        "Cells that stand for a missing text, separated by commas",
        effective="NA, NaN, NULL and others",
        only_with=WITH_ROWS,
    )
    glob: str | None = setting(
        None, "Input", "Files that are documents, such as *.txt", effective="text files", only_with=FOLDERS
    )
    extract: bool = setting(False, "Input", "Extract text of PDF, DOCX and HTML files", only_with=FOLDERS)
    array: str | None = setting(None, "Input", "Array of binary vectors, if an .npz file has several", only_with=BITS)
    index_base: IndexBase = setting(
        "auto", "Input", "Number of the first word in svmlight and LDA-C", only_with=NUMBERED_WORDS
    )
    transpose: bool = setting(False, "Input", "Read rows as words and columns as documents", only_with=MATRICES)
    label_is_optional: bool = False

    def __post_init__(self) -> None:
        if self.format not in ("auto", *FORMATS):
            raise ConfigurationError(
                f"{self.format!r} is not a format that docnvil reads. Choose one of {', '.join(FORMATS)}."
            )
        try:
            if self.encoding != "auto":
                "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ConfigurationError(
                f"{self.encoding!r} is not an encoding that Python supports. Try auto, utf-8, latin-1 or cp1252."
            ) from None
        object.__setattr__(self, "index_base", str(self.index_base))
        check_settings(self)
        delimiter = self.delimiter_character
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise ConfigurationError(
                f"{self.delimiter!r} cannot separate columns. Give one character, or tab for a tab stop."
            )

    @property
    def delimiter_character(self) -> str | None:
        """The delimiter as a character, or None to detect it."""
        return None if self.delimiter is None else _DELIMITER_NAMES.get(self.delimiter, self.delimiter)

    def non_default(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        declared = settings_of(SourceOptions).values()
        return {each.name: getattr(self, each.name) for each in declared if getattr(self, each.name) != each.default}

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Return the options with other values of some fields.

        Raises:
            ConfigurationError: a name that is not an option.
        """
        names = [each.name for each in fields(self)]
        for name in values:
            if name not in names:
                raise ConfigurationError(f"A source has no option {name!r}. Choose from {', '.join(names)}.")
        return replace(self, **values)

    def idle(self, format: str, chosen: Collection[str] = ()) -> list[str]:
        """Return the options that have no effect for a format, although they are `chosen` or not at their default.

        Arguments:
            format: the format of the source.
            chosen: names of options that the user gave.
        """
        declared = settings_of(SourceOptions)
        names = {*self.non_default(), *chosen}
        return [
            name
            for name, each in declared.items()
            if name in names and format not in each.only_with.get("format", (format,))
        ]

    def refuse_idle(self, source: object, format: str, chosen: Collection[str] = ()) -> None:
        """Raise a `ConfigurationError` if an option has no effect for a format, see `idle`.

        Arguments:
            source: the source, for the message.
            format: its format.
            chosen: names of options that the user gave.
        """
        for name in self.idle(format, chosen):
            raise ConfigurationError(
                f"--{settings_of(SourceOptions)[name].option} has no effect on {source}, which is read as {format}."
                " Leave it out, or choose another --format."
            )

    def with_recorded(self, recorded: Mapping[str, Any], format: str, chosen: Collection[str] = ()) -> Self:
        """Return these options completed by recorded ones, see `DocumentTermMatrix.reading`.

        Documents may lack a label whose column is recorded: most new documents have none.

        Arguments:
            recorded: the options of an earlier source.
            format: the format of the new source; options that have no effect for it are left out.
            chosen: names of options that are kept as they are.
        """
        known = settings_of(SourceOptions)
        values = {
            name: value
            for name, value in recorded.items()
            if name in known
            and name not in ("format", *chosen, *self.non_default())
            and format in known[name].only_with.get("format", (format,))
        }
        return replace(self, **values, label_is_optional=self.label_is_optional or "label_column" in values)


@dataclass(frozen=True)
class TokenOptions:
    """How text becomes words, as chosen by name; `TokenRules` is what is saved with a model."""

    token_pattern: str | None = setting(
        None, "Text", "Regular expression of a word", effective="a letter, then letters, marks or digits"
    )
    lowercase: bool = setting(True, "Text", "Convert to lower case")
    min_length: int = setting(2, "Text", "Minimum length of a word, in characters", minimum=1)
    stop_words: str = setting("english", "Text", "Stop words: languages, auto, none, nltk:LANGUAGE, or a file")
    stemmer: str | None = setting(None, "Text", "Stemmer: porter, or snowball-LANGUAGE")
    tokenizer: str | None = setting(
        None,
        "Text",
        "Tokenizer: tweet, toktok, treebank, wordpunct, whitespace, word, or MODULE:FUNCTION",
    )
    strip: str | None = setting(
        None, "Text", "Remove parts: html, urls, emails, mentions, headers, quotes, signatures", metavar="PART,..."
    )
    strip_accents: bool = setting(False, "Text", "Remove accents from Latin and Greek letters")
    ngrams: str = setting("1", "Text", "Count sequences of words, too: 1-2 or 1-3", metavar="N-N")
    phrases: bool = setting(False, "Text", "Join pairs of words that mostly occur together")
    join_hyphens: bool = setting(False, "Text", "Join words hyphenated at line ends")
    dotless_i: bool | None = setting(
        None,
        "Text",
        "Convert I to ı and İ to i",
        effective="on with Turkish or Azerbaijani stop words",
    )


@dataclass(frozen=True)
class VocabularyLimits:
    """How the vocabulary is chosen; `count_words` explains the limits."""

    size: int | None = setting(
        10_000, "Text", "Number of most frequent words to keep", minimum=1, option="vocabulary-size"
    )
    min_df: float = setting(2, "Text", "Drop words in fewer documents than this number or share", is_share=True)
    max_df: float = setting(0.5, "Text", "Drop words in more documents than this number or share", is_share=True)
