"""Signs that a training has not given a usable model, each as a sentence with its cause and a remedy."""

from collections.abc import Callable, Iterator

import numpy as np
import regex
from numpy.typing import NDArray

from docnvil.errors import counted
from docnvil.text.languages import LANGUAGES
from docnvil.text.stop_words import stop_words_of
from docnvil.training.fitted_model import FittedModel
from docnvil.training.recipes import supported_units

MOST = 0.5  # share of empty documents
NEARLY_ALL = 0.9  # share of dead units
DOCUMENTS_PER_UNIT = 10  # with fewer, units repeat single documents
FEWEST_DOCUMENTS = 20  # with fewer, there is no number of units that fits
MOST_BATCH = 10  # times the documents; with larger batches, there are few updates
LONG_WORD = 15  # letters
CLAUSE = 4  # letters; longer words of scripts without spaces are clauses
N_FREQUENT = 50  # words that show the language
STOP_WORD_SHARE = 0.3  # of these, which are stop words of another language

_WITHOUT_SPACES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


def model_warnings(model: FittedModel) -> list[tuple[str, str]]:
    """Return what is wrong with a fitted model: the name of each fault, and sentences with a remedy."""
    checks: dict[str, Callable[[FittedModel], Iterator[str]]] = {
        "clauses": _words_are_clauses,
        "empty": _most_documents_are_empty,
        "language": _stop_words_of_another_language,
        "few documents": _few_documents,
        "large batches": _batches_exceed_documents,
        "dead units": _units_are_dead,
        "nothing learned": _nothing_learned,
    }
    return [(name, text) for name, check in checks.items() for text in check(model)]


def _words_are_clauses(model: FittedModel) -> Iterator[str]:
    """Long words: text without spaces, or text that is not split at all."""
    if model.vocabulary.is_numbered or not model.network.generative.visible.reports_perplexity:
        return
    frequency = model.statistics.word_frequency
    lengths = np.array([len(word) for word in model.vocabulary])
    if not frequency.any():
        return
    median = _weighted_median(lengths, frequency)
    without_spaces = np.array([bool(_WITHOUT_SPACES.search(word)) for word in model.vocabulary])
    longest = model.vocabulary[int(np.where(frequency > 0, lengths, 0).argmax())]
    if frequency[without_spaces].sum() > MOST * frequency.sum():
        if median > CLAUSE or (_share_of_empty(model) > MOST and _has_default_tokenizer(model)):
            yield (
                f"The texts are in a script without spaces between words, so whole clauses such as {longest[:30]!r}"
                " were counted as words. Pass a --tokenizer of their language, or put spaces between words."
            )
    elif median > LONG_WORD:
        yield (
            f"Half of the tokens have more than {LONG_WORD} letters, such as {longest[:30]!r}, so the texts were"
            " probably not split into words. Check the texts, or choose another --tokenizer or --token-pattern."
        )


def _has_default_tokenizer(model: FittedModel) -> bool:
    return model.token_rules is not None and model.token_rules.tokenizer is None


def _weighted_median(values: NDArray[np.integer], weights: NDArray[np.float64]) -> int:
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return int(values[order][np.searchsorted(cumulated, cumulated[-1] / 2)])


def _share_of_empty(model: FittedModel) -> float:
    return model.corpus["empty_documents"] / max(1, model.corpus["documents"])


def _most_documents_are_empty(model: FittedModel) -> Iterator[str]:
    empty, total = model.corpus["empty_documents"], model.corpus["documents"]
    if _share_of_empty(model) <= MOST or model.network.generative.visible.empty_is_data:
        return
    text = f"{empty:,} of {counted(total, 'document')} {'is' if empty == 1 else 'are'} empty"
    if model.token_rules is None:
        yield f"{text}. Check that the rows of the matrix are documents, and that its columns are complete."
    else:
        yield (
            f"{text}: none of their words is in the vocabulary. Lower --min-df, raise --max-df or --vocabulary-size, or"
            " check the token options."
        )


def _stop_words_of_another_language(model: FittedModel) -> Iterator[str]:
    rules = model.token_rules
    if rules is None or not rules.stop_words or len(model.vocabulary) < N_FREQUENT:
        return
    frequent = np.argsort(-model.statistics.word_frequency, kind="stable")[:N_FREQUENT]
    words = {model.vocabulary[int(column)].lower() for column in frequent}
    found = {code: words.intersection(stop_words_of(code)) for code in LANGUAGES}
    code = max(found, key=lambda each: len(found[each]))
    if len(found[code]) < STOP_WORD_SHARE * N_FREQUENT:
        return
    language = LANGUAGES[code]
    examples = ", ".join(sorted(found[code])[:5])
    yield (
        f"{len(found[code])} of the {N_FREQUENT} most frequent words are {language.capitalize()} stop words"
        f" ({examples}), and the stop words were {rules.stop_words_name}. Pass --stop-words {language}."
    )


def _few_documents(model: FittedModel) -> Iterator[str]:
    n_documents, n_units = model.statistics.n_documents, sum(model.network.config.units)
    fitting = min(supported_units(n_documents), n_documents // DOCUMENTS_PER_UNIT)
    if n_documents >= FEWEST_DOCUMENTS and n_units <= fitting:
        return
    visible = model.network.generative.visible
    noun = visible.document_noun + ("" if n_documents == 1 else "s") + ("" if visible.empty_is_data else " with words")
    if n_documents < FEWEST_DOCUMENTS:
        verb = "is" if n_documents == 1 else "are"
        yield (
            f"There {verb} only {n_documents:,} {noun}, too few for a topic model. Use some"
            f" hundred or more; long {visible.document_noun}s can be split into paragraphs."
        )
        return
    n_off = model.network.config.units[0] - supported_units(n_documents)
    off = f" {n_off:,} of them were not started." if n_off > 0 and model.training.start == "clusters" else ""
    yield (
        f"{n_documents:,} {noun} are few for {counted(n_units, 'unit')}.{off} Use at most --units {fitting}, or more"
        " documents."
    )


def _batches_exceed_documents(model: FittedModel) -> Iterator[str]:
    n_documents, size = model.statistics.n_documents, model.training.batch_size
    if n_documents >= FEWEST_DOCUMENTS and size > MOST_BATCH * n_documents:
        yield (
            f"A batch is {size:,} documents, and the corpus has {n_documents:,}, so there were only"
            f" {counted(model.history[-1].updates, 'update')}. Use a smaller --batch-size, or another recipe."
        )


def _units_are_dead(model: FittedModel) -> Iterator[str]:
    dead = model.statistics.dead
    if dead.mean() >= NEARLY_ALL:
        yield (
            f"{int(dead.sum()):,} of {counted(len(dead), 'unit')} {'is' if dead.sum() == 1 else 'are'} dead, the same"
            " for all documents. Use more documents, fewer --units, more --epochs or a smaller --sparsity."
        )


def _nothing_learned(model: FittedModel) -> Iterator[str]:
    if model.no_units is None or model.units_gain is None:
        return
    if model.network.generative.visible.reports_perplexity:
        figures = model.best.validation_perplexity, model.no_units.validation_perplexity
    else:
        figures = -model.best.validation_bound, -model.no_units.validation_bound
    if text := model.units_gain.describe(*figures):
        yield f"{text} Use more documents, fewer --units or more --epochs."
