"""`DocNVIL`, the scikit-learn interface: counts in, unit probabilities out. It wraps a `FittedModel`.

Axes: N documents, V vocabulary, K units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from docnvil.analysis.perplexity import TEMPERATURES, Bound, Perplexity
from docnvil.analysis.themes import Theme
from docnvil.analysis.topics import Topic
from docnvil.errors import ConfigurationError, VocabularyError, counted
from docnvil.storage.model_folder import load_model, save_model
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.matrices import as_array, as_entries, canonical
from docnvil.text.python_sources import as_vocabulary, classify_source
from docnvil.text.settings import SourceOptions
from docnvil.text.vocabulary import number_words
from docnvil.training.continuing import continue_fit
from docnvil.training.data import CheckedCounts, check_column_names, checked_counts, warn_of_fractions
from docnvil.training.fit import fit
from docnvil.training.fitted_model import FittedModel
from docnvil.training.progress import Progress
from docnvil.training.settings import Settings, all_settings

Counts = Any  # whatever scikit-learn takes for a matrix, or a DocumentTermMatrix


class DocNVIL(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A belief network over word counts, trained by neural variational inference and learning (NVIL).

    p(x, h) = p(h) p(x | W h + b) with binary units h and an output layer over words, and a recognition network q(h | x)
    that gives the units' probabilities for a document in one step. `transform` returns those probabilities;
    `components_` is W.

    Source: Mnih & Gregor (2014), *Neural variational inference and learning in belief networks*.

    Arguments:
        n_components: K, the number of binary units; a tuple makes several layers, the first next to the words.
        recipe: preset values of all settings: "default", "best", "themes", "large-batch", "hash", "binary" or "paper".
            The arguments below replace them unless None.
        prior: "factorial", or "autoregressive" for an fDARN: the units of the deepest layer depend on each other; or
            "mixture", whose components are themes, one per document; or "uniform", every code equally probable.
        n_themes: the number of components of a mixture prior.
        posterior: "factorial" or "autoregressive", the dependence among the units of each recognition layer. The
            gradients "disarm", "arms", "muprop" and "st-gumbel" need "factorial", which is then the default.
        observation: the output layer: "softmax" or "dirichlet-multinomial" (models burstiness) over words, "bernoulli"
            or "autoregressive-bernoulli" (DARN) over bits.
        recognition_input: input of q: "counts", "log1p" of them, or "centered" by their training mean.
        recognition_hidden: sizes of tanh layers of q between the words and the first units.
        epochs: passes over the documents, at most; by default derived from the size of the corpus.
        batch_size: B, documents per update.
        n_samples: S, samples of q per document.
        learning_rate: learning rate of the generative model.
        recognition_rate: learning rate of q as a multiple of `learning_rate`.
        optimizer: "adam" or "sgd".
        beta1: Adam's decay rate of the mean gradient.
        beta2: Adam's decay rate of the mean squared gradient.
        schedule: "constant" or "cosine".
        warmup: share of all updates over which the learning rate grows.
        patience: epochs without a better validation bound before stopping.
        gradient: the estimator of q's gradient: "nvil", "rloo", "vimco", "disarm" (an even number of samples), "arms",
            "muprop", "st-gumbel" (biased), "rws" or "wake-sleep".
        baseline: NVIL's baseline: "learned", "leave-one-out" or "none".
        center: whether NVIL subtracts the running mean of its learning signal.
        normalize: whether NVIL divides it by its running standard deviation if that is above 1.
        local_signals: whether NVIL gives each layer its own learning signal.
        start: initial weights of the first layer: "random", or "clusters" from k-means.
        seed_words: names of units and lists of words that they start with and keep to, see docs/training.md.
        l1: strength of the Laplace prior on the output weights.
        sparsity: penalty in nats per active unit per document; larger values give sparser, more specific topics.
        neighbor_codes: weight of codes of similar documents in the recognition gradient, for codes to search by.
        exclusivity: penalty on words shared by units; larger values give more distinct topics.
        sleep: weight of documents sampled from the model in the recognition gradient.
        weight_decay: weight decay per update, as a multiple of the learning rate.
        precision: "float32", "float64", or for large matrix multiplications only "bf16" or, on CUDA, "tf32".
        validation: documents held out to choose the best epoch, a number (int) or a share (float); by default the
            recipe's number, at most 2 %, though a small corpus gives up to 10. With 0, and in tiny corpora, the
            training documents choose it.
        device: "auto", "cpu" or "cuda".
        random_state: a seed; None draws one. The same seed gives the same bytes on a CPU.
        vocabulary: the words of the columns, if X does not have them, or the words to count in texts: a list, a
            `Vocabulary`, gensim's `Dictionary`, or a vectorizer that is fitted when `fit` is called.
        text_column: the column of the text, if X is a data frame with texts.
        verbose: whether to show a progress bar.

    Attributes:
        model_: the `FittedModel`, with the network, vocabulary, token rules and settings.
        components_: `[K, V]`, the output weights of the first layer.
        history_: one record per epoch.
        vocabulary_: the words of the columns.
        n_iter_: the number of epochs.

    Example:
        >>> counts = np.kron(np.eye(2, dtype=int), np.full((30, 5), 3))  # two subjects, thirty documents each
        >>> model = DocNVIL(n_components=2, epochs=60, batch_size=10, random_state=0).fit(counts)
        >>> model.transform(counts).shape
        (60, 2)
        >>> model.perplexity(counts) < 7  # 5 is optimal; 10 without units
        True
    """

    def __init__(
        self,
        n_components: int | tuple[int, ...] = 50,
        *,
        recipe: str = "default",
        prior: str | None = None,
        n_themes: int | None = None,
        posterior: str | None = None,
        observation: str | None = None,
        recognition_input: str | None = None,
        recognition_hidden: tuple[int, ...] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        n_samples: int | None = None,
        learning_rate: float | None = None,
        recognition_rate: float | None = None,
        optimizer: str | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        schedule: str | None = None,
        warmup: float | None = None,
        patience: int | None = None,
        gradient: str = "nvil",
        baseline: str | None = None,
        center: bool | None = None,
        normalize: bool | None = None,
        local_signals: bool | None = None,
        start: str | None = None,
        seed_words: Mapping[str, Sequence[str]] | None = None,
        l1: float | None = None,
        sparsity: float | None = None,
        neighbor_codes: float | None = None,
        exclusivity: float | None = None,
        sleep: float | None = None,
        weight_decay: float | None = None,
        precision: str | None = None,
        validation: float | int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
        vocabulary: Any = None,
        text_column: str = SourceOptions.text_column,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.recipe = recipe
        self.prior = prior
        self.n_themes = n_themes
        self.posterior = posterior
        self.observation = observation
        self.recognition_input = recognition_input
        self.recognition_hidden = recognition_hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.n_samples = n_samples
        self.learning_rate = learning_rate
        self.recognition_rate = recognition_rate
        self.optimizer = optimizer
        self.beta1 = beta1
        self.beta2 = beta2
        self.schedule = schedule
        self.warmup = warmup
        self.patience = patience
        self.gradient = gradient
        self.baseline = baseline
        self.center = center
        self.normalize = normalize
        self.local_signals = local_signals
        self.start = start
        self.seed_words = seed_words
        self.l1 = l1
        self.sparsity = sparsity
        self.neighbor_codes = neighbor_codes
        self.exclusivity = exclusivity
        self.sleep = sleep
        self.weight_decay = weight_decay
        self.precision = precision
        self.validation = validation
        self.device = device
        self.random_state = random_state
        self.vocabulary = vocabulary
        self.text_column = text_column
        self.verbose = verbose

    def fit(self, X: Counts, y: object = None) -> "DocNVIL":
        """Train on counts `[N, V]`, dense or sparse, or on documents that `count_words` takes; `y` is ignored.

        Arguments:
            X: counts, a `DocumentTermMatrix`, or texts, which are counted by the default rules.
            y: ignored.
        """
        counts, settings = self._counts(X, reset=True), self._settings()
        if not self.verbose:
            return self._set_fitted(fit(counts, settings))
        with Progress(as_bar=True) as progress:
            return self._set_fitted(fit(counts, settings, callbacks=(progress,)))

    def partial_fit(self, X: Counts, y: object = None) -> "DocNVIL":
        """Train further on new documents, see `docnvil.continue_fit`; the first call is `fit`.

        The vocabulary stays that of the first call. Each call is a training of its own, whose learning rate decays, so
        pass thousands of documents at once, not single batches.

        Arguments:
            X: counts `[N, V]` with the same columns, a `DocumentTermMatrix`, or texts if the model was fitted to texts.
            y: ignored.
        """
        if not hasattr(self, "model_"):
            return self.fit(X)
        counts = self._counts(X, reset=False)
        chosen = {"validation": self.validation, "device": self.device}
        if not self.verbose:
            return self._set_fitted(continue_fit(self.model_, counts, **chosen))
        with Progress(as_bar=True) as progress:
            return self._set_fitted(continue_fit(self.model_, counts, callbacks=(progress,), **chosen))

    def name_words(self, words: Any) -> "DocNVIL":
        """Name the columns of a fitted model that has no words, and return the estimator.

        Arguments:
            words: one word per column, for example `pipeline[:-1].get_feature_names_out()` after a `CountVectorizer`.

        Raises:
            VocabularyError: there is not one word per column.
        """
        check_is_fitted(self)
        vocabulary = as_vocabulary(words)
        if vocabulary is None or len(vocabulary) != len(self.model_.vocabulary):
            n_words = 0 if vocabulary is None else len(vocabulary)
            raise VocabularyError(
                f"The model has {counted(len(self.model_.vocabulary), 'column')}, and there are"
                f" {counted(n_words, 'word')}. Give one per column."
            )
        return self._set_fitted(replace(self.model_, vocabulary=vocabulary))

    def transform(self, X: Counts) -> NDArray[np.floating]:
        """Return q(h_k = 1 | x), `[N, K]`; a document without words gets the prior's probabilities."""
        counts = self._counts(X, reset=False)
        kind = np.float32 if counts.matrix.dtype == np.float32 else np.float64
        return self.model_.transform(counts).astype(kind, copy=False)

    def score_samples(self, X: Counts) -> NDArray[np.float64]:
        """Return the ELBO of each document, `[N]`, in nats, from 10 samples keyed by its words."""
        return self.model_.score_samples(self._counts(X, reset=False))

    def score(self, X: Counts, y: object = None) -> float:
        """Return the mean ELBO in nats per document; greater is better."""
        return float(self.score_samples(X).mean())

    def perplexity(self, X: Counts) -> float:
        """Return the perplexity per word of the ELBO, exp(-sum ELBO_n / sum L_n), a float as in scikit-learn's LDA."""
        return self.evaluate(X).perplexity_per_word

    def evaluate(
        self, X: Counts, *, bound: Bound = "elbo", n_samples: int = 10, temperatures: int = TEMPERATURES, seed: int = 0
    ) -> Perplexity:
        """Return perplexity per document and per word with its parts.

        Arguments:
            X: `[N, V]` counts, or a `DocumentTermMatrix`.
            bound: the estimator: "elbo", "importance", "annealed" or "exact".
            n_samples: S, samples per document.
            temperatures: steps of the annealing.
            seed: seed of the samples.
        """
        options = {"bound": bound, "n_samples": n_samples, "temperatures": temperatures, "seed": seed}
        return self.model_.evaluate(self._counts(X, reset=False), **options)

    def topics(self, top_n: int = 10) -> list[Topic]:
        """Return every unit of the first layer with its top words, see `FittedModel.topics`."""
        check_is_fitted(self)
        return self.model_.topics(top_n)

    def top_words(self, top_n: int = 10) -> list[list[str]]:
        """Return the top words of every unit of the first layer, best first."""
        check_is_fitted(self)
        return self.model_.top_words(top_n)

    def themes(self, X: Counts) -> NDArray[np.int64]:
        """Return the most probable theme of each document, `[N]`, -1 for one without words; needs a mixture prior."""
        return self.model_.themes(self._counts(X, reset=False))

    def theme_topics(self, top_n: int = 10) -> list[Theme]:
        """Return every theme with its top words, see `FittedModel.theme_topics`; needs a mixture prior."""
        check_is_fitted(self)
        return self.model_.theme_topics(top_n)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model as a folder, see `docnvil.save`.

        Arguments:
            path: the folder.
            force: whether to replace an existing model folder.
        """
        check_is_fitted(self)
        save_model(self.model_, path, force=force)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", *, tokenizer: str | None = None) -> "DocNVIL":
        """Read a model folder; its settings become the estimator's parameters.

        Arguments:
            path: the folder.
            device: "auto", "cpu" or "cuda".
            tokenizer: the function "package.module:function" that split the model's texts, if it is to be imported.
        """
        model = load_model(path, device, tokenizer=tokenizer)
        settings = model.settings
        parameters = {all_settings()[name].parameter: value for name, value in settings.values.items()}
        units = parameters.pop("n_components")
        parameters = {name: value for name, value in parameters.items() if name in cls._get_param_names()}
        estimator = cls(units if len(units) > 1 else units[0], recipe=settings.recipe_name, device=device, **parameters)
        estimator.n_features_in_ = model.network.config.vocabulary_size
        return estimator._set_fitted(model)

    @property
    def _n_features_out(self) -> int:
        return sum(self.model_.network.config.units)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _settings(self) -> Settings:
        """Return the parameters as settings of the library."""
        units = self.n_components if isinstance(self.n_components, tuple | list) else (self.n_components,)
        seed = self.random_state
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
            seed = int(check_random_state(seed).randint(2**31))
        elif seed < 0:
            raise ConfigurationError(f"random_state is {seed}. Give a seed of 0 or more, or None to draw one.")
        values = {name: getattr(self, each.parameter, None) for name, each in all_settings().items()}
        values |= {"units": tuple(units), "seed": int(seed)}
        return Settings(values.pop("recipe"), **values)

    def _counts(self, X: Counts, *, reset: bool) -> CheckedCounts:
        """Check a matrix as scikit-learn does, once; documents with words are checked by the library."""
        if not reset:
            check_is_fitted(self)
        source = X if isinstance(X, DocumentTermMatrix) else classify_source(X)
        if isinstance(source, DocumentTermMatrix) or source.kind != "matrix":
            columns = {"vocabulary": self.vocabulary, "text_column": self.text_column}
            counted = checked_counts(source, **columns) if reset else self.model_.checked(source)
            validate_data(self, counted.matrix, accept_sparse="csr", reset=reset, skip_check_array=True)
            return counted
        X, whom = source.items, f"{type(self).__name__} (counts of words)"
        if issparse(X):  # scikit-learn adds duplicate entries up in their own type
            X = as_entries(X, where="X")
            check_non_negative(X, whom)
            X = canonical(X, where="X")
        elif not hasattr(X, "columns"):  # scikit-learn reads the names of columns
            X = as_array(X, where="X")
        kinds = [np.float64, np.float32, np.int64, np.int32]
        matrix = validate_data(self, X, accept_sparse="csr", dtype=kinds, reset=reset)
        check_non_negative(matrix, whom)
        names = self.vocabulary if self.vocabulary is not None else getattr(self, "feature_names_in_", None)
        vocabulary = as_vocabulary(names) if reset else self.model_.vocabulary
        if vocabulary is None:
            vocabulary = number_words(matrix.shape[1], getattr(matrix, "nnz", matrix.size), "X")
        if len(vocabulary) != matrix.shape[1]:
            raise VocabularyError(
                f"X has {counted(matrix.shape[1], 'column')}, and the vocabulary has"
                f" {counted(len(vocabulary), 'word')}. Give one per column."
            )
        if reset and hasattr(self, "feature_names_in_"):
            check_column_names(list(self.feature_names_in_), vocabulary)
        counts = canonical(csr_array(matrix), where="X")
        warn_of_fractions(counts)
        return CheckedCounts(counts, vocabulary)

    def _set_fitted(self, model: FittedModel) -> "DocNVIL":
        """Set the attributes from a fitted model, and return the estimator."""
        self.model_ = model
        self.history_, self.vocabulary_, self.n_iter_ = model.history, model.vocabulary, len(model.history)
        self.components_ = model.network.generative.visible.weight.detach().T.double().cpu().numpy()
        return self
