"""A trained model with everything needed to use it on new documents.

Axes: N documents, V vocabulary, K units.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.analysis.attribution import Attribution, attribute
from docnvil.analysis.document_effects import document_effects
from docnvil.analysis.document_table import document_table
from docnvil.analysis.effects import Effects
from docnvil.analysis.gain import UnitsGain
from docnvil.analysis.null_models import LayerWithoutUnits
from docnvil.analysis.outliers import OutlierModel, OutlierScores
from docnvil.analysis.perplexity import TEMPERATURES, Bound, Perplexity, document_bounds
from docnvil.analysis.surprise import word_surprise
from docnvil.analysis.themes import Theme, ThemeStatistics, assign_themes, describe_themes, require_themes
from docnvil.analysis.topics import Topic, UnitStatistics, topics
from docnvil.analysis.unit_names import UnitNames, check_names, label_of
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.errors import ConfigurationError, VocabularyError, counted, name_in_python
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.null_models import NullModel
from docnvil.model.settings import ModelConfig
from docnvil.schema import settings_of
from docnvil.text.document_term_matrix import DocumentTermMatrix, require_matrix
from docnvil.text.excerpts import Excerpt
from docnvil.text.sparse import row_sums
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.data import CheckedCounts, count_alike
from docnvil.training.recipes import RECIPES
from docnvil.training.records import EpochRecord, best_of
from docnvil.training.settings import Settings, TrainingConfig, all_settings

if TYPE_CHECKING:
    from docnvil.analysis.unit_graph import UnitGraph
    from docnvil.analysis.unit_tree import TreeNode

if TYPE_CHECKING:
    import pandas


def require_model(value: object) -> "FittedModel":
    """Return a value that is a `FittedModel`; another one raises a `ConfigurationError`."""
    if isinstance(value, FittedModel):
        return value
    raise ConfigurationError(
        f"{type(value).__name__} is not a FittedModel. Train one with docnvil.fit, or read one with docnvil.load."
    )


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained model: what `docnvil.fit` and `docnvil.load` return, and what is saved, evaluated and drawn.

    Arguments:
        network: the belief network, with the parameters of the best epoch.
        recipe: the name of the recipe that the settings started from.
        training: the settings of the training.
        statistics: how often words and units occur together in the training documents.
        history: one record per epoch.
        vocabulary: the words of the columns, numbered ones if they have no names.
        token_rules: how text becomes words, or None if the model was trained on ready-made counts.
        corpus: size of the training corpus.
        run: machine, versions, duration, and warnings with the names of options.
        reading: options with which later sources are read in the same way, see `DocumentTermMatrix`.
        no_units: the same output layer without units, to compare with; None in folders of earlier versions.
        theme_statistics: how often words, units and themes occur together, or None if the prior is not a mixture.
        unit_names: the name of each unit of the first layer, or None; by default no unit has one.
        edits: what `docnvil.training.editing` changed after training, the first edit first.
        continued: what each later training on new documents was, see `docnvil.training.continuing`.

    Example:
        >>> import docnvil
        >>> counts = np.kron(np.eye(2, dtype=int), np.full((30, 5), 3))  # two subjects, thirty documents each
        >>> model = docnvil.fit(counts, docnvil.Settings(units=(2,), epochs=60, batch_size=10))
        >>> model.transform(counts).shape, model.evaluate(counts).perplexity_per_document < 7
        ((60, 2), True)
    """

    network: BeliefNetwork
    recipe: str
    training: TrainingConfig
    statistics: UnitStatistics
    history: tuple[EpochRecord, ...]
    vocabulary: Vocabulary
    token_rules: TokenRules | None
    corpus: Mapping[str, Any]
    run: Mapping[str, Any]
    reading: Mapping[str, Any] = field(default_factory=dict)
    no_units: LayerWithoutUnits | None = None
    theme_statistics: ThemeStatistics | None = None
    unit_names: UnitNames = ()
    edits: tuple[Mapping[str, Any], ...] = ()
    continued: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit_names", check_names(self.unit_names, self.network.config.units[0]))

    @property
    def best(self) -> EpochRecord:
        """The record of the epoch whose parameters the model has."""
        return best_of(self.history)

    @property
    def settings(self) -> Settings:
        """The settings that train this model again, with all values given explicitly."""
        values = {name: getattr(self.network.config, name) for name in settings_of(ModelConfig)}
        values |= {name: getattr(self.training, name) for name in settings_of(TrainingConfig)}
        del values["vocabulary_size"]
        training = self.training
        chosen = {"gradient": training.gradient, "optimizer": training.optimizer, "prior": self.network.config.prior}
        for name, each in all_settings().items():
            if any(chosen[other] not in allowed for other, allowed in each.only_with.items() if other in chosen):
                del values[name]
        if self.corpus["validation"] != RECIPES[self.recipe].validation:
            values["validation"] = self.corpus["validation"]
        return Settings(self.recipe, **values)

    def null_model(self) -> NullModel | None:
        """Return the same output layer without units, fitted to the training documents, on which units should improve.

        None for a folder of an earlier version, which does not contain the concentration of the layer.
        """
        visible, statistics = self.network.generative.visible, self.statistics
        if visible.has_concentration and self.no_units is None:
            return None
        concentration = self.no_units and self.no_units.concentration
        sums, n_documents = statistics.word_frequency, statistics.n_documents
        return visible.without_units(sums, n_documents, math.inf if concentration is None else concentration)

    @property
    def units_gain(self) -> UnitsGain | None:
        """How the model compared with its output layer without units on the validation documents; None if unknown."""
        return UnitsGain.from_record(self.run.get("units_gain"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the model, as `fit` reported it; empty for a good one."""
        return tuple(map(name_in_python, self.run.get("warnings", ())))

    def transform(self, counts: Any) -> NDArray[np.floating]:
        """Return q(h_k = 1 | x), `[N, K]`, units of all layers; an empty document gets the prior's probabilities.

        Arguments:
            counts: `[N, V]` counts with the model's vocabulary, or documents that `count_words` takes.

        Raises:
            VocabularyError: counts with another vocabulary.
        """
        return unit_probabilities(self.network, self.checked(counts).matrix)

    def score_samples(self, counts: Any) -> NDArray[np.float64]:
        """Return the ELBO of each document, `[N]`, in nats, from 10 samples keyed by its words."""
        return document_bounds(self.network, self.checked(counts).matrix).log_likelihood

    def evaluate(
        self,
        counts: Any,
        *,
        bound: Bound = "elbo",
        n_samples: int = 10,
        temperatures: int = TEMPERATURES,
        seed: int = 0,
    ) -> Perplexity:
        """Return the perplexity of documents, per document and per word, with its parts.

        Arguments:
            counts: `[N, V]` counts with the model's vocabulary, or documents that `count_words` takes.
            bound: the estimator, see `docnvil.analysis.perplexity.document_bounds`.
            n_samples: S, samples per document.
            temperatures: steps of the annealing, for bound "annealed".
            seed: seed of the samples.

        Raises:
            VocabularyError: counts with another vocabulary.
            CorpusError: no document has a word.
        """
        options = {"bound": bound, "n_samples": n_samples, "temperatures": temperatures, "seed": seed}
        return document_bounds(self.network, self.checked(counts).matrix, **options).summarize()

    def explain(self, counts: Any) -> Iterator[Attribution]:
        """Yield what turns the units of each document on: the terms of the recognition logits, see `Attribution`.

        Arguments:
            counts: `[N, V]` counts with the model's vocabulary, or documents that `count_words` takes.

        Raises:
            VocabularyError: counts with another vocabulary.
        """
        return attribute(self.network, self.checked(counts).matrix)

    def word_surprise(self, counts: Any) -> Iterator[NDArray[np.float64]]:
        """Yield -log p(word | rest of the document) for the distinct words of each document, in nats.

        Arguments:
            counts: `[N, V]` counts with the model's vocabulary, or documents that `count_words` takes.

        Raises:
            ConfigurationError: the model is not one of words.
            VocabularyError: counts with another vocabulary.
        """
        return word_surprise(self.network, self.checked(counts).matrix)

    def outliers(self, documents: Any, reference: Any = None, *, seed: int = 0) -> OutlierScores:
        """Return how far documents are from normal ones, calibrated by length; see `docnvil.analysis.outliers`.

        Arguments:
            documents: a `DocumentTermMatrix`, counts with the model's vocabulary, or documents for `count_words`.
            reference: likewise, of which most are normal; None for the documents themselves.
            seed: seed of the calibration.

        Raises:
            ConfigurationError: the model is not one of words, or of an earlier version without `no_units`.
            CorpusError: fewer than 50 documents of the reference have ten known words or more.
        """
        null_model = self.null_model()
        if null_model is None:
            raise ConfigurationError("The model has no layer without units to compare with. Train it again.")
        documents, unknown = self._with_unknown(documents)
        normal = (documents, unknown) if reference is None else self._with_unknown(reference)
        return OutlierModel(self.network, self.statistics, null_model, *normal, seed=seed).score(documents, unknown)

    def _with_unknown(self, documents: Any) -> tuple[csr_array, NDArray[np.float64] | None]:
        """Return counts, and the share of unknown words of each document if it is known."""
        unknown = getattr(documents, "unknown_counts", None)
        counts = self.checked(documents).matrix
        return counts, None if unknown is None else unknown / np.maximum(unknown + row_sums(counts), 1)

    def document_table(
        self, documents: DocumentTermMatrix, excerpts: Iterable[Excerpt] | None = None, *, top_units: int = 3
    ) -> "pandas.DataFrame":
        """Return one row per document: id, metadata, its most probable units, and an excerpt.

        Arguments:
            documents: the documents, with the model's vocabulary.
            excerpts: their titles and excerpts, see `docnvil.text.excerpts`; None for their most frequent words.
            top_units: number of units per document.

        Raises:
            CorpusError: the documents are not a `DocumentTermMatrix`, so they have no ids.
            VocabularyError: counts with another vocabulary.
        """
        require_matrix(documents)
        self.checked(documents)
        labels = [self.unit_label(unit) for unit in range(self.network.config.units[0])]
        return document_table(self.network, labels, documents, excerpts, top_units)

    def topics(self, top_n: int = 10) -> list[Topic]:
        """Return every unit of the first layer with its top words (columns and scores), share and information."""
        listed = topics(self.network, self.statistics, top_n)
        return [replace(topic, name=name) for topic, name in zip(listed, self.unit_names, strict=True)]

    def top_words(self, top_n: int = 10) -> list[list[str]]:
        """Return the top words of every unit of the first layer, best first."""
        return [[self.vocabulary[word] for word in topic.words] for topic in self.topics(top_n)]

    def unit_label(self, unit: int) -> str:
        """Return what outputs call a unit of the first layer: its name, else "unit 12"."""
        return label_of(unit, self.unit_names)

    def unit_tree(self, top_n: int = 10) -> "tuple[TreeNode, ...]":
        """Return the roots of the tree of units, with `top_n` words per node.

        In a deep model, the units of the deepest layer have the units below that they raise as children. In a model of
        one layer, units are grouped by the similarity of their words, see `docnvil.analysis.unit_tree`.
        """
        from docnvil.training.relations import tree_of  # it imports this module

        return tree_of(self, top_n)

    def unit_graph(self, counts: Any = None, *, top_n: int = 10, **limits: Any) -> "UnitGraph":
        """Return the live units and the pairs that are on together more or less often than by chance.

        Arguments:
            counts: documents in which the units are counted, as in `transform`; None for the prior of the model.
            top_n: words per unit.
            limits: `min_lift` and `edges_per_unit`, see `docnvil.analysis.unit_graph.unit_graph`.

        Raises:
            ConfigurationError: no documents, and units that are independent in the prior.
        """
        from docnvil.training.relations import graph_of  # it imports this module

        return graph_of(self, counts, top_n=top_n, **limits)

    def effects(
        self, documents: DocumentTermMatrix, by: Sequence[str] = (), over: str | None = None, **options: Any
    ) -> Effects:
        """Return how much more often each unit is on in some documents than in others, with intervals.

        Arguments:
            documents: counts with the model's vocabulary and with metadata.
            by: names of metadata columns with categories.
            over: the name of a metadata column with dates.
            options: further arguments of `docnvil.analysis.document_effects.document_effects`.

        Raises:
            CorpusError: an unknown column, a value that is not a date, or too few documents or values.
        """
        columns = [by] if isinstance(by, str) else by
        names = [self.unit_label(unit) for unit in range(len(self.unit_names))]
        counts, metadata = self.checked(documents).matrix, getattr(documents, "metadata", {})
        return document_effects(self.network, counts, metadata, by=columns, over=over, names=names, **options)

    @property
    def has_themes(self) -> bool:
        """Whether the prior is a mixture, whose components are themes."""
        return self.network.config.prior == "mixture"

    def themes(self, counts: Any) -> NDArray[np.int64]:
        """Return the most probable theme of each document, argmax_c E_q[p(c | h)], `[N]`; -1 for one without words.

        Arguments:
            counts: `[N, V]` counts with the model's vocabulary, or documents that `count_words` takes.

        Raises:
            ConfigurationError: the model's prior is not a mixture.
            VocabularyError: counts with another vocabulary.
        """
        return assign_themes(self.network, self.checked(counts).matrix)

    def theme_topics(self, top_n: int = 10) -> list[Theme]:
        """Return every theme with its top words (columns and scores), its share and the units that it raises.

        Raises:
            ConfigurationError: the model's prior is not a mixture.
        """
        require_themes(self.network)
        return describe_themes(self.theme_statistics, self.statistics, top_n)

    def checked(self, counts: Any) -> CheckedCounts:
        """Return counts as `CheckedCounts`, after comparing their vocabulary with the model's.

        Raises:
            VocabularyError: another vocabulary.
            CorpusError: counts that the model's output layer cannot have produced, or texts for a model of counts.
        """
        documents = count_alike(counts, self.vocabulary, self.token_rules, self.reading)
        numbered = documents.vocabulary.is_numbered or self.vocabulary.is_numbered
        if not numbered and documents.vocabulary != self.vocabulary:
            raise VocabularyError(
                f"The documents were counted with another vocabulary ({documents.vocabulary}) than the model's"
                f" ({self.vocabulary}). Count them with the model's vocabulary, or use"
                " docnvil.align_vocabulary(matrix, model.vocabulary)."
            )
        if documents.matrix.shape[1] != len(self.vocabulary):
            raise VocabularyError(
                f"The counts have {counted(documents.matrix.shape[1], 'column')}, and the model has"
                f" {counted(len(self.vocabulary), 'word')}. Count the documents with the model's vocabulary."
            )
        self.network.generative.visible.check_counts(documents.matrix)
        return documents
