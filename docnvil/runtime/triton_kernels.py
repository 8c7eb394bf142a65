"""The operations of `docnvil.runtime.device_operations` as Triton kernels for CUDA.

Each does what the function of the same name in `docnvil.runtime.device_formulas` does, whose docstring says what. This
module is imported only if there is a CUDA device and Triton; tests/test_triton.py runs the kernels in Triton's
interpreter on the CPU.

Axes: as in the formulas. Numbers per document or word are few, so they are computed in float64.
"""

import struct

import torch
import triton
from torch import Tensor

from docnvil.runtime import triton_functions as functions
from docnvil.runtime import triton_updates as updates

ROWS = 4  # rows of units per program, or fewer if they are long
BLOCK = 256  # words, or numbers, at a time
WORDS = 128  # of a document at a time; half of the documents have less
TILE = 4096  # numbers of a two-dimensional tile
CHAINS = 2  # rows of units that a program samples, with one warp unless they are long


def _width(n: int, least: int = 16) -> int:
    return max(least, triton.next_power_of_2(n))


def _tile(width: int) -> dict[str, int]:
    """Return the rows of units of a program, their width and its warps, each of which gets 1,024 numbers or less."""
    rows = max(1, min(ROWS, TILE // width))
    return {"ROWS": rows, "WIDTH": width, "num_warps": min(16, max(4, rows * width // 1024))}


def _groups(n_units: int) -> tuple[int, int]:
    """Return how many groups of 4, 2 or 1 units there are, and the size of a group."""
    size = next(size for size in (4, 2, 1) if n_units % size == 0)
    return n_units // size, size


def _bits(number: float) -> int:
    """Return the 64 bits of a number as an integer: Triton would pass the number in single precision."""
    return struct.unpack("<q", struct.pack("<d", number))[0]


def keyed_uniform(
    keys: Tensor, seed: int, call_seed: Tensor | None, first_sample: int, n_samples: int, n_units: int, double: bool
) -> Tensor:
    """Return the numbers of a keyed generator."""
    dtype = torch.float64 if double else torch.float32
    numbers = torch.empty(n_samples, len(keys), n_units, dtype=dtype, device=keys.device)
    grid = (triton.cdiv(numbers.numel(), 1024),)
    if numbers.numel():
        functions.uniform_kernel[grid](
            keys.contiguous(), numbers, seed, keys if call_seed is None else call_seed, first_sample, len(keys),
            n_units, numbers.numel(), ADDED=call_seed is not None, DOUBLE=double, BLOCK=1024,
        )  # fmt: skip
    return numbers


def _repeating(logits: Tensor, shape: torch.Size) -> Tensor:
    """Return contiguous logits whose rows, repeated one after the other, fill a shape `[..., K]`."""
    if logits.dim() > 1 and logits.shape != shape[-logits.dim() :]:
        logits = logits.expand(shape)
    return logits.contiguous()


def _sample(logits: Tensor, weight: Tensor, uniforms: Tensor, probabilities: Tensor | None) -> Tensor:
    n_units = uniforms.shape[-1]
    logits = _repeating(logits, uniforms.shape)
    n_logits = logits.numel() // n_units  # rows of logits, used again for all samples
    uniforms, samples = uniforms.contiguous(), torch.empty_like(uniforms, memory_format=torch.contiguous_format)
    n_rows = uniforms.numel() // n_units
    if n_rows:
        width = _width(n_units)
        functions.chain_kernel[(triton.cdiv(n_rows, CHAINS),)](
            logits, weight.contiguous(), uniforms, samples, samples if probabilities is None else probabilities,
            n_rows, n_logits, n_units, MEANS=probabilities is not None, ROWS=CHAINS, WIDTH=width,
            num_warps=max(1, min(16, CHAINS * width // 1024)),
        )  # fmt: skip
    return samples


def autoregressive_sample(logits: Tensor, weight: Tensor, uniforms: Tensor) -> Tensor:
    """Draw units one after the other."""
    return _sample(logits, weight, uniforms, None)


def autoregressive_sample_with_mean(logits: Tensor, weight: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Draw units, and return also the probability of each given the units before it."""
    probabilities = torch.empty_like(uniforms, memory_format=torch.contiguous_format)
    return _sample(logits, weight, uniforms, probabilities), probabilities


def _units(value: Tensor, logits: Tensor, conditional: Tensor | None) -> tuple:
    """Return contiguous inputs of the Bernoulli kernels, and how many rows, rows of logits and units there are."""
    n_units = value.shape[-1]
    shape = torch.broadcast_shapes(value.shape, logits.shape, value.shape if conditional is None else conditional.shape)
    value, logits = value.expand(shape).contiguous(), _repeating(logits, shape)
    second = value if conditional is None else conditional.expand(shape).contiguous()
    return value, logits, second, value.numel() // max(1, n_units), logits.numel() // max(1, n_units), n_units


def bernoulli_log_prob(value: Tensor, logits: Tensor, conditional: Tensor | None) -> Tensor:
    """Return the log-probability of units."""
    value, logits, second, n_rows, n_logits, n_units = _units(value, logits, conditional)
    result = torch.zeros(value.shape[:-1], dtype=value.dtype, device=value.device)
    if n_rows and n_units:
        tile = _tile(_width(n_units))
        functions.bernoulli_kernel[(triton.cdiv(n_rows, tile["ROWS"]),)](
            value, logits, second, result, result, n_rows, n_logits, n_units, TWO=conditional is not None,
            GRADIENT=False, **tile,
        )  # fmt: skip
    return result


def bernoulli_gradient(gradient: Tensor, value: Tensor, logits: Tensor, conditional: Tensor | None) -> Tensor:
    """Return the gradient by the logits."""
    value, logits, second, n_rows, n_logits, n_units = _units(value, logits, conditional)
    result = torch.empty_like(value)
    if n_rows and n_units:
        tile = _tile(_width(n_units))
        functions.bernoulli_kernel[(triton.cdiv(n_rows, tile["ROWS"]),)](
            value, logits, second, gradient.contiguous(), result, n_rows, n_logits, n_units,
            TWO=conditional is not None, GRADIENT=True, **tile,
        )  # fmt: skip
    return result


def log_normalizer(logits: Tensor) -> Tensor:
    """Return the log-sum-exp of each row."""
    result = logits.new_empty(len(logits))
    if len(logits):
        functions.normalizer_kernel[(len(logits),)](logits.contiguous(), result, logits.shape[1], BLOCK=1024)
    return result


def words_log_prob(
    logits: Tensor,
    log_normalizers: Tensor,
    log_total: Tensor | None,
    indices: Tensor,
    values: Tensor,
    offsets: Tensor,
    first_row: int,
    slopes: Tensor,
) -> Tensor:
    """Return log-probabilities of documents, and their derivatives by log m and log A."""
    result = logits.new_empty(3, len(logits))
    if len(logits):
        functions.words_kernel[(len(logits),)](
            logits, log_normalizers, logits if log_total is None else log_total, indices, values, offsets, slopes,
            result, first_row, len(logits), len(offsets) - 1, slopes.shape[1], logits.shape[1],
            URN=log_total is not None, BLOCK=WORDS,
        )  # fmt: skip
    return result


def words_gradient(
    logits: Tensor,
    log_normalizers: Tensor,
    slope_sums: Tensor,
    gradient: Tensor,
    slopes: Tensor,
    indices: Tensor,
    offsets: Tensor,
    first_row: int,
) -> None:
    """Replace logits by the gradient by them."""
    if len(logits):
        functions.words_gradient_kernel[(len(logits),)](
            logits, log_normalizers, slope_sums, gradient.contiguous(), slopes, indices, offsets, first_row,
            len(offsets) - 1, slopes.shape[1], logits.shape[1], BLOCK=1024,
        )  # fmt: skip


def log_rising(log_a: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return log Gamma(a + x) - log Gamma(a), and its derivative by log a."""
    log_a = log_a.contiguous()
    value, slope = torch.empty_like(log_a), torch.empty_like(log_a)
    if log_a.numel():
        functions.rising_kernel[(triton.cdiv(log_a.numel(), BLOCK),)](
            log_a, counts.contiguous(), value, slope, log_a.numel(), counts.numel(), BLOCK=BLOCK
        )
    return value, slope


def sparse_product(indices: Tensor, values: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """Return x W."""
    n_documents, n_units = len(offsets) - 1, weight.shape[1]
    result = weight.new_empty(n_documents, n_units)
    if n_documents and n_units:
        width = min(128, _width(n_units))
        functions.product_kernel[(n_documents, triton.cdiv(n_units, width))](
            indices, values, offsets, weight.contiguous(), result, *_groups(n_units), WORDS=TILE // width, WIDTH=width
        )
    return result


def sparse_outer(indices: Tensor, values: Tensor, offsets: Tensor, gradient: Tensor, vocabulary_size: int) -> Tensor:
    """Return x^T g; the order of the sums is not determined."""
    n_units = gradient.shape[1]
    total = gradient.new_zeros(vocabulary_size, n_units)
    if len(indices) and n_units:
        width = min(128, _width(n_units))
        functions.outer_kernel[(len(offsets) - 1, triton.cdiv(n_units, width))](
            indices, values, offsets, gradient.contiguous(), total, *_groups(n_units), WORDS=TILE // width, WIDTH=width
        )
    return total


def cumulative_exponentials(logits: Tensor) -> Tensor:
    """Return cumulative sums of exponentials."""
    cumulative = torch.empty(logits.shape, dtype=torch.float64, device=logits.device)
    if cumulative.numel():
        functions.cumulative_kernel[(len(logits),)](logits.contiguous(), cumulative, logits.shape[1], BLOCK=1024)
    return cumulative


def sample_words(
    cumulative: Tensor,
    lengths: Tensor,
    uniforms: Tensor,
    urn_uniforms: Tensor | None,
    log_total: Tensor | None,
    double: bool,
) -> tuple[Tensor, Tensor]:
    """Draw the words of documents."""
    n_documents, longest = uniforms.shape
    words = torch.empty(n_documents, longest, dtype=torch.int64, device=uniforms.device)
    counts = torch.empty_like(words, dtype=torch.float64 if double else torch.float32)
    if words.numel():
        functions.sample_words_kernel[(n_documents, triton.cdiv(longest, BLOCK))](
            cumulative.contiguous(), lengths.contiguous(), uniforms.contiguous(),
            uniforms if urn_uniforms is None else urn_uniforms.contiguous(),
            uniforms if log_total is None else log_total, words, counts, cumulative.shape[1], longest,
            URN=urn_uniforms is not None, STEPS=cumulative.shape[1].bit_length(), BLOCK=BLOCK,
        )  # fmt: skip
    return words.flatten(), counts.flatten()


def nvil(
    log_p: list[Tensor],
    log_q: list[Tensor],
    means: Tensor,
    variances: Tensor,
    decay: float,
    leave_one_out: bool,
    center: bool,
    normalize: bool,
    local: bool,
    moments_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the signal, and each layer's signal before and after its reductions; update the moments."""
    p, q = torch.stack(log_p), torch.stack(log_q)
    n_layers, n_samples, n_documents = q.shape
    whole, residuals, signals = torch.empty_like(q[0]), torch.empty_like(q), torch.empty_like(q)
    sums = torch.zeros(2, n_layers, dtype=torch.float64, device=q.device)
    if q.numel():
        updates.signals_kernel[(triton.cdiv(n_documents, BLOCK),)](
            p, q, whole, residuals, sums, n_layers, n_samples, n_documents, LEAVE_ONE_OUT=leave_one_out, LOCAL=local,
            BLOCK=BLOCK,
        )  # fmt: skip
        updates.reduce_kernel[(n_layers,)](
            residuals, signals, sums, means, variances, _bits(decay), n_layers, n_samples * n_documents, CENTER=center,
            NORMALIZE=normalize, FIRST=moments_first, BLOCK=8192, num_warps=16,
        )  # fmt: skip
    return whole, residuals, signals


def update_sums(
    signal: Tensor, residual: Tensor, samples: list[Tensor], penalty: float, factor: Tensor | None
) -> Tensor:
    """Return the sums of an update."""
    sums = torch.zeros(4, dtype=torch.float64, device=signal.device)
    if not signal.numel():
        return sums
    signal, residual = signal.contiguous(), residual.contiguous()
    for place, layer in enumerate(samples):
        n_signals = signal.numel() if place == 0 else 0
        updates.sums_kernel[(triton.cdiv(max(layer.numel(), n_signals), 1024),)](
            signal, residual, layer.contiguous(), sums, _bits(penalty), sums if factor is None else factor, len(signal),
            n_signals, residual.numel() if place == 0 else 0, layer.numel(), SCALED=factor is not None,
            BLOCK=1024,
        )  # fmt: skip
    return sums


def add_penalties(
    gradient: Tensor, weight: Tensor, strengths: Tensor | None, scale: float, l1: float, factor: Tensor | None
) -> None:
    """Add the gradients of the penalties on weights."""
    n_words, n_units = weight.shape
    width = _width(n_units)
    rows = max(1, min(64, TILE // width))
    updates.penalties_kernel[(triton.cdiv(n_words, rows),)](
        gradient, weight.contiguous(), weight if strengths is None else strengths.contiguous(), _bits(scale), _bits(l1),
        weight if factor is None else factor, n_words, n_units, EXCLUSIVE=strengths is not None,
        SCALED=factor is not None, ROWS=rows, WIDTH=width,
    )  # fmt: skip
