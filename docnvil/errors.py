"""Failures in the user's terms: each message is a whole sentence that says what to do next.

Every error raised on purpose is a `DocnvilError`; the commands print its message and exit with status 1, without a
traceback. The ones that speak of values are `ValueError` too, because that is what scikit-learn's callers catch.
"""


class DocnvilError(Exception):
    """The base of every failure that docnvil foresees."""


class CorpusError(DocnvilError, ValueError):
    """Documents or counts that cannot be read, or cannot be what they claim to be."""


class VocabularyError(DocnvilError, ValueError):
    """A word list that is empty, repeats itself, or does not fit the counts."""


class ConfigurationError(DocnvilError, ValueError):
    """A setting outside its range, or settings that contradict each other."""


class CheckpointError(DocnvilError):
    """A model or corpus folder that is incomplete, altered, or of a version this docnvil does not know."""


class OutputExistsError(DocnvilError):
    """Something already stands where the output should go."""


class TrainingError(DocnvilError):
    """Training that cannot go on, for instance because the bound is no longer a number."""


class WorkerError(DocnvilError):
    """Processes that were to share the work, and died."""


class MissingDependencyError(DocnvilError):
    """An optional package or data set that a chosen option needs is not installed."""
