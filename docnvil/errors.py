"""Errors that docnvil raises on purpose, and its warnings; each message says what is wrong and what to do.

Commands print the message of a `DocnvilError` without a traceback and exit with status 1. Errors about values are also
`ValueError`, which users of scikit-learn expect.

Messages name settings by their options, such as `--text-column`. In Python, they read `text_column`.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# Options whose names in Python follow no rule.
_PYTHON_NAMES = {
    "out": "path",
    "force": "force=True",
    "resume": "resume_from",
    "vocabulary-size": "size",
    "samples": "n_samples",
}
_SINGULAR = {"": "", "are": "is", "were": "was", "have": "has"}
_MORE_MEMORY = "Close other programs, or use a machine with more memory."
_OPTION = re.compile(r"(?<![\w-])--(no-)?([a-z][a-z0-9-]*)")


def name_in_python(message: str) -> str:
    """Return a message with the Python names of the options in it.

    Example:
        >>> name_in_python("Choose one with --text-column, or pass --no-header.")
        'Choose one with text_column, or pass header=False.'
    """

    def name(match: re.Match[str]) -> str:
        negation, option = match.groups()
        python_name = _PYTHON_NAMES.get(option, option.replace("-", "_"))
        return f"{python_name}=False" if negation else python_name

    return _OPTION.sub(name, message)


class _Message(Exception):  # noqa: N818  a base class
    """Mixin whose text has Python names; `command_line_message` has the names of options."""

    def __str__(self) -> str:
        return name_in_python(self.command_line_message)

    @property
    def command_line_message(self) -> str:
        """The message for users of the command line."""
        return super().__str__()


class DocnvilError(_Message):
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


class OutOfMemoryError(DocnvilError, MemoryError):
    """A step needs more memory than is free."""


class MissingDependencyError(DocnvilError):
    """An optional package or data set that an option needs is not installed."""


class DocnvilWarning(_Message, UserWarning):
    """Something about the input or the result that is probably not meant; the message says what to do.

    Commands print the message on stderr; in Python, the filters of `warnings` apply.
    """


class DocnvilNote(DocnvilWarning):
    """How an input was read, such as its delimiter; nothing needs to be done if it is what was meant."""


def warn(message: str, category: type[DocnvilWarning] = DocnvilWarning) -> None:
    """Issue a `DocnvilWarning`, or a `DocnvilNote`."""
    warnings.warn(category(message), stacklevel=3)


def first_line(error: BaseException) -> str:
    """Return the first line of what another package says of an error, without a full stop at the end.

    Example:
        >>> first_line(RuntimeError("The GPU is busy."))
        'The GPU is busy'
    """
    return str(error).strip().split("\n")[0].rstrip(".")


def format_examples(names: Sequence[str], maximum: int = 10) -> str:
    """Return the first of some names, in quotes, and the number of the others.

    Example:
        >>> print(format_examples(["New York", "don't", "it's"], maximum=2))
        "New York", "don't" and 1 more
    """
    rest = f" and {len(names) - maximum:,} more" if len(names) > maximum else ""
    return ", ".join(f'"{name}"' for name in names[:maximum]) + rest


def counted(number: int, noun: str, verb: str = "") -> str:
    """Return a number, a noun and perhaps a verb in the right form.

    Arguments:
        number: how many.
        noun: the noun for one.
        verb: "are", "were" or "have", for several.

    Example:
        >>> counted(1, "document", "have"), counted(2500, "document", "have"), counted(0, "entry")
        ('1 document has', '2,500 documents have', '0 entries')
    """
    if number == 1:
        return f"1 {noun} {_SINGULAR[verb]}".rstrip()
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {plural} {verb}".rstrip()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error reports a lack of memory; torch raises a plain `RuntimeError`."""
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def out_of_memory(step: str, remedy: str = _MORE_MEMORY, error: BaseException | None = None) -> OutOfMemoryError:
    """Return the error for a step that ran out of memory.

    Arguments:
        step: what was done, such as "reading posts.csv".
        remedy: a sentence that says what to do.
        error: what was raised; the messages of NumPy and CUDA contain the size.

    Example:
        >>> out_of_memory("reading posts.csv", "Split the file.")
        OutOfMemoryError('Out of memory while reading posts.csv. Split the file.')
        >>> error = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        >>> out_of_memory("training", "Use fewer --units.", error)
        OutOfMemoryError('Out of GPU memory while training (2.00 GiB more needed). Use fewer --units.')
    """
    wanted = re.search(r"(?:Unable|Tried) to allocate ([0-9.]+ [A-Za-z]+)", str(error))
    memory = "GPU memory" if "CUDA" in str(error) else "memory"
    return OutOfMemoryError(f"Out of {memory} while {step}{f' ({wanted[1]} more needed)' if wanted else ''}. {remedy}")


@contextmanager
def naming_step(step: str, remedy: str = _MORE_MEMORY) -> Iterator[None]:
    """Name the step that ran out of memory, see `out_of_memory`; the name of an inner step is kept."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(step, remedy, error) from error


@contextmanager
def translating_errors(error_class: type[DocnvilError], path: object, remedy: str) -> Iterator[None]:
    """Raise `error_class` with the name of a file in place of any error of the code that parses it.

    Parsers of other packages raise errors of many classes on damaged files, so all are translated. Errors of docnvil
    and of the operating system keep their class.

    Arguments:
        error_class: the class of the new error.
        path: the file, for the message.
        remedy: a sentence that says what to do.

    Example:
        >>> with translating_errors(CheckpointError, "model.json", "Train it again."):
        ...     {}["units"]
        Traceback (most recent call last):
        ...
        docnvil.errors.CheckpointError: model.json cannot be read (KeyError: 'units'). Train it again.
    """
    try:
        yield
    except (DocnvilError, OSError):
        raise
    except MemoryError as error:
        raise out_of_memory(f"reading {path}", error=error) from error
    except Exception as error:
        lines = str(error).splitlines()
        reason = f": {lines[0][:200]}" if lines else ""
        raise error_class(f"{path} cannot be read ({type(error).__name__}{reason}). {remedy}") from error
