"""docnvil: belief networks for documents, trained by neural variational inference and learning (NVIL).

    >>> import docnvil
    >>> documents = [docnvil.Document(str(n), text) for n, text in enumerate(["wind sail", "oven salt"] * 20)]
    >>> matrix = docnvil.count_words(documents)
    >>> model = docnvil.DocNVIL(n_components=2, epochs=2).fit(matrix)
    >>> model.transform(matrix).shape
    (40, 2)

Names are imported when they are first used, so that `import docnvil` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docnvil.analysis.bootstrap import bootstrap_intervals
    from docnvil.analysis.coherence import c_v, diversity, npmi
    from docnvil.analysis.null_models import unigram_perplexity
    from docnvil.analysis.perplexity import Perplexity
    from docnvil.comparison.adapters import adapt_topic_model
    from docnvil.comparison.runner import compare_models
    from docnvil.corpus.loading import load_document_term_matrix
    from docnvil.corpus.reading import read_corpus
    from docnvil.corpus.writing import write_corpus
    from docnvil.errors import DocnvilError
    from docnvil.estimator import DocNVIL
    from docnvil.text.counts import DocumentTermMatrix, align_vocabulary, count_words, split_documents
    from docnvil.text.documents import Document, SourceOptions, read_documents
    from docnvil.text.formats import read_counts, write_counts
    from docnvil.text.tokens import TokenRules, tokenize
    from docnvil.text.vocabulary import Vocabulary, build_vocabulary

__version__ = "0.1.0"

_HOMES = {
    "DocNVIL": "estimator",
    "DocnvilError": "errors",
    "Document": "text.documents",
    "DocumentTermMatrix": "text.counts",
    "Perplexity": "analysis.perplexity",
    "SourceOptions": "text.documents",
    "TokenRules": "text.tokens",
    "Vocabulary": "text.vocabulary",
    "adapt_topic_model": "comparison.adapters",
    "align_vocabulary": "text.counts",
    "bootstrap_intervals": "analysis.bootstrap",
    "build_vocabulary": "text.vocabulary",
    "c_v": "analysis.coherence",
    "compare_models": "comparison.runner",
    "count_words": "text.counts",
    "diversity": "analysis.coherence",
    "load_document_term_matrix": "corpus.loading",
    "npmi": "analysis.coherence",
    "read_corpus": "corpus.reading",
    "read_counts": "text.formats",
    "read_documents": "text.documents",
    "split_documents": "text.counts",
    "tokenize": "text.tokens",
    "unigram_perplexity": "analysis.null_models",
    "write_corpus": "corpus.writing",
    "write_counts": "text.formats",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'docnvil' has no attribute {name!r}")
    return getattr(import_module(f"docnvil.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
