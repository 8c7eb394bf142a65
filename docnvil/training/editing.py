"""Editing the units of a fitted model: name, merge, drop and reorder those of the first layer.

Every function returns a new model whose parameters, statistics and names belong together, and whose `edits` say what
was done. Dropped units are held off, which is exact. A merged unit is on where any of its units is on; its weights are
those that lose the fewest nats among the ways that were measured, see docs/units.md. No training documents are needed:
what must be fitted is fitted to documents that are sampled from the model.

Axes: N documents, V words, K units before and J units after.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from docnvil.analysis.themes import ThemeStatistics
from docnvil.analysis.topics import UnitStatistics, binary_entropy, unit_statistics
from docnvil.analysis.unit_names import UnitNames, check_names, check_unit
from docnvil.errors import ConfigurationError
from docnvil.schema import check_whole
from docnvil.training.editing_network import Groups, RegroupedLayer, needs_documents, regroup_units
from docnvil.training.fitted_model import FittedModel, require_model
from docnvil.training.pseudo_documents import sample_like_corpus

SAMPLED_DOCUMENTS = 4000

EDITED = (
    "The model was edited after training, so its training curves and validation figures are those before the edits."
    " Evaluate it on held-out documents with docnvil perplexity."
)


def rename_units(model: FittedModel, names: Mapping[int, str | None]) -> FittedModel:
    """Return the model with other names of some units; None or an empty text removes a name.

    Arguments:
        model: the fitted model.
        names: names by the number of the unit.

    Raises:
        ConfigurationError: an unknown unit, a name that is not allowed, or one that another unit has.
    """
    return _last(edit_units(model, names=names))


def merge_units(model: FittedModel, units: Sequence[int], *, seed: int = 0) -> FittedModel:
    """Return the model with several units merged into one, which has the smallest of their numbers.

    The merged unit is on where any of the units is on. Its name is the first one that the units have.

    Arguments:
        model: the fitted model.
        units: two or more numbers of units.
        seed: determines the sampled documents that its weights are fitted to.

    Raises:
        ConfigurationError: fewer than two units, an unknown unit, or a unit twice.
    """
    return _last(edit_units(model, merges=[units], seed=seed))


def drop_units(model: FittedModel, units: Sequence[int]) -> FittedModel:
    """Return the model without some units, which are held off: the joint probability given that they are off is kept.

    Arguments:
        model: the fitted model.
        units: the numbers of the units.

    Raises:
        ConfigurationError: an unknown unit, or no unit would remain.
    """
    return _last(edit_units(model, drops=units))


def reorder_units(model: FittedModel, order: Sequence[int], *, seed: int = 0) -> FittedModel:
    """Return the model with its units in another order; exact unless units are autoregressive.

    Arguments:
        model: the fitted model.
        order: the number of every unit, once; the first becomes unit 0.
        seed: determines the samples that the weights between autoregressive units are fitted to.

    Raises:
        ConfigurationError: the order is not a permutation of the units.
    """
    return _last(edit_units(model, order=order, seed=seed))


def edit_units(
    model: FittedModel,
    *,
    merges: Iterable[Sequence[int]] = (),
    drops: Iterable[int] = (),
    order: Sequence[int] | None = None,
    names: Mapping[int, str | None] | None = None,
    seed: int = 0,
) -> Iterator[FittedModel]:
    """Check several edits, and return an iterator over the models after each of them: merges, drops, order, names.

    All numbers are those of the units of `model`. A merged unit can be given by the number of any of its units. Units
    are dropped one by one.

    Arguments:
        model: the fitted model.
        merges: groups of units to merge.
        drops: units to drop.
        order: every unit that remains, once.
        names: names by number, as in `rename_units`.
        seed: determines the samples that weights are fitted to.

    Raises:
        ConfigurationError: an edit is not possible.
    """
    require_model(model)
    seed = check_whole("seed", seed)
    plan = _Plan.checked(model, [list(group) for group in merges], list(drops), order, names or {})
    return _steps(model, plan, seed)


@dataclass(frozen=True)
class _Plan:
    """Edits that were checked, in the numbers of the original units."""

    merges: list[list[int]]
    drops: list[int]
    order: list[int] | None
    names: dict[int, str | None]

    @classmethod
    def checked(
        cls,
        model: FittedModel,
        merges: list[list[int]],
        drops: list[int],
        order: Sequence[int] | None,
        names: Mapping[int, str | None],
    ) -> "_Plan":
        """Return the edits if they are possible."""
        n_units = model.network.config.units[0]
        for unit in (*(unit for group in merges for unit in group), *drops, *(order or ()), *names):
            check_unit(unit, n_units)
        used: dict[int, str] = {}
        for group in merges:
            if len(group) < 2:
                raise ConfigurationError(f"A merge needs two or more units, and it has {len(group)}. Name them all.")
            if len(set(group)) < len(group):
                raise ConfigurationError(f"Unit {_repeated(group)} cannot be merged with itself. Name another unit.")
        for edit, units in (*(("merged", group) for group in merges), ("dropped", drops)):
            for unit in units:
                if unit in used:
                    done = f"{used[unit]} twice" if used[unit] == edit else f"both {used[unit]} and {edit}"
                    raise ConfigurationError(f"Unit {unit} would be {done}. Name it in one edit only.")
                used[unit] = edit
        groups = _grouped(n_units, merges, drops)
        if not groups:
            raise ConfigurationError("All units would be dropped. Keep at least one.")
        if order is not None:
            groups = _ordered(groups, order)
        named = _named(groups, model.unit_names, names)
        if not (merges or drops or order is not None or names):
            raise ConfigurationError("There is nothing to edit. Name, merge, drop or reorder units.")
        return cls(merges, drops, None if order is None else list(order), named)


def _repeated(units: Sequence[int]) -> int:
    return next(unit for place, unit in enumerate(units) if unit in units[:place])


def numbers_after(
    n_units: int, merges: Sequence[Sequence[int]], drops: Sequence[int], order: Sequence[int] | None
) -> Groups:
    """Return the old numbers of the units that each new unit comes from, after edits that `edit_units` accepts.

    Example:
        >>> numbers_after(5, [[1, 2]], [3], None)
        ((0,), (1, 2), (4,))
    """
    groups = _grouped(n_units, merges, drops)
    return groups if order is None else _ordered(groups, order)


def _grouped(n_units: int, merges: Sequence[Sequence[int]], drops: Sequence[int]) -> Groups:
    """Return the units after merges and drops, each as the original units in it, in the order of the smallest."""
    gone = {unit for group in merges for unit in group} | set(drops)
    groups = [(unit,) for unit in range(n_units) if unit not in gone]
    return tuple(sorted([*groups, *(tuple(sorted(group)) for group in merges)], key=min))


def _ordered(groups: Groups, order: Sequence[int]) -> Groups:
    """Return the groups in the order of numbers, of which each group has one."""
    group_of = {unit: group for group in groups for unit in group}
    if left := [unit for unit in order if unit not in group_of]:
        raise ConfigurationError(f"The order has unit {left[0]}, which would be dropped. Leave it out.")
    ordered = [group_of[unit] for unit in order]
    if len(set(ordered)) < len(ordered):
        twice = next(unit for place, unit in enumerate(order) if group_of[unit] in ordered[:place])
        raise ConfigurationError(f"The order has unit {twice} twice. Name every unit once.")
    if missing := [min(group) for group in groups if group not in ordered]:
        rest = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
        listed = ", ".join(map(str, missing[:5]))
        raise ConfigurationError(f"The order leaves out unit {listed}{rest}. Name every unit once.")
    return tuple(ordered)


def _named(groups: Groups, old: UnitNames, names: Mapping[int, str | None]) -> dict[int, str | None]:
    """Return the new names by the smallest number of each group, after a check of all names."""
    group_of = {unit: group for group in groups for unit in group}
    chosen: dict[int, str | None] = {}
    for unit, name in names.items():
        if unit not in group_of:
            raise ConfigurationError(f"Unit {unit} would be dropped, so it cannot be named {name!r}. Leave out one.")
        smallest = min(group_of[unit])
        if smallest in chosen and chosen[smallest] != (name or None):
            raise ConfigurationError(
                f"The unit merged from {', '.join(map(str, group_of[unit]))} would have the names {chosen[smallest]!r}"
                f" and {name!r}. Give it one."
            )
        chosen[smallest] = name or None
    check_names([chosen.get(min(group), _kept_name(group, old)) for group in groups], len(groups))
    return chosen


def _kept_name(group: Sequence[int], names: UnitNames) -> str | None:
    return next((names[unit] for unit in group if names[unit]), None)


def _steps(model: FittedModel, plan: _Plan, seed: int) -> Iterator[FittedModel]:
    current: Groups = tuple((unit,) for unit in range(model.network.config.units[0]))
    step, final_names = 0, plan.names
    for kind, units in (
        *(("merge", group) for group in plan.merges),
        *(("drop", [unit]) for unit in plan.drops),
        *((("order", plan.order),) if plan.order is not None else ()),
    ):
        if kind == "merge":
            merged = tuple(sorted(units))
            target = tuple(sorted([*(g for g in current if g[0] not in merged), merged], key=min))
        elif kind == "drop":
            target = tuple(group for group in current if group[0] != units[0])
        else:
            target = _ordered(current, units)
        number = {unit: place for place, group in enumerate(current) for unit in group}
        groups = tuple(tuple(sorted({number[unit] for unit in group})) for group in target)
        step, current = step + 1, target
        model = _regrouped(model, groups, seed)
        model = _with_edit(model, {"edit": kind, "units": list(map(int, units)), "step": step})
        yield model
    if final_names:
        names = [final_names.get(min(g), name) for g, name in zip(current, model.unit_names, strict=True)]
        record = {"edit": "name", "units": list(map(int, final_names)), "names": list(final_names.values())}
        yield _with_edit(replace(model, unit_names=names), {**record, "step": step + 1})


def _with_edit(model: FittedModel, record: Mapping[str, Any]) -> FittedModel:
    """Return the model with one more edit, and with the warning that its validation figures are older."""
    record = {**record, "units_after": model.network.config.units[0], "change": None}
    warnings = list(model.run.get("warnings", ()))
    if record["edit"] != "name" and EDITED not in warnings:
        warnings.append(EDITED)
    return replace(model, edits=(*model.edits, record), run={**model.run, "warnings": warnings})


def _regrouped(model: FittedModel, groups: Groups, seed: int) -> FittedModel:
    """Return the model with a regrouped first layer."""
    counts = None
    if needs_documents(model.network, groups):
        counts = sample_like_corpus(model, SAMPLED_DOCUMENTS, purpose="an edit", seed=seed)
    layer = regroup_units(model.network, groups, counts, seed=seed)
    themes = model.theme_statistics
    return replace(
        model,
        network=layer.network,
        statistics=_statistics(model.statistics, layer, groups, counts),
        theme_statistics=None if themes is None else _theme_statistics(themes, layer, groups),
        unit_names=[_kept_name(group, model.unit_names) for group in groups],
    )


def _statistics(old: UnitStatistics, layer: RegroupedLayer, groups: Groups, counts: csr_array | None) -> UnitStatistics:
    """Return the statistics of the new units; those of merged units are estimated from the sampled documents."""
    first = [group[0] for group in groups]
    documents_on, activity, information = old.documents_on[first], old.activity[first], old.information[first]
    for unit, overlap in layer.overlap.items():
        group = list(groups[unit])
        summed = old.documents_on[group].sum(0) * overlap[:-1]
        documents_on[unit] = np.clip(summed, old.documents_on[group].max(0), old.document_frequency)
        total = old.activity[group].sum() * overlap[-1]
        activity[unit] = np.clip(total, old.activity[group].max(), old.n_documents)
    if layer.overlap and counts is not None:
        sampled = unit_statistics(layer.network, counts)
        entropy = binary_entropy(sampled.activity / sampled.n_documents) - sampled.information  # given a document
        for unit in layer.overlap:
            information[unit] = max(0.0, binary_entropy(activity[unit] / old.n_documents) - entropy[unit])
    return replace(old, documents_on=documents_on, activity=activity, information=information)


def _theme_statistics(old: ThemeStatistics, layer: RegroupedLayer, groups: Groups) -> ThemeStatistics:
    units_on = old.units_on[:, [group[0] for group in groups]]
    for unit, overlap in layer.overlap.items():
        group = list(groups[unit])
        summed = old.units_on[:, group].sum(1) * overlap[-1]
        units_on[:, unit] = np.clip(summed, old.units_on[:, group].max(1), old.documents)
    return replace(old, units_on=units_on)


def _last(models: Iterator[FittedModel]) -> FittedModel:
    *_, last = models
    return last
