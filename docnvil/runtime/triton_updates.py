"""Triton kernels of a training update besides likelihoods: learning signals, their moments, and penalties.

Pointers, comments, masks and the arguments of `triton.jit` are as in `docnvil.runtime.triton_functions`. Triton rounds
Python's floating-point numbers to single precision. They are therefore passed as the integers of their 64 bits.
"""

import triton
import triton.language as tl


@triton.jit
def _number(bits):
    """Return the floating-point number whose 64 bits are those of an integer."""
    return bits.to(tl.int64).to(tl.float64, bitcast=True)


@triton.jit(do_not_specialize=["n_documents"])
def signals_kernel(
    p, q, whole, residuals, sums, n_layers, n_samples, n_documents,
    LEAVE_ONE_OUT: tl.constexpr, LOCAL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute the signals of some documents, from the deepest layer to the first, less the baseline, and their sums."""
    document = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = document < n_documents
    size = n_samples * n_documents
    for sample in range(0, n_samples):
        place = sample * n_documents + document
        signal = tl.load(p + n_layers * size + place, mask=mask, other=0.0)
        for down in range(0, n_layers):
            layer = n_layers - 1 - down
            signal += tl.load(p + layer * size + place, mask=mask, other=0.0)
            signal -= tl.load(q + layer * size + place, mask=mask, other=0.0)
            if LOCAL:
                tl.store(residuals + layer * size + place, signal, mask=mask)
        tl.store(whole + place, signal, mask=mask)
        if not LOCAL:
            for layer in range(0, n_layers):
                tl.store(residuals + layer * size + place, signal, mask=mask)
    tl.debug_barrier()  # other threads may load what this one has stored
    for layer in range(0, n_layers):
        total = tl.zeros([BLOCK], dtype=tl.float64)
        for sample in range(0, n_samples):
            total += tl.load(residuals + layer * size + sample * n_documents + document, mask=mask, other=0.0)
        added, squares = tl.zeros([BLOCK], dtype=tl.float64), tl.zeros([BLOCK], dtype=tl.float64)
        for sample in range(0, n_samples):
            place = layer * size + sample * n_documents + document
            value = tl.load(residuals + place, mask=mask, other=0.0).to(tl.float64)
            if LEAVE_ONE_OUT:
                value -= (total - value) / (n_samples - 1)
                tl.store(residuals + place, value, mask=mask)
            added += value
            squares += value * value
        tl.atomic_add(sums + layer, tl.sum(added, 0), sem="relaxed")
        tl.atomic_add(sums + n_layers + layer, tl.sum(squares, 0), sem="relaxed")


@triton.jit(do_not_specialize=["decay", "size"], do_not_specialize_on_alignment=["means", "variances"])
def reduce_kernel(
    residuals, signals, sums, means, variances, decay, n_layers, size,
    CENTER: tl.constexpr, NORMALIZE: tl.constexpr, FIRST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Update the moments of one layer, and center and normalize its signal."""
    layer = tl.program_id(0).to(tl.int64)
    mean = tl.load(sums + layer) / size
    variance = tl.maximum(tl.load(sums + n_layers + layer) / size - mean * mean, 0.0)
    old_mean, old_variance = tl.load(means + layer).to(tl.float64), tl.load(variances + layer).to(tl.float64)
    past = _number(decay)
    new_mean, new_variance = mean + past * (old_mean - mean), variance + past * (old_variance - variance)
    used_mean, used_variance = old_mean, old_variance
    if FIRST:
        used_mean, used_variance = new_mean, new_variance
    scale = tl.maximum(tl.sqrt(used_variance), 1.0)
    for start in range(0, size, BLOCK):
        place = start + tl.arange(0, BLOCK)
        value = tl.load(residuals + layer * size + place, mask=place < size, other=0.0).to(tl.float64)
        if CENTER:
            value -= used_mean
        if NORMALIZE:
            value /= scale
        tl.store(signals + layer * size + place, value, mask=place < size)
    tl.store(means + layer, new_mean)
    tl.store(variances + layer, new_variance)


@triton.jit(
    do_not_specialize=["penalty", "n_samples", "n_signals", "n_residuals", "n_units"],
    do_not_specialize_on_alignment=["residual", "factor"],
)
def sums_kernel(
    signal, residual, samples, sums, penalty, factor, n_samples, n_signals, n_residuals, n_units,
    SCALED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add some numbers of each tensor to the bound, the active units, and the moments of the signal."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    active = tl.sum(tl.load(samples + place, mask=place < n_units, other=0.0).to(tl.float64), 0) / n_samples
    bound = tl.sum(tl.load(signal + place, mask=place < n_signals, other=0.0).to(tl.float64), 0) / n_samples
    value = tl.load(residual + place, mask=place < n_residuals, other=0.0).to(tl.float64)
    removed = _number(penalty) * active
    if SCALED:
        removed *= tl.load(factor).to(tl.float64)
    tl.atomic_add(sums, bound + removed, sem="relaxed")
    tl.atomic_add(sums + 1, active, sem="relaxed")
    tl.atomic_add(sums + 2, tl.sum(value, 0), sem="relaxed")
    tl.atomic_add(sums + 3, tl.sum(value * value, 0), sem="relaxed")


@triton.jit(do_not_specialize=["scale", "l1"], do_not_specialize_on_alignment=["strengths", "factor"])
def penalties_kernel(
    gradient, weight, strengths, scale, l1, factor, n_words, n_units,
    EXCLUSIVE: tl.constexpr, SCALED: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Add the gradients by the weights of some words."""
    word = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    units = tl.arange(0, WIDTH)
    mask = (word < n_words)[:, None] & (units < n_units)[None, :]
    place = word[:, None] * n_units + units[None, :]
    value = tl.load(weight + place, mask=mask, other=0.0)
    of_exclusivity, of_size = _number(scale), _number(l1)
    if SCALED:
        by = tl.load(factor).to(tl.float64)
        of_exclusivity, of_size = of_exclusivity * by, of_size * by
    of_exclusivity, of_size = of_exclusivity.to(value.dtype), of_size.to(value.dtype)
    added = of_size * (tl.where(value > 0, 1.0, 0.0) - tl.where(value < 0, 1.0, 0.0))
    if EXCLUSIVE:
        positive = tl.maximum(value, 0.0)
        others = tl.sum(positive, 1)[:, None] - positive
        strength = tl.load(strengths + word, mask=word < n_words, other=0.0) * of_exclusivity
        added += tl.where(value > 0, others * strength[:, None], 0.0)
    tl.store(gradient + place, tl.load(gradient + place, mask=mask, other=0.0) + added, mask=mask)
