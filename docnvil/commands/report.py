"""docnvil report: a page about a model, and a picture of it."""

from pathlib import Path

import click

from docnvil.commands.console import note
from docnvil.commands.options import CORPUS


@click.command()
@click.argument("model", type=CORPUS)
@click.option("--out", type=CORPUS, default=Path("report.html"), show_default=True, help="The HTML page to write.")
@click.option("--overview", type=CORPUS, help="Also draw the model in one SVG picture, and write it here.")
@click.option("--words", type=click.IntRange(min=1), default=12, show_default=True, help="Words a unit on the page.")
@click.option("--title", help="Over page and picture.  [default: what it was trained on]")
@click.option("--force", is_flag=True, help="Replace existing files.")
def report(model: Path, out: Path, overview: Path | None, words: int, title: str | None, force: bool) -> None:
    """Draw a page about MODEL: its figures, how training went, its units in words, its settings.

    \b
    docnvil report model/
    docnvil report model/ --out page.html --overview overview.svg --title "Twenty newsgroups"

    The page is one file that asks nothing of the network: open it in a browser, send it, print it.
    """
    from docnvil.runtime.folders import refuse_existing_file, replace_file

    if overview is not None and overview.resolve() == out.resolve():
        raise click.UsageError("--out and --overview name the same file. Give each its own.")
    for path in (out, *([overview] if overview else [])):
        refuse_existing_file(path, force=force)

    from docnvil.report.page import render, render_overview
    from docnvil.storage.model_folder import load

    loaded = load(model)
    drawn = {out: render(loaded, title=title, top_n=words)}
    if overview is not None:
        drawn[overview] = render_overview(loaded, title=title)
    for path, text in drawn.items():
        replace_file(path, text.encode("utf-8"))
        note(f"Wrote {path}: {len(text.encode('utf-8')) / 1000:,.0f} kB.")
