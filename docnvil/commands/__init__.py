"""The command line: one file per command, each a thin layer over the library.

A command is imported when it runs, because importing torch takes seconds and `docnvil --help` should not.
"""

from importlib import import_module

import click

from docnvil import __version__
from docnvil.commands.console import ErrorReportingGroup

COMMANDS = {
    "fit": "Train a model on documents.",
    "recipes": "Print the settings of each recipe.",
    "info": "Describe a model, a corpus or a search index.",
    "topics": "Print the top words of each unit.",
    "edit": "Name, merge, drop and reorder units.",
    "perplexity": "Evaluate held-out perplexity.",
    "completion": "Evaluate document completion.",
    "sweep": "Compare numbers of units.",
    "compare": "Compare with LDA, NMF and other models.",
    "retrieval": "Evaluate retrieval of documents with the same label.",
    "search": "Find documents for words, or similar to a document.",
    "explain": "Explain which words turn the units of documents on.",
    "outliers": "Find documents that do not fit the model.",
    "embed": "Write the unit probabilities of each document.",
    "effects": "Compare units between groups of documents or over time.",
    "sample": "Sample a corpus from a model.",
    "report": "Write an HTML report of a model.",
    "draw": "Draw samples and weights of a model of images.",
    "corpus": "Turn documents into a prepared corpus.",
}


class Commands(ErrorReportingGroup, click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, the most needed first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command `name` from the module of that name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"docnvil.commands.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="docnvil")
def main() -> None:
    """Topic models with binary units, trained by neural variational inference.

    \b
    docnvil fit corpus/ --out model/                    train a model on texts
    docnvil topics model/                               top words of each unit
    docnvil perplexity model/ held-out/                 held-out perplexity
    docnvil embed model/ corpus/ --out embeddings.csv   unit probabilities of each document
    """
