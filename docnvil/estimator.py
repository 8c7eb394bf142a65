"""The scikit-learn face of docnvil: counts in, latent codes out.

Axes: N documents, V words, K units.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from docnvil.analysis.perplexity import TEMPERATURES, Bound, Perplexity, document_bounds, perplexity
from docnvil.analysis.topics import Topic, topics, unit_statistics
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.errors import ConfigurationError, VocabularyError
from docnvil.model.belief_network import ModelConfig
from docnvil.model.visible import VISIBLE_LAYERS
from docnvil.runtime.devices import choose_device
from docnvil.runtime.distributed import SINGLE_PROCESS, ProcessGroup
from docnvil.runtime.machine import machine
from docnvil.runtime.precision import check_precision, product_library
from docnvil.runtime.profiling import NoProfile
from docnvil.storage import model_folder as checkpoint
from docnvil.storage.tables import topic_words
from docnvil.text.counts import DocumentTermMatrix
from docnvil.text.sparse import CountRows, SelectedRows, row_sums
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS
from docnvil.training.loop import NO_PROFILE, EpochRecord, Training, TrainingConfig, train
from docnvil.training.recipes import Recipe
from docnvil.training.recipes import recipe as recipe_named

MOST_FOR_VALIDATION = 0.1  # of a small corpus, when the recipe and not the user says how many documents to hold out

# The constructor's arguments that are fields of `ModelConfig` and of `TrainingConfig`.
MODEL_SETTINGS = ("prior", "posterior", "observation", "recognition_input", "recognition_hidden")
TRAINING_SETTINGS = (
    *("epochs", "batch_size", "n_samples", "learning_rate", "recognition_rate", "optimizer", "schedule", "patience"),
    *(
        "gradient",
        "baseline",
        "center",
        "normalize",
        "local_signals",
        "start",
        "l1",
        "sparsity",
        "weight_decay",
        "precision",
    ),
)
OF_NVIL_ALONE = ("baseline", "center", "normalize", "local_signals")

Counts = Any  # whatever scikit-learn takes for a matrix, or a DocumentTermMatrix


class DocNVIL(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A sigmoid belief network over word counts, trained by neural variational inference and learning.

    p(x, h) = p(h) prod_w softmax(W h + b)_w^x_w with binary units h, or in the softmax's place a Polya urn that starts
    from it, and a recognition network q(h | x) that gives the units' probabilities for a document in one step.
    `transform` returns those probabilities; `components_` is W.

    Source: Mnih & Gregor (2014), *Neural variational inference and learning in belief networks*.

    Arguments:
        n_components: K, the number of binary units; several numbers make several layers, from the document upward.
        recipe: the settings to start from, "default", "best", "binary" or "paper"; the arguments below override it
            unless None.
        prior: "factorial", or "autoregressive" for an fDARN: the units of the deepest layer depend on each other.
        posterior: the same for the units within each layer of the recognition network. The gradients "disarm", "arms",
            "muprop" and "st-gumbel" need a factorial one, and have it unless asked otherwise.
        observation: the visible layer, "softmax", or "dirichlet-multinomial" for bursty words; "bernoulli" for binary
            vectors, or "autoregressive-bernoulli" for those of a DARN.
        recognition_input: what q sees: "counts", "log1p" of them, or "centered" by their training mean.
        recognition_hidden: sizes of deterministic tanh layers of q below the first units.
        epochs: passes over the documents. batch_size: documents an update. n_samples: samples of q a document.
        learning_rate: of the generative model. recognition_rate: q's rate as a multiple of it.
        optimizer: "adam" or "sgd". schedule: "constant" or "cosine". patience: epochs without a better one until it
            stops; without it all epochs are done.
        gradient: its estimator, "nvil", "rloo", "vimco", "disarm" (an even number of samples), "arms", "muprop",
            "st-gumbel" (biased), "rws" or "wake-sleep". baseline: NVIL's, "learned", "leave-one-out" or "none".
        center, normalize, local_signals: of NVIL too, whether it centers and normalizes its learning signals, and
            gives each layer its own.
        start: where units start, "random" or at "clusters" of documents.
        l1: strength of the Laplace prior on the visible weights.
        sparsity: nats that each unit costs a document it is on for; more makes units rarer and plainer.
        weight_decay: the share of the rate by which every weight matrix shrinks an update.
        precision: "float32" (if None), "float64", or "bf16", or on CUDA "tf32", for the large products of training.
        validation: documents held out to choose the best epoch, as a share or a number (the recipe's if None: 500,
            or 100 in "paper", and a tenth at most); 0 chooses by the training documents themselves, as do corpora too
            small.
        device: "auto", "cpu" or "cuda".
        random_state: a seed; None draws one. Equal seeds give equal bytes on a CPU.

    Attributes:
        components_: `[K, V]`, the visible weights of the first layer.
        model_: the network. history_: a record an epoch. n_iter_: epochs done. vocabulary_: the words, in order.

    Example:
        >>> counts = np.kron(np.eye(2, dtype=int), np.full((30, 5), 3))  # two subjects, thirty documents each
        >>> model = DocNVIL(n_components=2, epochs=60, batch_size=10, random_state=0).fit(counts)
        >>> model.transform(counts).shape
        (60, 2)
        >>> model.perplexity(counts).perplexity_per_document < 7  # 5 is the best there is, 10 knows no subjects
        True
    """

    def __init__(
        self,
        n_components: int | tuple[int, ...] = 50,
        *,
        recipe: str = "default",
        prior: str | None = None,
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
        schedule: str | None = None,
        patience: int | None = None,
        gradient: str = "nvil",
        baseline: str | None = None,
        center: bool | None = None,
        normalize: bool | None = None,
        local_signals: bool | None = None,
        start: str | None = None,
        l1: float | None = None,
        sparsity: float | None = None,
        weight_decay: float | None = None,
        precision: str | None = None,
        validation: float | int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_components = n_components
        self.recipe = recipe
        self.prior = prior
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
        self.schedule = schedule
        self.patience = patience
        self.gradient = gradient
        self.baseline = baseline
        self.center = center
        self.normalize = normalize
        self.local_signals = local_signals
        self.start = start
        self.l1 = l1
        self.sparsity = sparsity
        self.weight_decay = weight_decay
        self.precision = precision
        self.validation = validation
        self.device = device
        self.random_state = random_state

    def fit(self, X: Counts, y: object = None) -> "DocNVIL":
        """Train on counts.

        Arguments:
            X: `[N, V]` counts, dense or sparse, or a `DocumentTermMatrix`; never negative.
            y: ignored.
        """
        for _ in self.fit_epochs(X):
            pass
        return self

    def fit_epochs(
        self,
        X: Counts,
        *,
        resume_from: Path | None = None,
        on_batch: Callable[[int], None] = lambda documents: None,
        profile: NoProfile = NO_PROFILE,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> Iterator[EpochRecord]:
        """Train as `fit` does, yielding a record after each epoch; the model is ready when the records end.

        Arguments:
            X: as for `fit`.
            resume_from: a file written by `save_unfinished`, to go on from.
            on_batch: called with the number of documents after each update.
            profile: measures where the time goes.
            processes: the processes that train it together, see `process_group`; all of them call this alike.
        """
        counts = self._counts(X, reset=True)
        given = self.random_state
        seed = int(given) if _is_integer(given) else int(check_random_state(given).randint(2**31))
        if seed < 0:
            raise ConfigurationError(f"random_state is {seed}. Give a seed of 0 or more, or None to draw one.")
        model = self._model_config(counts.shape[1])
        VISIBLE_LAYERS[model.observation].check_counts(counts)
        at_most = MOST_FOR_VALIDATION if self.validation is None else 1.0
        rest, validation = _hold_out(counts, self._validation, seed, at_most=at_most, binary=model.is_binary)
        config = self._training_config(seed, n_documents=rest.shape[0])
        device = choose_device(self.device)
        check_precision(config.precision, device)
        self.training_ = Training.start(model, config, rest, device, processes)
        self.fingerprint_ = checkpoint.fingerprint(self.vocabulary_, rest, validation)
        if resume_from is not None:
            checkpoint.resume(self.training_, resume_from, self.fingerprint_)
        processes.require_agreement(self.fingerprint_, model, config, self.training_.epoch)
        yield from train(self.training_, rest, validation, on_batch=on_batch, profile=profile)
        self._adopt(counts)

    def save_unfinished(self, path: Path) -> None:
        """Keep a training that `fit_epochs` is in the middle of, to go on from later."""
        checkpoint.save_unfinished(self.training_, path, self.fingerprint_)

    def transform(self, X: Counts) -> NDArray[np.floating]:
        """Return q(h_k = 1 | x), `[N, K]`; a document without words gets the prior's probabilities."""
        check_is_fitted(self)
        counts = self._counts(X, reset=False)
        return unit_probabilities(self.model_, counts).astype(_float_type(counts), copy=False)

    def score_samples(self, X: Counts) -> NDArray[np.float64]:
        """Return the bound on log p(x) of each document, `[N]`, in nats, from 10 samples keyed by its words."""
        check_is_fitted(self)
        return document_bounds(self.model_, self._counts(X, reset=False)).log_likelihood

    def score(self, X: Counts, y: object = None) -> float:
        """Return the mean bound on log p(x), in nats a document; greater is better."""
        return float(self.score_samples(X).mean())

    def perplexity(
        self, X: Counts, *, bound: Bound = "elbo", n_samples: int = 10, temperatures: int = TEMPERATURES, seed: int = 0
    ) -> Perplexity:
        """Return perplexities per document and per word with what they are made of.

        The arguments are those of `docnvil.analysis.perplexity.perplexity`.
        """
        check_is_fitted(self)
        options = {"bound": bound, "n_samples": n_samples, "temperatures": temperatures, "seed": seed}
        return perplexity(self.model_, self._counts(X, reset=False), **options)

    def topics(self, top_n: int = 10) -> list[Topic]:
        """Return every unit of the first layer with its words' column numbers and scores, its share and information."""
        check_is_fitted(self)
        return topics(self.model_, self.statistics_, top_n)

    def top_words(self, top_n: int = 10) -> list[list[str]]:
        """Return the words of every unit of the first layer, best first."""
        return [topic_words(topic, self.vocabulary_) for topic in self.topics(top_n)]

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model as a folder a person can open; `force` replaces an older one."""
        check_is_fitted(self)
        checkpoint.save(self.checkpoint_, Path(path), force=force)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "DocNVIL":
        """Read a model folder back, after checking every file; nothing in it is executed."""
        loaded = checkpoint.load(Path(path), choose_device(device))
        training = loaded.training
        estimator = cls(
            loaded.model.config.units if len(loaded.model.config.units) > 1 else loaded.model.config.units[0],
            recipe=loaded.recipe,
            **{name: getattr(loaded.model.config, name) for name in MODEL_SETTINGS},
            **{name: getattr(training, name) for name in TRAINING_SETTINGS},
            validation=loaded.corpus["validation"],
            device=device,
            random_state=training.seed,
        )
        estimator.n_features_in_ = loaded.model.config.vocabulary_size
        estimator.vocabulary_, estimator.rules_ = loaded.vocabulary, loaded.rules
        estimator._settle(loaded)
        return estimator

    @property
    def _n_features_out(self) -> int:
        return sum(self.model_.config.units)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _counts(self, X: Counts, *, reset: bool) -> csr_array:
        """Validate a matrix the scikit-learn way; a DocumentTermMatrix brings its words and rules along."""
        if isinstance(X, DocumentTermMatrix):
            if reset:
                self.vocabulary_, self.rules_ = X.vocabulary, X.rules
            elif X.vocabulary != self.vocabulary_ and not (X.vocabulary.is_numbered or self.vocabulary_.is_numbered):
                raise VocabularyError(
                    f"The documents were counted with another vocabulary ({X.vocabulary}) than the model's"
                    f" ({self.vocabulary_}). Count them with vocabulary=model.vocabulary_, or bring the columns in line"
                    " with docnvil.align_vocabulary(matrix, model.vocabulary_)."
                )
            X = X.counts
            matrix = validate_data(self, X, accept_sparse="csr", dtype=None, reset=reset)
        else:
            kinds = [np.float64, np.float32, np.int64, np.int32]
            matrix = validate_data(self, X, accept_sparse="csr", dtype=kinds, reset=reset)
            if reset:
                names = getattr(self, "feature_names_in_", None)
                self.rules_ = None
                self.vocabulary_ = Vocabulary.numbered(matrix.shape[1]) if names is None else Vocabulary(names)
        check_non_negative(matrix, f"{type(self).__name__} (counts of words)")
        counts = csr_array(matrix)
        if issparse(X) and (not counts.has_canonical_format or not counts.data.all()):
            counts = counts.copy()  # the caller's matrix stays as it is
            counts.sum_duplicates()
            counts.eliminate_zeros()
        if not reset:
            self.model_.generative.visible.check_counts(counts)
        return counts

    @property
    def _recipe(self) -> Recipe:
        """The recipe, as far as it does not give way to the gradient, which is asked for by hand."""
        recipe, estimator = recipe_named(self.recipe), GRADIENT_ESTIMATORS.get(self.gradient)
        if estimator is not None and not estimator.supports_autoregressive_q:
            recipe = replace(recipe, model={**recipe.model, "posterior": "factorial"})
        if estimator is not None and not estimator.uses_learning_signal:
            recipe = replace(recipe, training={**recipe.training, "sparsity": 0.0})
        return recipe

    @property
    def _validation(self) -> float | int:
        return self._recipe.validation if self.validation is None else self.validation

    def _model_config(self, top_n: int) -> ModelConfig:
        units = self.n_components if isinstance(self.n_components, tuple | list) else (self.n_components,)
        if not all(_is_integer(each) for each in units):
            raise ConfigurationError(
                f"n_components is {self.n_components!r}. Give a whole number of units, or several."
            )
        given = self._given(*MODEL_SETTINGS)
        if "recognition_hidden" in given:
            given["recognition_hidden"] = tuple(int(each) for each in given["recognition_hidden"])
        chosen = {"units": tuple(int(each) for each in units), **given}
        return ModelConfig(top_n, **{**self._recipe.model, **chosen})

    def _training_config(self, seed: int, *, n_documents: int) -> TrainingConfig:
        """Pour the recipe's settings and the constructor's over them; epochs may follow from the corpus's size."""
        recipe = self._recipe
        idle = self._given(*OF_NVIL_ALONE)
        if self.gradient != "nvil" and idle:
            raise ConfigurationError(
                f"{', '.join(idle)} can be chosen for the gradient nvil alone, and the gradient is {self.gradient}."
                " Leave them out, or choose nvil."
            )
        config = TrainingConfig(**{**recipe.training, **self._given(*TRAINING_SETTINGS), "seed": seed})
        return (
            config if self.epochs is not None else replace(config, epochs=recipe.epochs(n_documents, config.batch_size))
        )

    def _given(self, *names: str) -> dict[str, Any]:
        """Return the constructor's arguments of these names that override the recipe."""
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _adopt(self, counts: csr_array) -> None:
        """Take the best parameters, look once more through the documents, and become a fitted estimator."""
        training = self.training_
        model = training.finish()
        lengths = row_sums(counts, counts.dtype if counts.dtype.kind == "f" else np.int64)
        self._settle(
            checkpoint.Checkpoint(
                model=model,
                recipe=self.recipe,
                training=training.config,
                statistics=unit_statistics(model, counts),
                history=tuple(training.history),
                vocabulary=self.vocabulary_,
                rules=self.rules_,
                corpus={
                    "documents": counts.shape[0],
                    "empty_documents": int((lengths == 0).sum()),
                    "words": counts.shape[1],
                    "tokens": float(lengths.sum()) if counts.dtype.kind == "f" else int(lengths.sum()),
                    "validation": self._validation,
                },
                run={
                    "seconds": sum(training.epoch_seconds),
                    "epoch_seconds": training.epoch_seconds,
                    "device": str(model.device),
                    "threads": torch.get_num_threads(),
                    "matrix_products": product_library(model.device),
                    **machine(),
                },
            )
        )

    def _settle(self, done: checkpoint.Checkpoint) -> None:
        self.checkpoint_ = done
        self.model_, self.statistics_, self.history_ = done.model, done.statistics, done.history
        self.components_ = done.model.generative.visible.weight.detach().T.double().cpu().numpy()
        self.n_iter_ = len(done.history)


def _hold_out(
    counts: csr_array, wanted: float | int, seed: int, *, at_most: float, binary: bool
) -> tuple[CountRows, CountRows]:
    """Split off the documents that choose the best epoch; empty documents teach and judge nothing.

    Arguments:
        counts: `[N, V]`. wanted: a share or a number of documents. seed: draws them.
        at_most: the share that may be held out at all; below 1 a larger wish is cut down to it, at 1 it is refused.
        binary: whether these are binary vectors, among which one of zeros is no emptier than the others.
    """
    whole = _is_integer(wanted)
    if not (wanted >= 0 and (whole or wanted < 1)):
        raise ConfigurationError(f"validation is {wanted}. Give a share from 0 up to 1, or a number of documents.")
    filled = np.arange(counts.shape[0]) if binary else np.flatnonzero(np.diff(counts.indptr))
    if at_most == 1 and whole and wanted and wanted >= len(filled):
        raise ConfigurationError(
            f"{wanted} documents are to be held out of {len(filled)} that have words, which leaves none to learn from."
            " Ask for fewer."
        )
    if not len(filled):
        filled = np.arange(counts.shape[0])
    n_held_out = min(int(wanted) if whole else round(wanted * len(filled)), int(at_most * len(filled)), len(filled) - 1)
    if n_held_out < 1:
        return SelectedRows(counts, filled), SelectedRows(counts, filled)
    shuffled = np.random.default_rng([seed, 1]).permutation(filled)
    rest, held_out = np.sort(shuffled[n_held_out:]), np.sort(shuffled[:n_held_out])
    return SelectedRows(counts, rest), SelectedRows(counts, held_out)


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _float_type(counts: csr_array) -> type[np.floating]:
    return np.float32 if counts.dtype == np.float32 else np.float64
