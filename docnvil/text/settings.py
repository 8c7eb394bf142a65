"""Settings for reading and counting texts, declared once; importing them loads no large package."""

from dataclasses import dataclass

from docnvil.errors import ConfigurationError
from docnvil.schema import setting

TEXT_FORMATS = ("folder", "lines", "jsonl", "csv", "tsv", "parquet")
COUNT_FORMATS = ("npz", "mtx", "uci", "ldac", "svmlight")
FORMATS = (*TEXT_FORMATS, *COUNT_FORMATS, "bits", "corpus")


@dataclass(frozen=True)
class SourceOptions:
    """How to read a source.

    Arguments:
        format: one of `FORMATS`, or "auto" to choose it by the name of the source.
        text_column: the column of the text.
        id_column: the column of the ids; None for the column `id` if there is one. Without such a column, or with
            `""`, the ids are row numbers from 1.
        label_column: a column that must exist and comes first in the metadata.
        encoding: the encoding of text files, by its Python name.
        array: the array to read from an `.npz` of binary vectors, if it has several.

    Raises:
        ConfigurationError: the format or the encoding is unknown.
    """

    format: str = setting("auto", "Input", f"Format: {', '.join(FORMATS)}; auto goes by the file name")
    text_column: str = setting("text", "Input", "Column with the text")
    id_column: str | None = setting(
        None, "Input", "Column with the ids", effective="id if there is one, else row numbers"
    )
    label_column: str | None = setting(None, "Input", "Column with a label, written after the id in embeddings")
    encoding: str = setting("utf-8", "Input", "Encoding of text files")
    array: str | None = setting(None, "Input", "Array of binary vectors, if an .npz file has several")

    def __post_init__(self) -> None:
        if self.format not in ("auto", *FORMATS):
            raise ConfigurationError(
                f"{self.format!r} is not a format that docnvil reads. Choose one of {', '.join(FORMATS)}."
            )
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ConfigurationError(
                f"{self.encoding!r} is not an encoding that Python supports. Try utf-8, latin-1 or cp1252."
            ) from None


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
    strip_accents: bool = setting(False, "Text", "Remove accents from Latin and Greek letters")
    join_hyphens: bool = setting(False, "Text", "Join words hyphenated at line ends")


@dataclass(frozen=True)
class VocabularyLimits:
    """How the vocabulary is chosen; `count_words` explains the limits."""

    size: int | None = setting(
        10_000, "Text", "Number of most frequent words to keep", minimum=1, option="vocabulary-size"
    )
    min_df: float = setting(2, "Text", "Drop words in fewer documents than this number or share", is_share=True)
    max_df: float = setting(0.5, "Text", "Drop words in more documents than this number or share", is_share=True)
