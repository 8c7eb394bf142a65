"""Write the "by date" version of 20 Newsgroups, downloaded by scikit-learn, as JSON lines.

    python corpora/20newsgroups/recipe.py --out 20newsgroups.jsonl.gz

The output has one JSON object per line: `id` (such as "sci.space/60862"), `group`, `split` ("train" or "test") and
`text`. The training posts come first, and each split is sorted by id. The first run needs a network connection;
scikit-learn then keeps the posts in its data folder.
"""

import contextlib
import gzip
import io
import json
import socket
import warnings
from collections import Counter
from pathlib import Path

import click
from sklearn.datasets import fetch_20newsgroups

from docnvil.errors import CorpusError, DocnvilError
from docnvil.runtime.folders import refuse_existing_file, replace_file

SOURCE = "https://ndownloader.figshare.com/files/5975967"
ARCHIVE = "20news_home/20news-bydate.tar.gz"
EXPECTED = {"train": 11_314, "test": 7_532}
REMOVABLE = ("headers", "footers", "quotes")
TIMEOUT_SECONDS = 30.0


def read_posts(split: str, remove: tuple[str, ...], data_home: Path | None) -> list[dict[str, str]]:
    """Return the posts of one split as records, sorted by id.

    Arguments:
        split: "train" or "test".
        remove: parts of a post to remove, from `REMOVABLE`.
        data_home: scikit-learn's data folder, None for its default.

    Raises:
        CorpusError: the posts are not in `data_home` and cannot be downloaded.
    """
    socket.setdefaulttimeout(TIMEOUT_SECONDS)  # scikit-learn sets none and could wait forever
    try:
        # scikit-learn warns about each retry and prints about a broken cache; the error below reports the outcome.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            posts = fetch_20newsgroups(
                data_home=data_home, subset=split, remove=remove, shuffle=False, n_retries=2, delay=0.5
            )
    except OSError as error:
        raise CorpusError(
            f"20 Newsgroups could not be downloaded from {SOURCE} ({error}). Run this on a machine with a network"
            f" connection, or save the archive as FOLDER/{ARCHIVE} and pass --data-home FOLDER."
        ) from error
    records = [
        # In the archive, folders are groups and files are numbered posts.
        {"id": "/".join(Path(filename).parts[-2:]), "group": posts.target_names[group], "split": split, "text": text}
        for filename, group, text in zip(posts.filenames, posts.target, posts.data, strict=True)
    ]
    return sorted(records, key=lambda record: record["id"])


def summarize(records: list[dict[str, str]], splits: list[str]) -> str:
    """Return a sentence with the counts of documents and the expected counts."""
    counts = Counter(record["split"] for record in records)
    parts = [f"{split} {counts[split]:,} (expected {EXPECTED[split]:,})" for split in splits]
    groups = len({record["group"] for record in records})
    empty = sum(not record["text"].strip() for record in records)
    return f"{len(records):,} documents from {groups} groups: {', '.join(parts)}; {empty:,} of them have no text."


def _parse_removals(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    for part in parts:
        if part not in REMOVABLE:
            raise click.BadParameter(f"Cannot remove {part!r}. Choose from: {', '.join(REMOVABLE)}.")
    return parts


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Output file (.jsonl.gz).")
@click.option(
    "--subset",
    type=click.Choice(["train", "test", "all"]),
    default="all",
    show_default=True,
    help="Posts to write.",
)
@click.option("--remove", callback=_parse_removals, default="", help="Parts to remove: headers,footers,quotes.")
@click.option(
    "--data-home",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"scikit-learn's data folder, which may hold the archive as {ARCHIVE}.  [default: ~/scikit_learn_data]",
)
@click.option("--force", is_flag=True, help="Replace --out if it exists.")
def main(out: Path, subset: str, remove: tuple[str, ...], data_home: Path | None, force: bool) -> None:
    """Write the posts of 20 Newsgroups as a corpus.

    Example: python corpora/20newsgroups/recipe.py --remove headers,footers,quotes --out 20newsgroups.jsonl.gz
    """
    splits = ["train", "test"] if subset == "all" else [subset]
    try:
        refuse_existing_file(out, force=force)
        records = []
        for split in splits:
            click.echo(f"Reading the {split} posts", err=True)
            records += read_posts(split, remove, data_home)
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        replace_file(out, gzip.compress(lines.encode("utf-8"), mtime=0))
    except DocnvilError as error:
        raise click.ClickException(error.command_line_message) from error
    click.echo(summarize(records, splits))


if __name__ == "__main__":
    main()
