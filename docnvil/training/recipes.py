"""Recipes: presets of all settings, chosen by `--recipe`. Importing them does not import torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MIN_EPOCHS, MAX_EPOCHS = 5, 100
# With fewer documents per unit, the units fit the training documents and not others. A small corpus starts more units
# than its share, up to a few, because they complete documents better.
DOCUMENTS_PER_UNIT = 50
FEW_UNITS, DOCUMENTS_PER_FEW_UNITS = 20, 10


def supported_units(n_documents: int) -> int:
    """Return the number of units of the first layer that documents support; further units are not started.

    Example:
        >>> supported_units(200), supported_units(2000)
        (20, 40)
    """
    few = min(FEW_UNITS, n_documents // DOCUMENTS_PER_FEW_UNITS)
    return max(2, few, n_documents // DOCUMENTS_PER_UNIT)


@dataclass(frozen=True)
class Recipe:
    """A preset of settings; what the user chooses replaces its values.

    Arguments:
        summary: one line for the help text.
        model: values of `ModelConfig`.
        training: values of `TrainingConfig`.
        validation: documents held out to choose the best epoch, a number (int) or a share (float).
        updates: the parameter updates from which the number of epochs is derived, because more improve little; None
            for a fixed number of epochs.
    """

    summary: str
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    validation: float | int = 500  # at most; enough to choose among epochs
    updates: int | None = None

    def epochs(self, n_documents: int, batch_size: int) -> int:
        """Return the passes over a corpus: at most 100 for a small one, at least 5 for a large one.

        Example:
            >>> [RECIPES["default"].epochs(n_documents, batch_size=100) for n_documents in (500, 10_000, 800_000)]
            [100, 34, 5]
        """
        if self.updates is None:
            return int(self.training["epochs"])
        return min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(self.updates * batch_size / max(1, n_documents))))


DEFAULT = Recipe(
    "fDARN with a Dirichlet-multinomial output layer, trained with NVIL and Adam; readable topics in minutes",
    model={
        "prior": "autoregressive",
        "posterior": "autoregressive",
        "observation": "dirichlet-multinomial",
        "recognition_input": "counts",
        "start_logit": -3.0,
        "weight_scale": 0.01,
    },
    training={
        "batch_size": 100,
        "n_samples": 5,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "schedule": "cosine",
        "start": "clusters",
        "l1": 2.0,
        "sparsity": 0.2,  # readable topics for a little higher perplexity, see docs/evaluation.md
        "exclusivity": 0.065,  # distinct topics
        "sleep": 0.45,
        "baseline": "leave-one-out",
    },
    updates=3400,
)

RECIPES: dict[str, Recipe] = {
    "default": DEFAULT,
    "best": Recipe(
        "No penalties on units, and longer training: lowest perplexity, more active units, less readable topics",
        model=DEFAULT.model,
        training={**DEFAULT.training, "l1": 3.0, "sparsity": 0.0, "exclusivity": 0.0},
        updates=6000,
    ),
    "themes": Recipe(
        "One theme per document, in addition to units: a mixture prior and fewer active units",
        model={**DEFAULT.model, "prior": "mixture"},
        training={**DEFAULT.training, "sparsity": 1.0, "exclusivity": 0.03},
        updates=3400,
    ),
    "large-batch": Recipe(
        "The default for GPUs and several processes: batches of 5,000 documents and a larger learning rate",
        model=DEFAULT.model,
        training={
            **DEFAULT.training,
            "batch_size": 5000,
            "learning_rate": 0.1,
            "warmup": 0.05,
            "beta1": 0.8,  # means over fewer updates, of which there are few
            "beta2": 0.95,
        },
        updates=3400,
    ),
    "hash": Recipe(
        "Binary codes to search by subject: units that are on in about half of the documents",
        model={
            "prior": "uniform",
            "posterior": "factorial",
            "observation": "softmax",
            "recognition_input": "log1p",
            "start_logit": 0.0,
            "weight_scale": 0.01,
        },
        training={
            "batch_size": 100,
            "n_samples": 5,
            "optimizer": "adam",
            "learning_rate": 0.005,
            "schedule": "cosine",
            "start": "random",
            "l1": 0.0,
            "sparsity": 0.0,
            "baseline": "leave-one-out",
            "neighbor_codes": 10.0,
        },
        updates=2000,
    ),
    "binary": Recipe(
        "For binary vectors, such as images",
        model={
            "observation": "bernoulli",
            "recognition_input": "centered",  # "essential" for images: Mnih & Gregor (2014), section 4.1
            "start_logit": -4.0,
            "weight_scale": 0.01,
        },
        training={
            "batch_size": 100,
            "n_samples": 5,
            "optimizer": "adam",
            "learning_rate": 0.01,  # 0.02 is better for six epochs, then worse: an fDARN ends at 98.5 nats, not 93.6
            "schedule": "cosine",
            "start": "random",
            "l1": 0.0,
            "baseline": "leave-one-out",
        },
        updates=30_000,
    ),
    "paper": Recipe(
        "Protocol of Mnih & Gregor (2014): SGD, batches of 20, one sample, learned baseline, early stopping",
        model={"recognition_input": "counts", "start_logit": 0.0, "weight_scale": 0.01},
        training={
            "epochs": 2000,
            "batch_size": 20,
            "n_samples": 1,
            "optimizer": "sgd",
            "learning_rate": 3e-5,  # the paper's rate for 20 Newsgroups; 1e-3 for RCV1
            "recognition_rate": 0.2,
            "schedule": "constant",
            "start": "random",
            "l1": 0.0,
            "baseline": "learned",
            "patience": 100,
            "validation_samples": 10,
        },
        validation=100,
    ),
}
