"""Units as a page shows them: a label, words, a share and the rest in parts that unfold."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from docnvil.analysis.topics import Topic
from docnvil.report.corpus import CorpusReport
from docnvil.report.overview import words_with_strength
from docnvil.report.timeline import timeline
from docnvil.report.units import Prevalence, UnitDetails, describe_units
from docnvil.storage.tables import topic_words
from docnvil.training.fitted_model import FittedModel

MAX_GROUP_ROWS = 8  # of the prevalence by label; the rest is left out


@dataclass(frozen=True)
class UnitCard:
    """A unit on a page.

    Arguments:
        topic: its topic.
        label: its name, or "unit 12".
        is_named: whether it has a name.
        words: the words that it raises, each with how boldly to write it, from 0 to 3.
        raised: more of them.
        share: its share of the documents of the page, or else of those of training.
        details: the rest.
        group_rows: its prevalence in the labels where it is most frequent, with the numbers of the labels.
        timeline: its prevalence over time as a chart.
    """

    topic: Topic
    label: str
    is_named: bool
    words: tuple[tuple[str, int], ...]
    raised: tuple[tuple[str, int], ...]
    share: float
    details: UnitDetails
    group_rows: tuple[tuple[int, Prevalence], ...] = ()
    timeline: str = ""

    @property
    def short_name(self) -> str:
        """Its name, or two of its words that do not start alike."""
        if self.is_named or not self.words:
            return self.label
        first, *others = (word for word, _ in self.words)
        second = next((word for word in others if word[:4] != first[:4]), None)
        return first if second is None else f"{first} {second}"


def unit_cards(
    model: FittedModel, topics: Sequence[Topic], longer: Sequence[Topic], corpus: CorpusReport | None = None
) -> list[UnitCard]:
    """Return the cards of all units, in the order of the topics.

    Arguments:
        model: the model.
        topics: its topics.
        longer: the same topics with more words.
        corpus: the corpus of the page, if there is one.
    """
    details = describe_units(model, topics) if corpus is None else corpus.units
    pairs = zip(topics, longer, strict=True)
    return [_card(model, topic, more, details[topic.unit]) for topic, more in pairs]


def _card(model: FittedModel, topic: Topic, more: Topic, details: UnitDetails) -> UnitCard:
    label = model.unit_label(topic.unit)
    known = [(place, group) for place, group in enumerate(details.groups) if group.documents]
    ranked = sorted(known, key=lambda pair: (-pair[1].share, pair[0]))[:MAX_GROUP_ROWS]
    return UnitCard(
        topic=topic,
        label=label,
        is_named=model.unit_names[topic.unit] is not None,
        words=tuple(words_with_strength(topic, topic_words(topic, model.vocabulary))),
        raised=tuple(words_with_strength(more, topic_words(more, model.vocabulary))),
        share=topic.share if details.share is None else details.share,
        details=details,
        group_rows=tuple(ranked),
        timeline=Markup(timeline(details.periods, label)),
    )
