"""One document: what all readers of texts return."""

from collections.abc import Mapping
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
