"""docnvil topics: list the words of each unit, and evaluate their coherence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json
from docnvil.commands.inputs import load_for_model, sequences_for_model
from docnvil.commands.options import CORPUS, JSON, MODEL, POSITIVE, source_options, with_options

if TYPE_CHECKING:
    from docnvil.analysis.topics import Topic
    from docnvil.training.fitted_model import FittedModel

MEASURES = {"npmi": "NPMI", "c_v": "C_V"}


@click.command()
@MODEL
@click.option("--words", type=POSITIVE, default=10, help="Words per unit.")
@click.option(
    "--coherence", "references", multiple=True, type=CORPUS, help="Corpus for the words' coherence; may be repeated."
)
@click.option(
    "--measure",
    type=click.Choice(list(MEASURES)),
    default="npmi",
    help="Coherence measure: NPMI over documents, or C_V over texts.",
)
@with_options(JSON, source_options)
def topics(model: Path, words: int, references: tuple[Path, ...], measure: str, as_json: bool, **options: Any) -> None:
    """List the units of MODEL, one per line: number, share of documents with the unit on, words.

    \b
    docnvil topics model/
    docnvil topics model/ --coherence train/ --coherence test/

    Words are ranked by how much more frequent they are in documents with the unit on than off. A unit without
    information about documents is marked as dead, others as duplicates or as units of general words, which are common
    without the unit too.

    --coherence adds the coherence of each unit's words in these documents, and a last line with the mean over live
    units, the share of distinct words among all listed words (diversity), and how much the words belong to a single
    unit (exclusivity). NPMI counts co-occurrences in documents, C_V in windows of 110 words, as gensim does.
    """
    from docnvil.storage.model_folder import load_model
    from docnvil.storage.tables import topic_words

    fitted = load_model(model, "cpu")
    listed = fitted.topics(words)
    live = [topic for topic in listed if not topic.dead]
    coherence = _coherence(fitted, live, references, options, measure) if references else {}
    summary = _summary(live, coherence, measure)
    if as_json:
        units = [asdict(topic) | {"words": topic_words(topic, fitted.vocabulary)} for topic in listed]
        if references:
            units = [unit | {measure: coherence.get(unit["unit"])} for unit in units]
        echo_json({"units": units, **summary})
        return
    for topic in listed:
        value = f"{coherence[topic.unit]:6.3f}  " if topic.unit in coherence else "        " if references else ""
        text = "(dead)" if topic.dead else " ".join(topic_words(topic, fitted.vocabulary)) + _format_mark(topic)
        click.echo(f"{topic.unit:4d}  {topic.share:6.1%}  {value}{text}")
    if coherence:
        click.echo(
            f"\nmean {MEASURES[measure]} {summary[measure]:.3f}, diversity {summary['diversity']:.3f},"
            f" exclusivity {summary['exclusivity']:.3f}, over {summary['live_units']} live units of {len(listed)}"
        )


def _format_mark(topic: "Topic") -> str:
    if topic.duplicate_of is not None:
        return f"  (duplicate of unit {topic.duplicate_of})"
    return "  (general words)" if topic.general else ""


def _coherence(
    fitted: "FittedModel", live: Sequence["Topic"], references: Sequence[Path], options: Mapping[str, Any], measure: str
) -> dict[int, float]:
    """Return the coherence of each live unit's words over the documents of all references, by unit."""
    from itertools import chain

    import numpy as np
    from scipy.sparse import csr_array, vstack

    from docnvil.analysis.coherence import c_v, npmi

    word_lists = [topic.words for topic in live]
    if measure == "c_v":
        texts = chain.from_iterable(sequences_for_model(path, options, fitted) for path in references)
        values = c_v(word_lists, texts)
    else:
        counts = [load_for_model(path, options, fitted).counts for path in references]
        values = npmi(word_lists, csr_array(vstack(counts, format="csr")))
    return {topic.unit: float(value) for topic, value in zip(live, values, strict=True) if not np.isnan(value)}


def _summary(live: Sequence["Topic"], coherence: Mapping[int, float], measure: str) -> dict[str, float | None]:
    """Return the means over live units; None where no unit has a value."""
    from docnvil.analysis.coherence import diversity

    with_words = [topic for topic in live if topic.words]
    return {
        "live_units": len(live),
        "duplicate_units": sum(topic.duplicate_of is not None for topic in live),
        "general_units": sum(topic.general for topic in live),
        "diversity": diversity([topic.words for topic in with_words]) if with_words else None,
        "exclusivity": sum(topic.exclusivity for topic in with_words) / len(with_words) if with_words else None,
        measure: sum(coherence.values()) / len(coherence) if coherence else None,
    }
