"""docnvil report: an HTML page about a model, and an overview as one picture."""

from pathlib import Path

import click

from docnvil.commands.console import note
from docnvil.commands.options import CORPUS, MODEL, POSITIVE, force_option
from docnvil.commands.outputs import claim_output


@click.command()
@MODEL
@click.option("--out", type=CORPUS, default=Path("report.html"), help="HTML page to write.")
@click.option("--overview", type=CORPUS, help="SVG picture of the model to write as well.")
@click.option("--words", type=POSITIVE, default=12, help="Words per unit on the page.")
@click.option("--title", help="Title of the page and the picture.  [default: Topic model of N documents]")
@force_option("existing files")
def report(model: Path, out: Path, overview: Path | None, words: int, title: str | None, force: bool) -> None:
    """Write an HTML page about MODEL: key figures, training curves, top words of the units, and settings.

    \b
    docnvil report model/
    docnvil report model/ --out page.html --overview overview.svg --title "Twenty newsgroups"

    The page is a single file that loads nothing from the network.
    """
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.publishing import complete_publication, writing_together

    if overview is not None and overview.resolve() == out.resolve():
        raise click.UsageError("--out and --overview name the same file. Choose two different files.")
    claim_output(out, [model])
    complete_publication(out)
    for path in (out, *([overview] if overview else [])):
        refuse_existing_file(path, force=force)

    from docnvil.report.page import render, render_overview
    from docnvil.storage.model_folder import load_model

    fitted = load_model(model, "cpu")
    texts = {out: render(fitted, title=title, top_n=words)}
    if overview is not None:
        texts[overview] = render_overview(fitted, title=title)
    with writing_together(*texts) as drafts:
        for draft, text in zip(drafts, texts.values(), strict=True):
            draft.write_bytes(text.encode("utf-8"))
    for path, text in texts.items():
        note(f"Wrote {path}: {len(text.encode('utf-8')) / 1000:,.0f} kB.")
