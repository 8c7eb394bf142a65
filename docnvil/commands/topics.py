"""docnvil topics: what each unit stands for, in words, and how well those words hang together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json
from docnvil.commands.options import CORPUS, load_for_model, sequences_for_model, source_options

if TYPE_CHECKING:
    from docnvil.analysis.topics import Topic
    from docnvil.training.fitted_model import FittedModel

MEASURES = {"npmi": "NPMI", "c_v": "C_V"}


@click.command()
@click.argument("model", type=CORPUS)
@click.option("--words", type=click.IntRange(min=1), default=10, show_default=True, help="Words a unit.")
@click.option(
    "--coherence",
    "references",
    multiple=True,
    type=CORPUS,
    help="Also judge the words by this corpus, in which they occur together or not; may be given several times.",
)
@click.option(
    "--measure",
    type=click.Choice(list(MEASURES)),
    default="npmi",
    show_default=True,
    help="With --coherence: NPMI over documents; or C_V over windows of 110 words of texts, as gensim counts it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
def topics(model: Path, words: int, references: tuple[Path, ...], measure: str, as_json: bool, **options: Any) -> None:
    """List the units of MODEL, a line each: number, share of documents that switch it on, words.

    \b
    docnvil topics model/
    docnvil topics model/ --coherence train/ --coherence test/

    Words are ranked by how much more often they come in documents with the unit on than off. A unit that tells nothing
    about a document is said to be dead; one that says what another says better, and one whose words are common without
    it, are marked. With --coherence each line has the words' coherence over those documents, and a last line its mean
    over live units, with the share of distinct words among all listed, and how far words belong to one unit.
    """
    from docnvil.storage.model_folder import load_model
    from docnvil.storage.tables import topic_words

    fitted = load_model(model, "cpu")
    listed = fitted.topics(words)
    live = [topic for topic in listed if not topic.dead]
    coherence = _coherence(fitted, live, references, options, measure) if references else {}
    summary = _summary(live, coherence, measure)
    if as_json:
        units = [
            {
                "unit": topic.unit,
                "share": topic.share,
                "information": topic.information,
                "dead": topic.dead,
                "duplicate_of": topic.duplicate_of,
                "general": topic.general,
                "exclusivity": topic.exclusivity,
                "words": topic_words(topic, fitted.vocabulary),
                "scores": topic.scores,
                **({measure: coherence.get(topic.unit)} if references else {}),
            }
            for topic in listed
        ]
        echo_json({"units": units, **summary})
        return
    for topic in listed:
        figure = f"{coherence[topic.unit]:6.3f}  " if topic.unit in coherence else "        " if references else ""
        text = "(dead)" if topic.dead else " ".join(topic_words(topic, fitted.vocabulary)) + _mark(topic)
        click.echo(f"{topic.unit:4d}  {topic.share:6.1%}  {figure}{text}")
    if coherence:
        click.echo(
            f"\nmean {MEASURES[measure]} {summary[measure]:.3f}, diversity {summary['diversity']:.3f},"
            f" exclusivity {summary['exclusivity']:.3f}, over {summary['live_units']} live units of {len(listed)}"
        )


def _mark(topic: "Topic") -> str:
    """Say what a reader should know before reading anything into the words."""
    if topic.duplicate_of is not None:
        return f"  (as unit {topic.duplicate_of})"
    return "  (general words)" if topic.general else ""


def _coherence(
    fitted: "FittedModel", live: Sequence["Topic"], references: Sequence[Path], options: Mapping[str, Any], measure: str
) -> dict[int, float]:
    """Coherence of each live unit's words over the documents of all references together."""
    from itertools import chain

    import numpy as np
    from scipy.sparse import csr_array, vstack

    from docnvil.analysis.coherence import c_v, npmi

    lists = [topic.words for topic in live]
    if measure == "c_v":
        values = c_v(lists, chain.from_iterable(sequences_for_model(path, options, fitted) for path in references))
    else:
        counts = [load_for_model(path, options, fitted).counts for path in references]
        values = npmi(lists, csr_array(vstack(counts, format="csr")))
    return {topic.unit: float(value) for topic, value in zip(live, values, strict=True) if not np.isnan(value)}


def _summary(live: Sequence["Topic"], coherence: Mapping[int, float], measure: str) -> dict[str, float | None]:
    """Mean coherence, diversity and exclusivity over live units; None where there is nothing to average."""
    from docnvil.analysis.coherence import diversity

    worded = [topic for topic in live if topic.words]
    return {
        "live_units": len(live),
        "duplicate_units": sum(topic.duplicate_of is not None for topic in live),
        "general_units": sum(topic.general for topic in live),
        "diversity": diversity([topic.words for topic in worded]) if worded else None,
        "exclusivity": sum(topic.exclusivity for topic in worded) / len(worded) if worded else None,
        measure: sum(coherence.values()) / len(coherence) if coherence else None,
    }
