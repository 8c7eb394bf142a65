"""docnvil: belief networks for documents, trained by neural variational inference and learning (NVIL).

    >>> import docnvil
    >>> documents = [docnvil.Document(str(n), text) for n, text in enumerate(["wind sail", "oven salt"] * 20)]
    >>> matrix = docnvil.count_words(documents)
    >>> model = docnvil.fit(matrix, docnvil.Settings(units=(2,), epochs=2))
    >>> model.transform(matrix).shape
    (40, 2)

Names are imported when they are first used, so that `import docnvil` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docnvil.analysis.bootstrap import bootstrap_intervals
    from docnvil.analysis.coherence import c_v, diversity, npmi
    from docnvil.analysis.completion import Completion
    from docnvil.analysis.null_models import unigram_perplexity
    from docnvil.analysis.perplexity import Perplexity
    from docnvil.analysis.topics import Topic
    from docnvil.comparison.adapters import adapt_topic_model
    from docnvil.comparison.runner import compare_models
    from docnvil.corpus.loading import load_document_term_matrix
    from docnvil.corpus.reading import read_corpus
    from docnvil.corpus.writing import write_corpus
    from docnvil.errors import (
        CheckpointError,
        ConfigurationError,
        CorpusError,
        DocnvilError,
        MissingDependencyError,
        OutputExistsError,
        TrainingError,
        VocabularyError,
        WorkerError,
    )
    from docnvil.estimator import DocNVIL
    from docnvil.storage.checkpoints import read_checkpoint, write_checkpoint
    from docnvil.storage.model_folder import load_model as load
    from docnvil.storage.model_folder import save_model as save
    from docnvil.text.counts import DocumentTermMatrix, align_vocabulary, count_words, split_documents
    from docnvil.text.documents import Document, SourceOptions, read_documents
    from docnvil.text.formats import read_counts, write_counts
    from docnvil.text.tokens import TokenRules, tokenize
    from docnvil.text.vocabulary import Vocabulary, build_vocabulary
    from docnvil.training.callbacks import Callback
    from docnvil.training.fit import fit
    from docnvil.training.fitted_model import FittedModel
    from docnvil.training.settings import Settings
    from docnvil.training.state import Checkpoint

__version__ = "0.1.0"

_HOMES = {
    "adapt_topic_model": "comparison.adapters:adapt_topic_model",
    "align_vocabulary": "text.counts:align_vocabulary",
    "bootstrap_intervals": "analysis.bootstrap:bootstrap_intervals",
    "build_vocabulary": "text.vocabulary:build_vocabulary",
    "c_v": "analysis.coherence:c_v",
    "Callback": "training.callbacks:Callback",
    "Checkpoint": "training.state:Checkpoint",
    "CheckpointError": "errors:CheckpointError",
    "compare_models": "comparison.runner:compare_models",
    "Completion": "analysis.completion:Completion",
    "ConfigurationError": "errors:ConfigurationError",
    "CorpusError": "errors:CorpusError",
    "count_words": "text.counts:count_words",
    "diversity": "analysis.coherence:diversity",
    "DocNVIL": "estimator:DocNVIL",
    "DocnvilError": "errors:DocnvilError",
    "Document": "text.documents:Document",
    "DocumentTermMatrix": "text.counts:DocumentTermMatrix",
    "fit": "training.fit:fit",
    "FittedModel": "training.fitted_model:FittedModel",
    "load": "storage.model_folder:load_model",
    "load_document_term_matrix": "corpus.loading:load_document_term_matrix",
    "MissingDependencyError": "errors:MissingDependencyError",
    "npmi": "analysis.coherence:npmi",
    "OutputExistsError": "errors:OutputExistsError",
    "Perplexity": "analysis.perplexity:Perplexity",
    "read_checkpoint": "storage.checkpoints:read_checkpoint",
    "read_corpus": "corpus.reading:read_corpus",
    "read_counts": "text.formats:read_counts",
    "read_documents": "text.documents:read_documents",
    "save": "storage.model_folder:save_model",
    "Settings": "training.settings:Settings",
    "SourceOptions": "text.documents:SourceOptions",
    "split_documents": "text.counts:split_documents",
    "tokenize": "text.tokens:tokenize",
    "TokenRules": "text.tokens:TokenRules",
    "Topic": "analysis.topics:Topic",
    "TrainingError": "errors:TrainingError",
    "unigram_perplexity": "analysis.null_models:unigram_perplexity",
    "Vocabulary": "text.vocabulary:Vocabulary",
    "VocabularyError": "errors:VocabularyError",
    "WorkerError": "errors:WorkerError",
    "write_checkpoint": "storage.checkpoints:write_checkpoint",
    "write_corpus": "corpus.writing:write_corpus",
    "write_counts": "text.formats:write_counts",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'docnvil' has no attribute {name!r}")
    module, attribute = _HOMES[name].split(":")
    return getattr(import_module(f"docnvil.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
