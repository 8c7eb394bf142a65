"""Write a corpus of several thousand technical documents: the docstrings of the packages docnvil itself installs.

    python corpora/python-api/recipe.py --out python-api.jsonl.gz

One JSON object a line: `id` (the public name, such as "scipy.stats.norm"), `label` (the package), `module` (its
subpackage, such as "scipy.stats") and `text`. Nothing is downloaded and nothing but the output is written. Which
objects are public is stated in `objects.py`, how a docstring becomes prose in `cleaning.py`, and which documents are
left out as copies in `selection.py`. `expected.json` holds the counts under the versions of `constraints.txt`.
"""

import gzip
import hashlib
import json
import platform
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # many modules are imported to be read; none should leave a cache behind

import click  # noqa: E402
from cleaning import clean  # noqa: E402
from objects import in_order, walk_package  # noqa: E402
from selection import Entry, select  # noqa: E402

from docnvil.errors import CorpusError, DocnvilError  # noqa: E402
from docnvil.runtime.folders import refuse_existing_file, replace_file, write_json  # noqa: E402

# Distribution names and the names they are imported by.
PACKAGES = {
    "click": "click",
    "nltk": "nltk",
    "numpy": "numpy",
    "pandas": "pandas",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "torch": "torch",
}
EXPECTED = Path(__file__).with_name("expected.json")


def read_entries(packages: Sequence[str]) -> list[Entry]:
    """Walk the packages, shortest public names first, and clean what is found."""
    labels = {PACKAGES[package]: package for package in packages}
    found = []
    for imported, package in labels.items():
        objects, failed = walk_package(imported)
        found += objects
        unread = f", {len(failed)} modules could not be imported: {', '.join(failed)}" if failed else ""
        click.echo(f"{package}: {len(objects):,} docstrings{unread}", err=True)
    return [Entry(labels[o.package], o.module, o.name, tuple(clean(o.docstring))) for o in in_order(found)]


def to_lines(entries: Sequence[Entry]) -> bytes:
    """Return the documents as JSON lines, package by package and name by name."""
    records = [
        {"id": entry.name, "label": entry.package, "module": entry.module, "text": entry.text}
        for entry in sorted(entries, key=lambda entry: (entry.package, entry.name))
    ]
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode("utf-8")


def description(entries: Sequence[Entry], lines: bytes, packages: Sequence[str]) -> dict[str, Any]:
    """Return what `expected.json` says of a corpus: versions, counts, and the SHA-256 of the uncompressed lines."""
    counts = Counter(entry.package for entry in entries)
    return {
        # A build's local suffix, as in 2.13.0+cpu, changes no docstring.
        "versions": {package: version(package).partition("+")[0] for package in packages},
        "python": ".".join(platform.python_version_tuple()[:2]),
        "documents": {package: counts[package] for package in packages},
        "sha256": hashlib.sha256(lines).hexdigest(),
    }


def verdict(made: dict[str, Any], expected: dict[str, Any]) -> str:
    """Compare a corpus with the expected one, in a sentence."""
    if set(made["versions"]) != set(expected["versions"]):
        return "only a part of the packages was read, for which no counts are kept"
    if made == expected:
        return "as expected under constraints.txt"
    pinned = {"python": expected["python"], **expected["versions"]}
    found = {"python": made["python"], **made["versions"]}
    other = [f"{name} is {found[name]} and not {pinned[name]}" for name in pinned if found[name] != pinned[name]]
    total = sum(expected["documents"].values())
    if other:
        return f"{total:,} were expected under constraints.txt, but {', '.join(other)}"
    return f"{total:,} other ones were expected under these versions; if a rule was changed, pass --update-expected"


def _chosen_packages(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in PACKAGES:
            raise click.BadParameter(f"{name} is not a package of this corpus. Choose from: {', '.join(PACKAGES)}.")
    if not names:
        raise click.BadParameter(f"No package is named. Choose from: {', '.join(PACKAGES)}.")
    return sorted(set(names))


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The .jsonl.gz to write.")
@click.option("--packages", callback=_chosen_packages, default=",".join(PACKAGES), help="Only these, with commas.")
@click.option("--force", is_flag=True, help="Replace --out if it exists.")
@click.option("--update-expected", is_flag=True, help="For maintainers: keep these counts as the expected ones.")
def main(out: Path, packages: list[str], force: bool, update_expected: bool) -> None:
    """Write the docstrings of docnvil's own dependencies as a corpus.

    Example: python corpora/python-api/recipe.py --out python-api.jsonl.gz
    """
    if update_expected and len(packages) < len(PACKAGES):
        raise click.UsageError("--update-expected needs all packages. Leave --packages out.")
    try:
        refuse_existing_file(out, force=force)
        entries = select(read_entries(packages))
        if not entries:
            raise CorpusError("No docstrings were found. Run Python without -OO, which strips them.")
        lines = to_lines(entries)
        replace_file(out, gzip.compress(lines, mtime=0))
    except DocnvilError as error:
        raise click.ClickException(str(error)) from error
    made = description(entries, lines, packages)
    if update_expected:
        write_json(EXPECTED, made)
    counts = ", ".join(f"{package} {count:,}" for package, count in made["documents"].items())
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    click.echo(f"{len(entries):,} documents from {len(packages)} packages: {counts} ({verdict(made, expected)})")


if __name__ == "__main__":
    main()
