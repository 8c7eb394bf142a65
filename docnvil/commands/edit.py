"""docnvil edit: name, merge, drop and reorder the units of a model."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import load_for_model
from docnvil.commands.options import (
    CORPUS,
    DEVICE,
    JSON,
    MODEL,
    OUT_FOLDER,
    PATH,
    POSITIVE,
    force_option,
    model_source_options,
    seed_option,
    with_options,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo_result, note, shell_word
from docnvil.errors import counted
from docnvil.schema import parse_whole

if TYPE_CHECKING:
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel

DOCUMENTS_PER_UNIT = 5  # for --namer


class Numbers(click.ParamType):
    """Unit numbers with commas between, such as 3,17."""

    name = "units"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the numbers."""
        try:
            return [parse_whole(part.strip()) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a list of unit numbers. Write them with commas between, such as 3,17.")


class UnitName(click.ParamType):
    """The number of a unit and its name, such as 3=space flight."""

    name = "unit=name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        """Return the number and the name."""
        number, equals, name = value.partition("=")
        if not (equals and number.strip().isdecimal() and number.isascii()):
            self.fail(f'{value!r} does not name a unit. Write its number and its name, such as 3="space flight".')
        return int(number), name.strip()


@click.command()
@MODEL
@click.option("--out", type=OUT_FOLDER, required=True, help="Model folder to write.")
@click.option("--name", "names", multiple=True, type=UnitName(), help='Name a unit: 3="space flight"; repeatable.')
@click.option("--names-file", type=PATH, help='TOML (3 = "name") or CSV (unit,name) of names.')
@click.option("--namer", metavar="MODULE:FUNCTION", help="Function from words and documents to a name.")
@click.option("--merge", "merges", multiple=True, type=Numbers(), help="Merge units, such as 3,17; repeatable.")
@click.option("--drop", "drops", multiple=True, type=Numbers(), help="Drop units, such as 5 or 5,9; repeatable.")
@click.option("--order", type=Numbers(), help="New order: the numbers of all remaining units.")
@click.option("--corpus", type=CORPUS, help="Held-out documents on which each edit is evaluated.")
@click.option("--samples", type=POSITIVE, default=10, help="Samples per document of --corpus.")
@with_options(seed_option("Seed of the random draws."), force_option("an existing model"), DEVICE, JSON)
@model_source_options
def edit(model: Path, out: Path, corpus: Path | None, as_json: bool, **options: Any) -> None:
    """Name, merge, drop and reorder the units of MODEL's first layer, and write the result as a new model.

    \b
    docnvil edit model/ --name 3="space flight" --name 7=baseball --out named/
    docnvil edit model/ --merge 3,17 --drop 5 --corpus held-out/ --out edited/
    docnvil edit model/ --namer my_labels:label --corpus corpus/ --out named/

    All numbers are those that docnvil topics prints for MODEL. A merged unit can be named by the number of any of its
    units, and takes the place of the first. The edits are made in this order: merge, drop, order, name.

    A merged unit is on where any of its units is on. A dropped unit is held off. --corpus prints how many nats per
    document each edit gains or loses, in the variational and in the importance-weighted bound, with paired 95 %
    intervals. MODEL does not change; the new folder has its history, and all commands take it.

    --namer calls a function of yours once per live unit without a name, with its top words and with the documents of
    --corpus in which the unit is most probable (none without --corpus or without texts). It returns the name.
    """
    from docnvil.runtime.folders import refuse_existing_folder
    from docnvil.storage.model_folder import load_model, save_model
    from docnvil.training.editing import edit_units, numbers_after

    claim_output(out)
    refuse_existing_folder(out, kind="model", force=options["force"])
    names = _read_names(options["names_file"])
    names |= _unique_names(options["names"])
    fitted = load_model(model, options["device"])
    edits = {
        "merges": options["merges"],
        "drops": [unit for units in options["drops"] for unit in units],
        "order": options["order"],
        "seed": options["seed"],
    }
    has_edits = names or edits["merges"] or edits["drops"] or edits["order"]
    if has_edits or not options["namer"]:
        steps = edit_units(fitted, **edits, names=names)  # mistakes are reported before the corpus is read
    matrix = None if corpus is None else load_for_model(corpus, options, fitted)
    if options["namer"]:
        texts = _representative_texts(fitted, corpus, options, matrix)
        names = _invented_names(fitted, options["namer"], texts, edits) | names
        steps = edit_units(fitted, **edits, names=names)
    edited = _evaluated(fitted, steps, matrix, options)
    save_model(edited, out, force=options["force"])
    records = edited.edits[len(fitted.edits) :]
    units = edited.network.config.units[0]
    numbers = numbers_after(fitted.network.config.units[0], edits["merges"], edits["drops"], edits["order"])
    look = f"\nNext:\n  docnvil topics {shell_word(out)}"
    lines = [*map(_format_edit, records), *_describe_numbers(numbers), f"Wrote {out}: {counted(units, 'unit')}.", look]
    text = "\n".join(lines)
    names_after = {unit: name for unit, name in enumerate(edited.unit_names) if name}
    values = {"model": str(out), "units": units, "unit_names": names_after, "edits": list(records)}
    values["old_numbers"] = [sorted(group) for group in numbers]
    echo_result(values, text, as_json=as_json)


def _unique_names(names: Sequence[tuple[int, str]]) -> dict[int, str]:
    numbers = [unit for unit, _ in names]
    if twice := [unit for place, unit in enumerate(numbers) if unit in numbers[:place]]:
        raise click.UsageError(f"--name names unit {twice[0]} twice. Give it one name.")
    return dict(names)


def _read_names(path: Path | None) -> dict[int, str]:
    """Return the names in a TOML or CSV file by the number of the unit."""
    if path is None:
        return {}
    from docnvil.storage.name_files import read_names

    return read_names(path)


def _evaluated(
    before: "FittedModel",
    steps: Iterator["FittedModel"],
    matrix: "DocumentTermMatrix | None",
    options: Mapping[str, Any],
) -> "FittedModel":
    """Return the model after all steps, with the change in nats of each recorded if there are documents."""
    from dataclasses import replace

    from docnvil.training.editing_change import held_out_nats, nats_change, with_change

    estimator = {"n_samples": options["samples"], "seed": options["seed"]}
    nats = None if matrix is None else held_out_nats(before.network, matrix.counts, **estimator)
    model, records = before, list(before.edits)
    for step in steps:
        if nats is not None and step.network is not model.network:
            note(f"Evaluating {_describe(step.edits[-1])} on {counted(len(nats['elbo']), 'document')}.")
            after = held_out_nats(step.network, matrix.counts, **estimator)
            records.append(with_change(step, nats_change(nats, after, **estimator)).edits[-1])
            nats = after
        else:
            records.append(step.edits[-1])
        model = step
    return replace(model, edits=tuple(records))


def _representative_texts(
    model: "FittedModel", corpus: Path | None, options: Mapping[str, Any], matrix: "DocumentTermMatrix | None"
) -> list[list[str]]:
    """Return for each unit the texts of the documents in which it is most probable; none for counts."""
    import numpy as np

    from docnvil.commands.inputs import reread_options
    from docnvil.text.excerpts import read_texts
    from docnvil.text.sparse import row_chunks

    n_units = model.network.config.units[0]
    if matrix is None:
        return [[]] * n_units
    best = np.zeros((2, 0, n_units))  # rows and probabilities, the best first
    start = 0
    for chunk in row_chunks(matrix.counts):
        on = model.transform(chunk)[:, :n_units].astype(np.float64)
        rows = np.broadcast_to(np.arange(start, start + len(on))[:, None], on.shape)
        start += len(on)
        both = np.concatenate([best, np.stack([rows, on])], axis=1)
        order = np.argsort(-both[1], axis=0, kind="stable")[:DOCUMENTS_PER_UNIT]
        best = np.take_along_axis(both, np.broadcast_to(order, (2, *order.shape)), axis=1)
    chosen = best[0].T.astype(int).tolist()
    texts = read_texts(corpus, reread_options(corpus, options, model), matrix, {row for rows in chosen for row in rows})
    return [[] if texts is None else [texts[row] for row in rows] for rows in chosen]


def _invented_names(
    model: "FittedModel", namer: str, texts: Sequence[Sequence[str]], edits: Mapping[str, Any]
) -> dict[int, str]:
    """Return the names that a function of the user gives to live units that are neither named nor dropped."""
    from docnvil.training.unit_namers import import_namer, name_units

    merged = {unit for group in edits["merges"] for unit in sorted(group)[1:]}
    units = set(range(len(texts))) - set(edits["drops"]) - merged
    return name_units(model, import_namer(namer), texts, sorted(units))


def _describe(record: Mapping[str, Any]) -> str:
    return f"{record['edit']} {','.join(map(str, record['units']))}"


def _describe_numbers(groups: Sequence[Sequence[int]]) -> Iterator[str]:
    """Yield a line that says which units have new numbers, if any; neighbors that moved alike are told together.

    Example:
        >>> list(_describe_numbers([[0], [1, 2], [4], [5]]))
        ['Units have new numbers: 1 and 2 are now 1; 4 to 5 are now 2 to 3.']
    """
    parts: list[str] = []
    moved: list[tuple[int, int]] = []  # old and new numbers of neighbors that moved alike
    for new, group in enumerate([*groups, ()]):
        if moved and (len(group) != 1 or group[0] != moved[-1][0] + 1):
            (first, place), (last, last_place) = moved[0], moved[-1]
            single = f"{first} is now {place}"
            parts.append(single if len(moved) == 1 else f"{first} to {last} are now {place} to {last_place}")
            moved = []
        if len(group) > 1:
            *others, last_of_group = map(str, sorted(group))
            parts.append(f"{', '.join(others)} and {last_of_group} are now {new}")
        elif group and group[0] != new:
            moved.append((group[0], new))
    if parts:
        yield f"Units have new numbers: {'; '.join(parts)}."


def _format_edit(record: Mapping[str, Any]) -> str:
    if record["edit"] == "name":
        pairs = zip(record["units"], record["names"], strict=True)
        return "\n".join(f"name {unit}: {name or '(none)'}" for unit, name in pairs)
    described = _describe(record)
    if len(described) > 40:
        described = described[:39] + "…"
    change = record["change"]
    if change is None:
        return described
    texts = [
        f"{name} {change[name]['mean']:+.3f} ({change[name]['low']:+.3f} to {change[name]['high']:+.3f})"
        for name in ("elbo", "importance")
    ]
    return f"{described}: nats per document: {', '.join(texts)}"
