"""docnvil draw: images from a model of binary images."""

import math
from pathlib import Path

import click

from docnvil.commands.options import MODEL, OUT_FOLDER, POSITIVE, force_option, seed_option, with_options
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo
from docnvil.schema import parse_whole


def _parse_shape(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    try:
        height, width = map(parse_whole, value.lower().split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a height and a width like 28x28.") from None
    if min(height, width) < 1:
        raise click.BadParameter("height and width must be at least 1.")
    return height, width


@click.command()
@MODEL
@click.option("--out", type=OUT_FOLDER, default=Path("pictures"), help="Folder for the images.")
@click.option("--shape", callback=_parse_shape, metavar="HxW", help="Height and width of an image.  [default: square]")
@click.option("--samples", type=POSITIVE, default=100, help="Number of samples.")
@with_options(seed_option("Random seed of the samples."), force_option("existing images"))
def draw(model: Path, out: Path, shape: tuple[int, int] | None, samples: int, seed: int, force: bool) -> None:
    """Draw samples and filters of MODEL, a model of binary images.

    \b
    docnvil draw model/ --out pictures/

    samples.png shows images sampled from the model; the brightness of a pixel is its probability. filters.png shows one
    image per unit of the first layer: the unit makes white pixels more likely and black pixels less likely.
    """
    import torch

    from docnvil.errors import ConfigurationError
    from docnvil.report.images import filters, png, sheet
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.publishing import complete_publication, writing_together
    from docnvil.runtime.randomness import KeyedGenerator
    from docnvil.storage.model_folder import load_model

    fitted = load_model(model, "cpu")
    visible = fitted.network.generative.visible
    if not visible.samples_are_images:
        raise ConfigurationError(f"{model} is a model of words, not of images. Use docnvil topics or docnvil report.")
    n_pixels = fitted.network.config.vocabulary_size
    height, width = shape or _square(n_pixels)
    if height * width != n_pixels:
        raise ConfigurationError(f"{height} by {width} pixels are not the {n_pixels} of the model. Change --shape.")
    paths = out / "samples.png", out / "filters.png"
    claim_output(paths[0], others=paths[1:])
    complete_publication(*paths)
    for path in paths:
        refuse_existing_file(path, force=force)
    means = fitted.network.generative.sample_means(samples, KeyedGenerator(seed, torch.arange(samples)))
    statistics = fitted.statistics
    frequency = (statistics.word_frequency + 0.5) / (statistics.n_documents + 1)
    weight = visible.weight.detach().double().numpy().T
    pictures = means.double().numpy(), filters(weight, frequency)
    with writing_together(*paths) as drafts:
        for draft, images in zip(drafts, pictures, strict=True):
            draft.write_bytes(png(sheet(images, (height, width))))
    for path in paths:
        echo(path)


def _square(n_pixels: int) -> tuple[int, int]:
    from docnvil.errors import ConfigurationError

    side = math.isqrt(n_pixels)
    if side * side != n_pixels:
        raise ConfigurationError(f"Images of {n_pixels} pixels are not square. Give their size with --shape HxW.")
    return side, side
