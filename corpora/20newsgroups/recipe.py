"""Write the 20 Newsgroups "by date" posts, which scikit-learn fetches, as JSON lines.

    python corpora/20newsgroups/recipe.py --out 20newsgroups.jsonl.gz

One JSON object a line: `id` (such as "sci.space/60862"), `group`, `split` ("train" or "test") and `text`; training
posts first, each split sorted by id. The first run needs a network; scikit-learn then keeps the posts in its data
home.
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
SECONDS_TO_WAIT = 30.0


def read_posts(split: str, remove: tuple[str, ...], data_home: Path | None) -> list[dict[str, str]]:
    """Return the posts of one split as records, sorted by id.

    Raises:
        CorpusError: the posts are neither in `data_home` nor to be had from the network.
    """
    socket.setdefaulttimeout(SECONDS_TO_WAIT)  # scikit-learn sets none and would wait for ever
    try:
        # Its warnings count the tries and its prints complain of a broken cache; what comes of it is said below.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            posts = fetch_20newsgroups(
                data_home=data_home, subset=split, remove=remove, shuffle=False, n_retries=2, delay=0.5
            )
    except OSError as error:
        raise CorpusError(
            f"20 Newsgroups could not be fetched from {SOURCE}, where scikit-learn takes it ({error}). Run this on a"
            f" machine with a network, or put the downloaded archive at FOLDER/{ARCHIVE} and pass --data-home FOLDER."
        ) from error
    records = [
        # The archive's folders are the groups, and its files are numbered.
        {"id": "/".join(Path(filename).parts[-2:]), "group": posts.target_names[group], "split": split, "text": text}
        for filename, group, text in zip(posts.filenames, posts.target, posts.data, strict=True)
    ]
    return sorted(records, key=lambda record: record["id"])


def summary(records: list[dict[str, str]], splits: list[str]) -> str:
    """Return the counts next to the expected ones, in a sentence."""
    counts = Counter(record["split"] for record in records)
    parts = [f"{split} {counts[split]:,} (expected {EXPECTED[split]:,})" for split in splits]
    groups = len({record["group"] for record in records})
    empty = sum(not record["text"].strip() for record in records)
    return f"{len(records):,} documents from {groups} groups: {', '.join(parts)}; {empty:,} of them without any text."


def _removals(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    for part in parts:
        if part not in REMOVABLE:
            raise click.BadParameter(f"{part} cannot be removed. Choose from: {', '.join(REMOVABLE)}.")
    return parts


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The .jsonl.gz to write.")
@click.option("--subset", type=click.Choice(["train", "test", "all"]), default="all", show_default=True)
@click.option("--remove", callback=_removals, default="", help="Any of headers,footers,quotes, with commas.")
@click.option(
    "--data-home",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"scikit-learn's data folder, by default ~/scikit_learn_data; the archive may lie there as {ARCHIVE}.",
)
@click.option("--force", is_flag=True, help="Replace --out if it exists.")
def main(out: Path, subset: str, remove: tuple[str, ...], data_home: Path | None, force: bool) -> None:
    """Write the 20 Newsgroups posts as a corpus.

    Example: python corpora/20newsgroups/recipe.py --remove headers,footers,quotes --out 20newsgroups.jsonl.gz
    """
    splits = ["train", "test"] if subset == "all" else [subset]
    try:
        refuse_existing_file(out, force=force)
        records = []
        for split in splits:
            click.echo(f"fetching the {split} posts", err=True)
            records += read_posts(split, remove, data_home)
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        replace_file(out, gzip.compress(lines.encode("utf-8"), mtime=0))
    except DocnvilError as error:
        raise click.ClickException(str(error)) from error
    click.echo(summary(records, splits))


if __name__ == "__main__":
    main()
