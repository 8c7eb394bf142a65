"""The command line: a thin face over the library, one file a command.

A command's module is imported only when that command runs: torch alone takes seconds, and `docnvil --help` should not.
"""

from importlib import import_module

import click

from docnvil import __version__
from docnvil.commands.console import FailsInSentences

COMMANDS = {
    "fit": "Train a model on documents.",
    "topics": "Show what each unit of a model stands for, in words.",
    "perplexity": "Say how well a model explains documents it has not seen.",
    "completion": "Say how well a model completes documents.",
    "compare": "Set docnvil beside other people's models, in one table.",
    "retrieval": "Say how well codes find documents of the same label.",
    "embed": "Write a latent code for every document.",
    "sample": "Draw a corpus from a model.",
    "report": "Draw a page about a model.",
    "draw": "Draw what a model of images dreams, and what its units see.",
    "corpus": "Turn documents into a prepared corpus.",
}


class Commands(FailsInSentences, click.Group):
    """The commands by name, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order a newcomer needs them."""
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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="docnvil")
def main() -> None:
    """Topic models of binary units for documents, and a number that says honestly how good they are.

    \b
    docnvil fit corpus/ --out model/                    text -> counts -> a trained model folder
    docnvil topics model/                               what each unit stands for
    docnvil perplexity model/ held-out/                 how well it explains unseen text
    docnvil embed model/ corpus/ --out embeddings.csv   a latent code for every document
    """
