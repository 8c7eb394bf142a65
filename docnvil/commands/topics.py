"""docnvil topics: list the words of each unit, and evaluate their coherence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import load_for_model, sequences_for_model
from docnvil.commands.options import (
    CORPUS,
    JSON,
    MODEL,
    POSITIVE,
    Output,
    force_option,
    model_source_options,
    with_options,
)
from docnvil.commands.printing import echo, echo_json, note
from docnvil.commands.relations import check_graph, print_tree, write_graph
from docnvil.errors import counted
from docnvil.storage.suffixes import GRAPHS

if TYPE_CHECKING:
    from docnvil.analysis.themes import Theme
    from docnvil.analysis.topics import Topic
    from docnvil.training.fitted_model import FittedModel

MEASURES = {"npmi": "NPMI", "npmi_exact": "exact NPMI", "c_v": "C_V"}
DEAD = "the same for all documents"
LISTED = 10  # numbers of dead units or unused themes in a line


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
@click.option("--tree", is_flag=True, help="Print the units as a tree.")
@click.option("--graph", type=Output(*GRAPHS), help="File for relations between units: .json or .dot.")
@click.option("--corpus", type=CORPUS, help="Documents in which --graph counts units.  [default: the prior]")
@with_options(force_option("an existing graph"), JSON, model_source_options)
def topics(model: Path, words: int, references: tuple[Path, ...], measure: str, as_json: bool, **options: Any) -> None:
    """List the live units of MODEL, one per line: number, share of documents with the unit on, name if any, words.

    The themes of a mixture prior follow: number, share of documents, words, and the units that are on
    more often in these documents. Dead units and unused themes are counted in one line each.

    \b
    docnvil topics model/
    docnvil topics model/ --coherence train/ --coherence test/
    docnvil topics model/ --tree
    docnvil topics model/ --graph units.dot

    Words are ranked by how much more frequent they are in documents with the unit on than off. A unit without
    information about documents is dead; only --json lists its words. Others are marked as duplicates, or as units of
    general words, which are common without the unit, too.

    --coherence adds the coherence of each unit's words in these documents, and a last line with the mean over live
    units, the share of distinct words among all listed words (diversity), the share of words listed for one unit only,
    and how much the words belong to a single unit (exclusivity). NPMI counts co-occurrences in documents, C_V in
    windows of 110 words, as gensim does; npmi_exact scores words that never occur together as -1, where gensim's
    formula gives about -0.5 to rare ones.

    --tree shows each unit of the deepest layer with the units below that it raises and the words that it makes more
    probable. The units of a single layer are grouped by the similarity of their words.

    --graph writes the live units, and the three pairs of each with the most information among those that are on
    together at least twice, or at most half, as often as by chance, with the weights between them in the prior; as JSON
    or for Graphviz. The direction is the order of the units in the prior; it does not mean that one causes another.
    """
    from docnvil.storage.model_folder import load_model

    graph, corpus = options["graph"], options["corpus"]
    _check_combination(references, options)
    if graph is not None:
        check_graph(graph, model, corpus, force=options["force"])
    fitted = load_model(model, "cpu")
    if graph is not None:
        write_graph(fitted, graph, corpus, words, options)
        return
    if options["tree"]:
        print_tree(fitted, words, as_json=as_json)
        return
    _print_units(fitted, words, references, measure, options, as_json=as_json)


def _print_units(
    fitted: "FittedModel",
    words: int,
    references: Sequence[Path],
    measure: str,
    options: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Print the units, their themes and the coherence of their words."""
    from docnvil.storage.tables import topic_words

    listed = fitted.topics(words)
    live = [topic for topic in listed if not topic.dead]
    themes = fitted.theme_topics(words) if fitted.has_themes else []
    used = [theme for theme in themes if not theme.unused]
    all_values = _coherence(fitted, [*live, *used], references, options, measure) if references else []
    coherence = _by_number([topic.unit for topic in live], all_values[: len(live)])
    theme_coherence = _by_number([theme.theme for theme in used], all_values[len(live) :])
    summary = _summary(live, coherence, measure)
    if as_json:
        units = [asdict(topic) | {"words": topic_words(topic, fitted.vocabulary)} for topic in listed]
        if references:
            units = [unit | {measure: coherence.get(unit["unit"])} for unit in units]
        theme_rows = [asdict(theme) | {"words": topic_words(theme, fitted.vocabulary)} for theme in themes]
        if references:
            theme_rows = [theme | {measure: theme_coherence.get(theme["theme"])} for theme in theme_rows]
        echo_json({"units": units, **({"themes": theme_rows} if fitted.has_themes else {}), **summary})
        return
    column = MEASURES[measure] if references else None
    noun = "words" if fitted.network.generative.visible.reports_perplexity else "bits"
    echo(_line("unit", "share", column, column, noun))
    for topic in live:
        text = " ".join(topic_words(topic, fitted.vocabulary)) + _format_mark(topic)
        name = f"{topic.name}: " if topic.name else ""
        value = _format_coherence(coherence.get(topic.unit))
        echo(_line(str(topic.unit), f"{topic.share:.1%}", value, column, f"{name}{text}"))
    _print_left_out([topic.name or str(topic.unit) for topic in listed if topic.dead], "dead unit", DEAD)
    if coherence:
        echo(
            f"\nmean {MEASURES[measure]} {summary[measure]:.3f}, diversity {summary['diversity']:.3f} (distinct words;"
            f" listed for one unit only: {summary['single_list_share']:.3f}),"
            f" exclusivity {summary['exclusivity']:.3f}, over {summary['live_units']} live units of {len(listed)}"
        )
    if any(topic.general for topic in listed):
        note("(general words): they are also common in documents in which the unit is off.")
    if themes:
        _print_themes(fitted, themes, theme_coherence, column)


def _line(number: str, share: str, coherence: str | None, column: str | None, text: str) -> str:
    """Return a line of the table; the coherence is left out if it has no column."""
    value = "" if column is None else f"{coherence:>{max(6, len(column))}}  "
    return f"{number:>4}  {share:>6}  {value}{text}"


def _print_left_out(names: Sequence[str], noun: str, meaning: str) -> None:
    """Print one line on the units or themes that are not listed."""
    if names:
        more = f" and {len(names) - LISTED:,} more" * (len(names) > LISTED)
        echo(f"\n{counted(len(names), noun)}, {meaning}: {', '.join(names[:LISTED])}{more}")


def _check_combination(references: Sequence[Path], options: Mapping[str, Any]) -> None:
    """Refuse options of which one would have no effect."""
    chosen = [name for name in ("tree", "graph") if options[name]] + ["coherence"] * bool(references)
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} does not go with --{chosen[1]}. Run the command once for each.")
    if options["corpus"] is not None and options["graph"] is None:
        raise click.UsageError("--corpus is for --graph only. Leave it out, or name the file of the graph.")


def _print_themes(
    fitted: "FittedModel", themes: Sequence["Theme"], coherence: Mapping[int, float], column: str | None
) -> None:
    """Print one line per used theme and, with their coherence, a last line of means."""
    from docnvil.analysis.coherence import diversity
    from docnvil.storage.tables import topic_words

    echo("\n" + _line("theme", "share", column, column, "words (units that are on more often)"))
    for theme in themes:
        if theme.unused:
            continue
        value = _format_coherence(coherence.get(theme.theme))
        text = " ".join(topic_words(theme, fitted.vocabulary))
        raised = ", ".join(fitted.unit_names[unit] or str(unit) for unit in theme.units)
        units = f"  (units {raised})" if theme.units else ""
        echo(_line(f"{theme.theme:5d}", f"{theme.share:.1%}", value, column, f"{text}{units}"))
    _print_left_out([str(theme.theme) for theme in themes if theme.unused], "unused theme", "of no document")
    if coherence:
        mean = sum(coherence.values()) / len(coherence)
        used = [theme.words for theme in themes if theme.words]
        echo(
            f"\nmean {column} {mean:.3f}, diversity {diversity(used):.3f} (distinct words), over"
            f" {len(used)} used themes of {len(themes)}"
        )


def _format_coherence(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _by_number(numbers: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """Return the coherence by unit or theme, without those that have none (NaN)."""
    return {number: value for number, value in zip(numbers, values, strict=False) if value == value}


def _format_mark(topic: "Topic") -> str:
    if topic.duplicate_of is not None:
        return f"  (duplicate of unit {topic.duplicate_of})"
    return "  (general words)" if topic.general else ""


def _coherence(
    fitted: "FittedModel",
    listed: Sequence["Topic | Theme"],
    references: Sequence[Path],
    options: Mapping[str, Any],
    measure: str,
) -> list[float]:
    """Return the coherence of each list of words over the documents of all references."""
    from itertools import chain

    from scipy.sparse import csr_array, vstack

    from docnvil.analysis.coherence import c_v, npmi

    word_lists = [each.words for each in listed]
    if measure == "c_v":
        texts = chain.from_iterable(sequences_for_model(path, options, fitted) for path in references)
        values = c_v(word_lists, texts)
    else:
        counts = [load_for_model(path, options, fitted).counts for path in references]
        values = npmi(word_lists, csr_array(vstack(counts, format="csr")), exact=measure == "npmi_exact")
    return [float(value) for value in values]


def _summary(live: Sequence["Topic"], coherence: Mapping[int, float], measure: str) -> dict[str, float | None]:
    """Return the means over live units; None where no unit has a value."""
    from docnvil.analysis.coherence import diversity, single_list_share

    with_words = [topic for topic in live if topic.words]
    return {
        "live_units": len(live),
        "duplicate_units": sum(topic.duplicate_of is not None for topic in live),
        "general_units": sum(topic.general for topic in live),
        "diversity": diversity([topic.words for topic in with_words]) if with_words else None,
        "single_list_share": single_list_share([topic.words for topic in with_words]) if with_words else None,
        "exclusivity": sum(topic.exclusivity for topic in with_words) / len(with_words) if with_words else None,
        measure: sum(coherence.values()) / len(coherence) if coherence else None,
    }
