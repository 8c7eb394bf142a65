"""docnvil: belief networks for documents, trained by neural variational inference and learning (NVIL).

    >>> import docnvil
    >>> documents = [docnvil.Document(str(n), text) for n, text in enumerate(["wind sail", "oven salt"] * 20)]
    >>> matrix = docnvil.count_words(documents)
    >>> model = docnvil.fit(matrix, docnvil.Settings(units=(2,), epochs=2))
    >>> model.transform(matrix).shape
    (40, 2)

Names are imported when they are first used, so that `import docnvil` is quick.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docnvil.analysis.bootstrap import bootstrap_intervals
    from docnvil.analysis.coherence import c_v, diversity, npmi
    from docnvil.analysis.completion import Completion
    from docnvil.analysis.null_models import unigram_perplexity
    from docnvil.analysis.perplexity import Perplexity
    from docnvil.analysis.themes import Theme
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
        DocnvilWarning,
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
    from docnvil.text.counts import count_words
    from docnvil.text.document_term_matrix import DocumentTermMatrix, align_vocabulary
    from docnvil.text.documents import Document, read_documents
    from docnvil.text.formats import read_counts, write_counts
    from docnvil.text.settings import SourceOptions
    from docnvil.text.splits import split_documents
    from docnvil.text.tokens import TokenRules, tokenize
    from docnvil.text.vocabulary import Vocabulary, build_vocabulary
    from docnvil.training.callbacks import Callback
    from docnvil.training.continuing import continue_fit
    from docnvil.training.editing import drop_units, edit_units, merge_units, rename_units, reorder_units
    from docnvil.training.fit import fit
    from docnvil.training.fitted_model import FittedModel
    from docnvil.training.settings import Settings
    from docnvil.training.state import Checkpoint

__version__ = "0.1.0"

# The public names by module; "load=load_model" is load_model under the name load.
_NAMES = {
    "analysis.bootstrap": "bootstrap_intervals",
    "analysis.coherence": "c_v diversity npmi",
    "analysis.completion": "Completion",
    "analysis.null_models": "unigram_perplexity",
    "analysis.perplexity": "Perplexity",
    "analysis.themes": "Theme",
    "analysis.topics": "Topic",
    "comparison.adapters": "adapt_topic_model",
    "comparison.runner": "compare_models",
    "corpus.loading": "load_document_term_matrix",
    "corpus.reading": "read_corpus",
    "corpus.writing": "write_corpus",
    "errors": "CheckpointError ConfigurationError CorpusError DocnvilError DocnvilWarning MissingDependencyError"
    " OutputExistsError TrainingError VocabularyError WorkerError",
    "estimator": "DocNVIL",
    "storage.checkpoints": "read_checkpoint write_checkpoint",
    "storage.model_folder": "load=load_model save=save_model",
    "text.counts": "count_words",
    "text.document_term_matrix": "align_vocabulary DocumentTermMatrix",
    "text.documents": "Document read_documents",
    "text.formats": "read_counts write_counts",
    "text.settings": "SourceOptions",
    "text.splits": "split_documents",
    "text.tokens": "tokenize TokenRules",
    "text.vocabulary": "build_vocabulary Vocabulary",
    "training.callbacks": "Callback",
    "training.continuing": "continue_fit",
    "training.editing": "drop_units edit_units merge_units rename_units reorder_units",
    "training.fit": "fit",
    "training.fitted_model": "FittedModel",
    "training.settings": "Settings",
    "training.state": "Checkpoint",
}
_HOMES = {
    name.split("=")[0]: (module, name.split("=")[-1]) for module, names in _NAMES.items() for name in names.split()
}

_WITHOUT_TORCH = ("errors", "corpus.", "text.")  # beginnings of modules

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'docnvil' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    if "torch" not in sys.modules and not module.startswith(_WITHOUT_TORCH):
        from docnvil.runtime.process import require_current_folder

        require_current_folder()
    return getattr(import_module(f"docnvil.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
