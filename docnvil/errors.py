"""Errors that docnvil raises on purpose; each message says what is wrong and what to do.

Commands print the message of a `DocnvilError` without a traceback and exit with status 1. Errors about values are also
`ValueError`, which users of scikit-learn expect.
"""


class DocnvilError(Exception):
    """Base class of all errors raised on purpose."""


class CorpusError(DocnvilError, ValueError):
    """Documents or counts cannot be read, or are invalid."""


class VocabularyError(DocnvilError, ValueError):
    """A vocabulary is empty, has duplicates, or does not fit the counts."""


class ConfigurationError(DocnvilError, ValueError):
    """A setting is out of range, or settings contradict each other."""


class CheckpointError(DocnvilError):
    """A model or corpus folder is incomplete, changed, or of an unsupported version."""


class OutputExistsError(DocnvilError):
    """The output path already exists."""


class TrainingError(DocnvilError):
    """Training cannot continue, for example because the bound is NaN."""


class WorkerError(DocnvilError):
    """A worker process ended too early."""


class MissingDependencyError(DocnvilError):
    """An optional package or data set that an option needs is not installed."""


class DocnvilWarning(UserWarning):
    """Something about the input or the result that is probably not meant; the message says what to do.

    Commands print the message on stderr; in Python, the filters of `warnings` apply.
    """
