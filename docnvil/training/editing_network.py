"""Networks whose first layer is regrouped: units left out, in another order, or merged.

A grouping lists the units of the new layer, each as the old units that it stands for: it is on where any of them is on.
Old units in no group are off. Leaving units out is exact: the new network is the old one with these units held at 0;
only a mixture prior sums over them. Another order is exact for independent units; the weights between autoregressive
units, and those of merged units, are fitted to what the old network does on documents, see
`docnvil.training.editing_refit`.

Axes: N documents or samples, V words, K units before and J units after, H tanh units.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from docnvil.analysis.chunking import model_batches
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.layers import WordSigmoidLayer
from docnvil.model.mixture import MixturePrior
from docnvil.runtime.randomness import KeyedGenerator, stream_seed
from docnvil.training.editing_refit import FittedUnits, fit_units

Groups = tuple[tuple[int, ...], ...]

PRIOR_SAMPLES = 10_000
BATCH_SIZE = 1024


@dataclass(frozen=True)
class RegroupedLayer:
    """A network with a regrouped first layer, and how its merged units were measured.

    Arguments:
        network: the new network.
        shares: for each merged unit, the probability that each of its old units is on where it is on.
        overlap: for each merged unit, `[V + 1]`, the documents with the unit over the sum of those with its old units,
            among the documents with each word; the last one is among all documents.
    """

    network: BeliefNetwork
    shares: dict[int, NDArray[np.float64]]
    overlap: dict[int, NDArray[np.float64]]


@dataclass(frozen=True)
class _UnitSamples:
    """Units of documents before and after the edit, `[N, K]` and `[N, J]`: values, or probabilities if independent."""

    old: NDArray[np.float64]
    new: NDArray[np.float64]


def needs_documents(network: BeliefNetwork, groups: Groups) -> bool:
    """Return whether a grouping cannot be done exactly, so that weights are fitted to documents."""
    reordered = _is_reordered(groups) and network.config.posterior == "autoregressive"
    return reordered or any(len(group) > 1 for group in groups)


@torch.no_grad()
def regroup_units(network: BeliefNetwork, groups: Groups, counts: csr_array | None, *, seed: int = 0) -> RegroupedLayer:
    """Return the network whose first layer has the units of `groups`, in their order.

    Arguments:
        network: the network, which is not changed.
        groups: J groups of unit numbers, without repetition.
        counts: `[N, V]`, documents to fit weights to; None if `needs_documents` is false.
        seed: determines the samples of units.
    """
    merged = tuple(unit for unit, group in enumerate(groups) if len(group) > 1)
    new = _selected(network, groups)
    samples = None if counts is None else _sampled_units(network, counts, groups, seed)
    shares, overlap = {}, {}
    for unit in merged:
        old = samples.old[:, list(groups[unit])]
        shares[unit] = old.sum(0) / max(samples.new[:, unit].sum(), 1e-9)
        overlap[unit] = _overlap(counts, old.sum(1), samples.new[:, unit])
        _average_outputs(network, new, unit, groups[unit], shares[unit])
    _refit_prior(network, new, groups, merged, seed)
    if samples is not None:
        _refit_recognition(network, new, groups, merged, counts, samples)
    return RegroupedLayer(new, shares, overlap)


def _is_reordered(groups: Groups) -> bool:
    first = [min(group) for group in groups]
    return first != sorted(first)


def _selected(network: BeliefNetwork, groups: Groups) -> BeliefNetwork:
    """Return a network with the first old unit of each group."""
    config = replace(network.config, units=(len(groups), *network.config.units[1:]))
    new = BeliefNetwork(config).to(network.device, network.dtype)
    old_state, state = network.state_dict(), {}
    units = torch.tensor([min(group) for group in groups], device=network.device)
    for name in new.state_dict():
        value = old_state[name]
        if name in _lateral_names(network):
            value = _reordered_lateral(value, units)
        elif _unit_axis(network, name) is not None:
            value = value.index_select(_unit_axis(network, name), units)
        state[name] = value.clone()
    new.load_state_dict(state)
    return new


def _lateral_names(network: BeliefNetwork) -> tuple[str, ...]:
    """Return the parameters that are weights between units of the first layer, if the network has them."""
    prior = () if network.generative.layers else ("generative.prior.units.lateral",)
    return ("recognition.first.units.lateral", *prior)


def _unit_axis(network: BeliefNetwork, name: str) -> int | None:
    """Return the axis of a parameter along which the units of the first layer are, if there is one."""
    last = f"recognition.first.deeper.{len(network.config.recognition_hidden) - 1}"
    hidden, deep = bool(network.config.recognition_hidden), bool(network.generative.layers)
    axes = {
        "generative.visible.weight": 1,
        "generative.layers.0.weight": 0,
        "generative.layers.0.bias": 0,
        "recognition.layers.0.weight": 1,
    }
    if hidden:
        axes |= {f"{last}.weight": 0, f"{last}.bias": 0}
    else:
        axes |= {"recognition.first.linear.weight": 1, "recognition.first.linear.bias": 0}
    if not deep:
        axes["generative.prior.bias"] = 1 if isinstance(network.generative.prior, MixturePrior) else 0
    return axes.get(name)


def _reordered_lateral(lateral: Tensor, units: Tensor) -> Tensor:
    """Return weights for another order; two units keep the weight between them, to first order."""
    symmetric = lateral.tril(-1) + lateral.tril(-1).T
    return symmetric[units][:, units].tril(-1)


def _sampled_units(network: BeliefNetwork, counts: csr_array, groups: Groups, seed: int) -> _UnitSamples:
    """Return the units of q(h1 | x): probabilities if they are independent, else one sample per document."""
    rows = []
    for _, batch in model_batches(network, counts, BATCH_SIZE):
        units = network.recognition.first(batch.counts)
        if network.config.posterior == "factorial":
            rows.append(units.mean)
        else:
            generator = KeyedGenerator(stream_seed(seed, "units of an edit"), batch.keys)
            rows.append(units.sample((1, *units.logits.shape), generator)[0])
    old = torch.cat(rows).double().cpu().numpy()
    return _UnitSamples(old, grouped(old, groups))


def grouped(units: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """Return 1 - prod_(k in group) (1 - h_k) for each group, `[N, K] -> [N, J]`: values, or independent probabilities.

    Example:
        >>> grouped(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 1.0]]), ((2,), (0, 1)))
        array([[0.  , 0.75],
               [1.  , 1.  ]])
    """
    return np.stack([1 - np.prod(1 - units[:, list(group)], axis=1) for group in groups], axis=1)


def _overlap(counts: csr_array, old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `RegroupedLayer.overlap` of one unit from the sum of its old units and its own value, `[N]` each."""
    total = new.sum() / max(old.sum(), 1e-9)
    contains = counts.astype(bool).astype(np.float64).T
    smoothing = 10.0  # documents with the overlap of all documents, for words that few of them contain
    by_word = (contains @ new + smoothing * total) / (contains @ old + smoothing)
    return np.append(by_word, total)


def _average_outputs(
    network: BeliefNetwork, new: BeliefNetwork, unit: int, group: Sequence[int], shares: NDArray[np.float64]
) -> None:
    """Set a merged unit's effects to the expected sum of those of its old units where it is on, in place.

    The effects are the weights to words, and to the deeper layer of q. Units that are never on together get the mean of
    their weights, and those that are always on together get the sum.
    """
    pairs = [(network.generative.visible.weight, new.generative.visible.weight)]
    if network.recognition.layers:
        pairs.append((network.recognition.layers[0].weight, new.recognition.layers[0].weight))
    for old_weight, weight in pairs:
        weight[:, unit] = old_weight[:, list(group)] @ torch.from_numpy(shares).to(old_weight)


def _refit_prior(
    network: BeliefNetwork, new: BeliefNetwork, groups: Groups, merged: tuple[int, ...], seed: int
) -> None:
    """Set the parameters of p(h1), or p(h1 | h2), of merged and reordered units, in place."""
    prior = network.generative.prior
    if network.generative.layers:
        _refit_layer(network, new, groups, merged, seed)
    elif isinstance(prior, MixturePrior) or prior.units.lateral is None:
        if isinstance(prior, MixturePrior) or not prior.is_fixed:
            on = torch.sigmoid(prior.bias.double()).cpu().numpy().reshape(-1, prior.bias.shape[-1])
            bias = torch.from_numpy(_logit(grouped(on, groups))).to(prior.bias).reshape(*prior.bias.shape[:-1], -1)
            for unit in merged:
                new.generative.prior.bias[..., unit] = bias[..., unit]
    elif merged or _is_reordered(groups):
        generator = KeyedGenerator(stream_seed(seed, "prior of an edit"), torch.arange(PRIOR_SAMPLES))
        samples = deepcopy(prior).cpu()().sample((1, PRIOR_SAMPLES, network.config.units[0]), generator)[0]
        units = grouped(samples.double().numpy(), groups)
        target = new.generative.prior
        fitted = fit_units(
            units,
            np.zeros_like(units),
            FittedUnits(np.zeros((0, 0)), _array(target.bias), _array(target.units.lateral)),
            autoregressive=True,
            refitted=_changed(groups),
        )
        target.bias.copy_(torch.from_numpy(fitted.bias))
        target.units.lateral.copy_(torch.from_numpy(fitted.lateral))


def _refit_layer(
    network: BeliefNetwork, new: BeliefNetwork, groups: Groups, merged: tuple[int, ...], seed: int
) -> None:
    """Fit p(h1 | h2) of merged units to samples of h2 from the prior, in place."""
    if not merged:
        return
    generator = KeyedGenerator(stream_seed(seed, "prior of an edit"), torch.arange(PRIOR_SAMPLES))
    above = deepcopy(network.generative).cpu().sample(PRIOR_SAMPLES, generator)[1][0]
    layer, target = deepcopy(network.generative.layers[0]).cpu(), new.generative.layers[0]
    units = grouped(layer(above).mean.double().numpy(), groups)
    initial = FittedUnits(_array(target.weight[list(merged)]).T, _array(target.bias), np.zeros((len(groups),) * 2))
    inputs = above.double().numpy()
    fitted = fit_units(units, np.zeros_like(units), initial, features=inputs, merged=merged)
    for column, unit in enumerate(merged):
        target.weight[unit] = torch.from_numpy(fitted.weight[:, column]).to(target.weight)
        target.bias[unit] = float(fitted.bias[unit])


def _refit_recognition(
    network: BeliefNetwork,
    new: BeliefNetwork,
    groups: Groups,
    merged: tuple[int, ...],
    counts: csr_array,
    samples: _UnitSamples,
) -> None:
    """Fit q(h1 | x) of merged units, and of autoregressive units that changed, to the documents, in place."""
    layer = new.recognition.first
    autoregressive = layer.units.lateral is not None
    features = _features(layer, network, counts)
    output = layer.deeper[-1] if network.config.recognition_hidden else layer.linear
    weight = _array(output.weight).T if network.config.recognition_hidden else _array(output.weight)  # [P, J]
    shift = _array(layer.linear.mean) @ weight if hasattr(layer.linear, "mean") and output is layer.linear else 0.0
    offsets = np.asarray(features @ weight)
    offsets[:, list(merged)] = 0.0
    lateral = _array(layer.units.lateral) if autoregressive else np.zeros((len(groups),) * 2)
    initial = FittedUnits(weight[:, list(merged)], _array(output.bias) - shift, lateral)
    fitted = fit_units(
        samples.new,
        offsets,
        initial,
        features=features,
        merged=merged,
        autoregressive=autoregressive,
        refitted=_changed(groups) if autoregressive else None,
    )
    weight[:, list(merged)] = fitted.weight
    if hasattr(layer.linear, "mean") and output is layer.linear:
        shift = _array(layer.linear.mean) @ weight
    output.weight.copy_(torch.from_numpy(weight.T if network.config.recognition_hidden else weight))
    output.bias.copy_(torch.from_numpy(fitted.bias + shift))
    if autoregressive:
        layer.units.lateral.copy_(torch.from_numpy(fitted.lateral))


def _features(layer: WordSigmoidLayer, network: BeliefNetwork, counts: csr_array) -> Any:
    """Return the inputs of the last linear map of q(h1 | x), `[N, P]`: words, or the last tanh units."""
    if not network.config.recognition_hidden:
        values = counts.astype(np.float64)
        return values.log1p() if layer.linear.transform == "log1p" else values
    rows = []
    for _, batch in model_batches(network, counts, BATCH_SIZE):
        value = layer.linear(batch.counts)
        for each in list(layer.deeper)[:-1]:
            value = each(value.tanh())
        rows.append(value.tanh())
    return torch.cat(rows).double().cpu().numpy()


def _changed(groups: Groups) -> NDArray[np.bool_]:
    """Return the units whose dependence on earlier units changes, `[J]`: those at or after the first changed one."""
    order = [min(group) for group in groups]
    changed = (
        place
        for place, group in enumerate(groups)
        if len(group) > 1 or any(later < order[place] for later in order[place + 1 :])
    )
    return np.arange(len(groups)) >= next(changed, len(groups))


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(probability, 1e-13, 1 - 1e-13)
    return np.log(clipped) - np.log1p(-clipped)


def _array(parameter: Tensor | nn.Parameter) -> NDArray[np.float64]:
    return parameter.detach().double().cpu().numpy().copy()
