"""docnvil draw: pictures of a model of images."""

import math
from pathlib import Path

import click

from docnvil.commands.options import CORPUS


def _shape(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    try:
        height, width = (int(side) for side in value.lower().split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a height and a width like 28x28.") from None
    if min(height, width) < 1:
        raise click.BadParameter("an image has at least one pixel a side.")
    return height, width


@click.command()
@click.argument("model", type=CORPUS)
@click.option("--out", type=CORPUS, default=Path("pictures"), show_default=True, help="Folder for the pictures.")
@click.option("--shape", callback=_shape, metavar="HxW", help="Height and width of an image.  [default: square]")
@click.option("--samples", type=click.IntRange(min=1), default=100, show_default=True, help="Images to dream.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the dreams.")
@click.option("--force", is_flag=True, help="Replace pictures drawn before.")
def draw(model: Path, out: Path, shape: tuple[int, int] | None, samples: int, seed: int, force: bool) -> None:
    """Draw MODEL, trained on images of black and white: what it dreams, and what its units see.

    \b
    docnvil draw model/ --out pictures/

    samples.png shows images drawn from the model, each pixel as bright as it is probable; filters.png what the units of
    the first layer do, a unit an image, white where it makes pixels likelier and black where it makes them unlikelier.
    """
    import torch

    from docnvil.errors import ConfigurationError, OutputExistsError
    from docnvil.estimator import DocNVIL
    from docnvil.report.images import filters, png, sheet
    from docnvil.runtime.folders import replace_file
    from docnvil.runtime.randomness import KeyedGenerator

    estimator = DocNVIL.load(model, "cpu")
    network = estimator.model_
    n_pixels = network.config.vocabulary_size
    if not network.config.is_binary:
        raise ConfigurationError(f"{model} is a model of words, which are not drawn. Ask for docnvil topics or report.")
    side = math.isqrt(n_pixels)
    if shape is None and side * side != n_pixels:
        raise ConfigurationError(f"Images of {n_pixels} pixels are not square. Say how high and wide with --shape HxW.")
    shape = shape or (side, side)
    if shape[0] * shape[1] != n_pixels:
        raise ConfigurationError(f"{shape[0]} by {shape[1]} pixels are not the {n_pixels} of the model. Check --shape.")
    places = out / "samples.png", out / "filters.png"
    if not force and (there := [place for place in places if place.exists()]):
        raise OutputExistsError(f"{there[0]} already exists. Pass --force to replace it, or choose another --out.")
    dreamed = network.generative.sample_means(samples, KeyedGenerator(seed, torch.arange(samples)))
    known = estimator.statistics_
    frequency = (known.word_frequency + 0.5) / (known.n_documents + 1)
    out.mkdir(parents=True, exist_ok=True)
    pictures = dreamed.double().numpy(), filters(estimator.components_, frequency)
    for place, images in zip(places, pictures, strict=True):
        replace_file(place, png(sheet(images, shape)))
        click.echo(place)
