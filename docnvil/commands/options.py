"""Options that several commands share."""

from pathlib import Path
from typing import Any

import click

from docnvil.commands.grouped import grouped_option
from docnvil.commands.numbers import Number, WholeNumber
from docnvil.commands.setting_options import Decorator, options_of, with_options
from docnvil.commands.stdin import NAME as STDIN
from docnvil.commands.stdin import copy_stdin
from docnvil.storage import suffixes
from docnvil.text.settings import SourceOptions, TokenOptions, VocabularyLimits

POSITIVE = WholeNumber(min=1, max=2**31 - 1)
THREADS = WholeNumber(min=1, max=1024)  # OpenMP ends the process if it cannot start them
PROPORTION = Number(0, 1, min_open=True, max_open=True)


class Texts(click.ParamType):
    """A path, or the address of object storage."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; fsspec is imported only for addresses."""
        from docnvil.text.files import as_path

        return copy_stdin(ctx, param) if value == STDIN and ctx is not None else as_path(value)


class Source(click.Path):
    """A path, or `-` for standard input."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        return copy_stdin(ctx, param) if value == STDIN and ctx is not None else super().convert(value, param, ctx)


class Output(click.Path):
    """The path of a file or a folder that a command writes."""

    def __init__(self, *suffixes: str, is_folder: bool = False) -> None:
        """Make the type; `suffixes` are those of the formats of a file."""
        super().__init__(path_type=Path)
        self.suffixes = suffixes
        self.is_folder = is_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; `-` is refused, since no command writes its output to a standard stream."""
        if value == STDIN:
            kind = "folder" if self.is_folder else "file"
            self.fail(f"- stands for a standard stream, but the output is a {kind}. Give the name of a {kind}.", param)
        return super().convert(value, param, ctx)


PATH = click.Path(path_type=Path)  # of an input that is not a corpus
CORPUS = Source(path_type=Path)
OUT_FOLDER = Output(is_folder=True)
CSV_FILE, HTML_FILE, SVG_FILE = Output(*suffixes.CSV), Output(*suffixes.HTML), Output(*suffixes.SVG)
MODEL = click.argument("model", type=PATH)
SOURCE = click.argument("source", metavar="CORPUS", type=CORPUS)
DEVICE = click.option("--device", default="auto", help="Device: auto, cpu or cuda.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

source_options = with_options(
    *options_of(SourceOptions),
    grouped_option("--vocabulary", group="Input", type=PATH, help="File with the vocabulary, one word per line."),
)
model_source_options = with_options(
    source_options,
    grouped_option(
        "--tokenizer",
        group="Input",
        metavar="MODULE:FUNCTION",
        help="Import the function that split the model's texts.",
    ),
)
counting_options = with_options(source_options, *options_of(TokenOptions), *options_of(VocabularyLimits))


def force_option(existing: str = "an existing file") -> Decorator:
    """Return the option to replace what exists already."""
    return click.option("--force", is_flag=True, help=f"Replace {existing}.")


def _guard_formulas(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from docnvil.storage.csv_files import guarding_formulas

        ctx.with_resource(guarding_formulas())


CSV_SAFE = click.option(
    "--csv-safe",
    is_flag=True,
    expose_value=False,
    callback=_guard_formulas,
    help="Write ' before texts in CSV that spreadsheets would run.",
)


def seed_option(purpose: str) -> Decorator:
    """Return the option for a seed; `purpose` is the help text."""
    return click.option("--seed", type=WholeNumber(min=0, max=2**53 - 1), default=0, help=purpose)


def evaluation_options(*, samples: int) -> Decorator:
    """Return a decorator that adds the shared options; `samples` is the default number of samples per document."""
    return with_options(
        click.option("--samples", type=POSITIVE, default=samples, help="Samples per document."),
        click.option("--interval", type=PROPORTION, show_default="none", help="Coverage of bootstrap intervals."),
        click.option("--out", type=CSV_FILE, help="CSV file for the values of each document."),
        *(CSV_SAFE, force_option(), seed_option("Seed of the random draws."), DEVICE, JSON, model_source_options),
    )
