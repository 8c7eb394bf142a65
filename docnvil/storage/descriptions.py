"""Descriptions of models and corpora as plain values: what `docnvil info` prints.

Axes: N documents.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from docnvil.text.document import Document
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.sparse import column_sums
from docnvil.training.fitted_model import FittedModel

QUANTILES = (0, 0.25, 0.5, 0.75, 1)
TOP_VALUES = 5  # of a metadata column
TOP_WORDS = 10
MAX_DISTINCT = 10_000  # values of a metadata column that are counted


def describe_fitted_model(model: FittedModel) -> dict[str, Any]:
    """Return what a model is, how it was trained and how good it is, as JSON values."""
    config, listed = model.network.config, model.topics()
    no_units = model.no_units
    return {
        "recipe": model.recipe,
        "units": list(config.units),
        "observation": config.observation,
        "prior": config.prior,
        "posterior": config.posterior,
        "words": len(model.vocabulary),
        "numbered_words": model.vocabulary.is_numbered,
        "corpus": dict(model.corpus),
        "epochs": len(model.history),
        "best_epoch": model.best.epoch,
        "validation_perplexity_per_document": model.best.validation_perplexity,
        "validation_perplexity_without_units": None if no_units is None else no_units.validation_perplexity,
        "live_units": sum(not topic.dead for topic in listed),
        "dead_units": sum(topic.dead for topic in listed),
        "duplicate_units": sum(topic.duplicate_of is not None for topic in listed),
        "named_units": sum(name is not None for name in model.unit_names),
        "token_rules": None if model.token_rules is None else model.token_rules.to_json(),
        "reading": dict(model.reading),
        "warnings": list(model.run.get("warnings", ())),
    }


def describe_matrix(matrix: DocumentTermMatrix) -> dict[str, Any]:
    """Return the sizes, lengths, frequent words and metadata of counted documents, as JSON values."""
    frequency = column_sums(matrix.counts)
    order = np.argsort(-frequency, kind="stable")[:TOP_WORDS].tolist()
    lengths = matrix.lengths
    return {
        "documents": matrix.n_documents,
        "empty_documents": int(matrix.empty.sum()),
        "tokens": matrix.n_tokens,
        "unknown_tokens": None if matrix.unknown_counts is None else matrix.n_unknown,
        "words": matrix.vocabulary_size,
        "numbered_words": matrix.vocabulary.is_numbered,
        "words_per_document": [float(value) for value in np.quantile(lengths, QUANTILES)] if len(lengths) else [],
        "frequent_words": [{"word": matrix.vocabulary[word], "count": int(frequency[word])} for word in order],
        "repeated_ids": len(matrix.repeated_ids),
        "metadata": [describe_column(name, values) for name, values in matrix.metadata.items()],
        "token_rules": None if matrix.rules is None else matrix.rules.to_json(),
        "reading": dict(matrix.reading),
    }


def describe_texts(documents: Iterable[Document]) -> dict[str, Any]:
    """Return the sizes and the metadata of texts that have not been counted, as JSON values; they are read once."""
    lengths: list[int] = []
    values: dict[str, Counter[str]] = {}
    n_with: Counter[str] = Counter()  # documents that have a column
    examples: list[str] = []
    for document in documents:
        lengths.append(len(document.text))
        for name, value in document.metadata.items():
            n_with[name] += 1
            counter = values.setdefault(name, Counter())
            _count_value(counter, value)
        if len(examples) < 3:
            examples.append(document.id)
    return {
        "documents": len(lengths),
        "empty_documents": sum(not length for length in lengths),
        "characters": sum(lengths),
        "characters_per_document": [float(value) for value in np.quantile(lengths, QUANTILES)] if lengths else [],
        "first_ids": examples,
        "metadata": [_describe_counter(name, counter, len(lengths) - n_with[name]) for name, counter in values.items()],
    }


def describe_column(name: str, values: Sequence[str]) -> dict[str, Any]:
    """Return the number of distinct values of a metadata column, and the most frequent ones.

    Example:
        >>> describe_column("group", ["sea", "food", "sea", ""])
        {'column': 'group', 'distinct': 2, 'more': False, 'missing': 1, 'frequent': {'sea': 2, 'food': 1}}
    """
    counter: Counter[str] = Counter()
    for value in values:
        _count_value(counter, value)
    return _describe_counter(name, counter)


def _count_value(counter: Counter[str], value: str) -> None:
    """Count a value of a column, unless it is a new one and there are too many; all missing values are counted."""
    if not value or value in counter or len(counter) < MAX_DISTINCT:
        counter[value] += 1


def _describe_counter(name: str, counter: Counter[str], n_without: int = 0) -> dict[str, Any]:
    more = len(counter) >= MAX_DISTINCT
    missing = counter.pop("", 0) + n_without
    frequent = dict(counter.most_common(TOP_VALUES))
    return {"column": name, "distinct": len(counter), "more": more, "missing": missing, "frequent": frequent}
