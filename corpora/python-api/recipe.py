"""Write a corpus of 7,000 technical documents: the docstrings of the packages that docnvil installs.

    python corpora/python-api/recipe.py --out python-api.jsonl.gz

The output has one JSON object per line: `id` (the public name, such as "scipy.stats.norm"), `label` (the package),
`module` (its subpackage, such as "scipy.stats") and `text`. Nothing is downloaded. `objects.py` defines which objects
are public, `cleaning.py` how a docstring becomes prose, and `selection.py` which documents are dropped as copies.
`expected.json` holds the counts for the package versions in `constraints.txt`.
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

sys.dont_write_bytecode = True  # the recipe imports many modules only to read them; do not fill their caches

import click  # noqa: E402
from cleaning import clean  # noqa: E402
from objects import sort_objects, walk_package  # noqa: E402
from selection import Entry, select  # noqa: E402

from docnvil.errors import CorpusError, DocnvilError  # noqa: E402
from docnvil.runtime.folders import refuse_existing_file, replace_file, write_json  # noqa: E402

# Distribution name -> import name.
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
    """Return the cleaned docstrings of the packages, shortest public names first."""
    labels = {PACKAGES[package]: package for package in packages}
    objects = []
    for import_name, package in labels.items():
        package_objects, failed = walk_package(import_name)
        objects += package_objects
        warning = f", {len(failed)} modules could not be imported: {', '.join(failed)}" if failed else ""
        click.echo(f"{package}: {len(package_objects):,} docstrings{warning}", err=True)
    return [Entry(labels[o.package], o.module, o.name, tuple(clean(o.docstring))) for o in sort_objects(objects)]


def to_lines(entries: Sequence[Entry]) -> bytes:
    """Return the documents as JSON lines, sorted by package and name."""
    records = [
        {"id": entry.name, "label": entry.package, "module": entry.module, "text": entry.text}
        for entry in sorted(entries, key=lambda entry: (entry.package, entry.name))
    ]
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode("utf-8")


def describe(entries: Sequence[Entry], lines: bytes, packages: Sequence[str]) -> dict[str, Any]:
    """Return the content of `expected.json` for a corpus: versions, counts, SHA-256 of the uncompressed lines."""
    counts = Counter(entry.package for entry in entries)
    return {
        # The local suffix of a version, as in 2.13.0+cpu, does not change docstrings.
        "versions": {package: version(package).partition("+")[0] for package in packages},
        "python": ".".join(platform.python_version_tuple()[:2]),
        "documents": {package: counts[package] for package in packages},
        "sha256": hashlib.sha256(lines).hexdigest(),
    }


def compare_with_expected(actual: dict[str, Any], expected: dict[str, Any]) -> str:
    """Return a phrase that compares a corpus with the expected one."""
    if set(actual["versions"]) != set(expected["versions"]):
        return "not compared: some packages were left out"
    if actual == expected:
        return "as expected with constraints.txt"
    pinned = {"python": expected["python"], **expected["versions"]}
    installed = {"python": actual["python"], **actual["versions"]}
    differences = [
        f"{name} is {installed[name]} instead of {pinned[name]}" for name in pinned if installed[name] != pinned[name]
    ]
    total = sum(expected["documents"].values())
    if differences:
        return f"constraints.txt gives {total:,}; here {', '.join(differences)}"
    return f"expected {total:,} other documents with these versions; after a change of the rules pass --update-expected"


def _parse_packages(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in PACKAGES:
            raise click.BadParameter(f"{name} is not a package of this corpus. Choose from: {', '.join(PACKAGES)}.")
    if not names:
        raise click.BadParameter(f"The list of packages is empty. Choose from: {', '.join(PACKAGES)}.")
    return sorted(set(names))


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Output file (.jsonl.gz).")
@click.option(
    "--packages",
    callback=_parse_packages,
    default=",".join(PACKAGES),
    show_default=True,
    help="Packages to read, separated by commas.",
)
@click.option("--force", is_flag=True, help="Replace --out if it exists.")
@click.option("--update-expected", is_flag=True, help="For maintainers: write the counts to expected.json.")
def main(out: Path, packages: list[str], force: bool, update_expected: bool) -> None:
    """Write the docstrings of docnvil's dependencies as a corpus.

    Example: python corpora/python-api/recipe.py --out python-api.jsonl.gz
    """
    if update_expected and len(packages) < len(PACKAGES):
        raise click.UsageError("--update-expected needs all packages. Omit --packages.")
    try:
        refuse_existing_file(out, force=force)
        entries = select(read_entries(packages))
        if not entries:
            raise CorpusError("No docstrings were found. Run Python without -OO, which strips them.")
        lines = to_lines(entries)
        replace_file(out, gzip.compress(lines, mtime=0))
    except DocnvilError as error:
        raise click.ClickException(error.command_line_message) from error
    actual = describe(entries, lines, packages)
    if update_expected:
        write_json(EXPECTED, actual)
    counts = ", ".join(f"{package} {count:,}" for package, count in actual["documents"].items())
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    verdict = compare_with_expected(actual, expected)
    click.echo(f"{len(entries):,} documents from {len(packages)} packages: {counts} ({verdict})")


if __name__ == "__main__":
    main()
