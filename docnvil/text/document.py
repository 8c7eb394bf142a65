"""One document: what all readers of texts return; and texts that are lists of tokens."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Arguments:
        id: its id in the source; it may be repeated.
        text: its text, which may be empty.
        metadata: its other values by column, `""` for a missing value.
    """

    id: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class TokenText(str):
    """A text that is split into tokens already; as a string, it has one token per line.

    Arguments:
        tokens: the tokens.

    Example:
        >>> TokenText(["New York", "is", "big"]).tokens
        ('New York', 'is', 'big')
    """

    tokens: tuple[str, ...]

    def __new__(cls, tokens: Iterable[str]) -> "TokenText":
        """Join the tokens."""
        tokens = tuple(tokens)
        text = super().__new__(cls, "\n".join(tokens))
        text.tokens = tokens
        return text

    def __getnewargs__(self) -> tuple[tuple[str, ...]]:  # type: ignore[override]
        return (self.tokens,)
