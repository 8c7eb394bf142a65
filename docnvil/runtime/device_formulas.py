"""The operations of `docnvil.runtime.device_operations` in torch: what each computes, for any device.

None of them reads a value on the host, so no device has to be waited for. docnvil computes the same on the CPU in other
ways; tests/test_device.py compares them. Stored counts after the last offset are zeros that belong to no document.

Axes: S samples, B documents of a batch, V words, K units, L layers, R = S B rows; nnz stored counts. Row s B + b
belongs to sample s of document b.
"""

import torch
from torch import Tensor
from torch.nn import functional

from docnvil.runtime.randomness import keyed_numbers

SHIFT = 8  # log Gamma(z) and digamma(z) are computed at z + 8, where their asymptotic series have double precision


def keyed_uniform(
    keys: Tensor, seed: int, call_seed: Tensor | None, first_sample: int, n_samples: int, n_units: int, double: bool
) -> Tensor:
    """Return the numbers of a `KeyedGenerator` for one call, `[S, B, K]`; its seed is the sum of both."""
    dtype = torch.float64 if double else torch.float32
    keys = keys if call_seed is None else keys + call_seed
    return keyed_numbers(keys, seed, first_sample, (n_samples, len(keys), n_units), dtype)


def autoregressive_sample(logits: Tensor, weight: Tensor, uniforms: Tensor) -> Tensor:
    """Draw units one after the other, with logits `[..., K]` and lateral weights `[K, K]`; `[S, B, K]`."""
    threshold, logits, lower = uniforms.logit(), logits.expand_as(uniforms).clone(), weight.tril(-1)
    samples = torch.empty_like(uniforms)
    for unit in range(uniforms.shape[-1]):
        samples[..., unit] = threshold[..., unit] < logits[..., unit]
        logits += samples[..., unit, None] * lower[:, unit]
    return samples


def autoregressive_sample_with_mean(logits: Tensor, weight: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Draw units, and return also the probability of each given the units before it, `[S, B, K]` each."""
    logits, lower = logits.expand_as(uniforms).clone(), weight.tril(-1)
    samples, probabilities = torch.empty_like(uniforms), torch.empty_like(uniforms)
    for unit in range(uniforms.shape[-1]):
        probabilities[..., unit] = logits[..., unit].sigmoid()
        samples[..., unit] = uniforms[..., unit] < probabilities[..., unit]
        logits += samples[..., unit, None] * lower[:, unit]
    return samples, probabilities


def bernoulli_log_prob(value: Tensor, logits: Tensor, conditional: Tensor | None) -> Tensor:
    """Return sum_k h_k a_k - softplus(a_k) for h `[..., K]`, where the logits a are the sum of two terms."""
    logits = logits.to(value.dtype) if conditional is None else logits + conditional.to(value.dtype)
    return (value * logits - functional.softplus(logits)).sum(-1)


def bernoulli_gradient(gradient: Tensor, value: Tensor, logits: Tensor, conditional: Tensor | None) -> Tensor:
    """Return the gradient by the logits, g (h - sigmoid(a)), `[..., K]`."""
    logits = logits.to(value.dtype) if conditional is None else logits + conditional.to(value.dtype)
    return gradient[..., None] * (value - torch.sigmoid(logits))


def log_normalizer(logits: Tensor) -> Tensor:
    """Return the log-sum-exp of each row, `[R, V] -> [R]`."""
    return torch.logsumexp(logits, 1)


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
    """Return for some rows the log-probability of the document, and its derivatives by log m and log A, `[3, n]`.

    The first derivative is the sum over the document's words of the slopes, d log p / d log m_w, where m is the softmax
    of the logits; the slopes themselves are written to `slopes`, `[S, nnz]`. With `log_total` the words are from a
    Dirichlet-multinomial with concentrations A m, else they are independent.
    """
    n_documents, n_stored = len(offsets) - 1, len(indices)
    rows = torch.arange(len(logits), device=logits.device) + first_row
    documents = documents_of(offsets, n_stored)
    n_samples = slopes.shape[0]
    whole = torch.zeros(3, n_samples * n_documents, dtype=torch.float64, device=logits.device)
    of_rows = torch.arange(n_samples, device=logits.device)[:, None] * n_documents + documents  # [S, nnz]
    own = (of_rows - first_row).clamp_(0, len(logits) - 1)  # of other rows, any row: their sums are not returned
    log_mean = (logits[own, indices] - log_normalizers[own]).double()
    counts, lengths = values.double(), torch.zeros(n_documents, dtype=torch.float64, device=logits.device)
    lengths = lengths.index_add(0, documents, counts)
    if log_total is None:
        terms, slope = log_mean * counts, counts.expand_as(log_mean)
    else:
        terms, slope = log_rising(log_mean + log_total.double(), counts)
    for place, each in enumerate((terms, slope, slope)):
        whole[place].index_add_(0, of_rows.flatten(), each.flatten())
    if log_total is not None:
        of_length = log_rising(log_total.double().expand(1, n_documents), lengths)
        whole[0] -= of_length[0].repeat(1, n_samples)[0]
        whole[2] -= of_length[1].repeat(1, n_samples)[0]
    is_own = (of_rows >= first_row) & (of_rows < first_row + len(logits))
    slopes.copy_(torch.where(is_own, slope.to(slopes.dtype), slopes))
    return whole[:, rows].to(logits.dtype)


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
    """Replace logits by the gradient by them, g slope_w - g (sum of slopes) m_w, `[n, V]`."""
    n_documents, documents = len(offsets) - 1, documents_of(offsets, len(indices))
    of_rows = torch.arange(len(slopes), device=logits.device)[:, None] * n_documents + documents - first_row
    is_own = (of_rows >= 0) & (of_rows < len(logits))
    of_rows = of_rows.clamp(0, len(logits) - 1)
    logits.sub_(log_normalizers[:, None]).exp_().mul_(-(gradient * slope_sums)[:, None])
    added = torch.where(is_own, gradient[of_rows] * slopes, 0.0)
    logits.index_put_((of_rows, indices.expand_as(of_rows)), added, accumulate=True)


def log_rising(log_a: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return log Gamma(a + x) - log Gamma(a), and its derivative by log a, `[S, nnz]` each, computed in float64.

    With y = a + 1 and z = a + x this is log a + log Gamma(z) - log Gamma(y), and Gamma(z) = Gamma(z + 8) / (z ... (z +
    7)). Zero for x = 0.
    """
    a, x = log_a.double().exp(), counts.double()
    start, end, step = a + 1 + SHIFT, a + x + SHIFT, x - 1
    value = log_a + step * (end.log() - 1) + (start - 0.5) * torch.log1p(step / start)
    value = value + _gamma_series(end) - _gamma_series(start)
    slope = torch.log1p(step / start) + _digamma_series(start) - _digamma_series(end)
    ratio = torch.ones_like(a)
    for place in range(SHIFT):
        upper, lower = a + x + place, a + 1 + place
        ratio = ratio * (upper / lower)
        slope = slope + 1 / lower - 1 / upper
    is_word = x > 0
    value = torch.where(is_word, value - ratio.log(), 0.0)
    slope = torch.where(is_word, 1 + a * slope, 0.0)
    return value.to(log_a.dtype), slope.to(log_a.dtype)


def _gamma_series(z: Tensor) -> Tensor:
    """Return log Gamma(z) - [(z - 1/2) log z - z + log(2 pi) / 2] for z >= 8, to 1e-13."""
    square = 1 / (z * z)
    series = 1 / 1260 + square * (-1 / 1680 + square * (1 / 1188 - square * (691 / 360360)))
    return (1 / 12 + square * (-1 / 360 + square * series)) / z


def _digamma_series(z: Tensor) -> Tensor:
    """Return log z - digamma(z) for z >= 8, to 1e-13."""
    square = 1 / (z * z)
    series = 1 / 252 + square * (-1 / 240 + square * (1 / 132 - square * (691 / 32760)))
    return 1 / (2 * z) + square * (1 / 12 + square * (-1 / 120 + square * series))


def documents_of(offsets: Tensor, n_stored: int) -> Tensor:
    """Return the document of each stored count, `[nnz]`; the last one for the zeros after the last offset."""
    places = torch.arange(n_stored, device=offsets.device)
    return torch.searchsorted(offsets[1:], places, right=True).clamp_(max=max(0, len(offsets) - 2))


def sparse_product(indices: Tensor, values: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """Return x W for counts x in compressed rows and W `[V, K]`, `[B, K]`."""
    total = weight.new_zeros(len(offsets) - 1, weight.shape[1])
    return total.index_add_(0, documents_of(offsets, len(indices)), weight[indices] * values[:, None])


def sparse_outer(indices: Tensor, values: Tensor, offsets: Tensor, gradient: Tensor, vocabulary_size: int) -> Tensor:
    """Return x^T g for counts x in compressed rows and g `[B, K]`, `[V, K]`."""
    documents = documents_of(offsets, len(indices))
    total = gradient.new_zeros(vocabulary_size, gradient.shape[1])
    return total.index_add_(0, indices, gradient[documents] * values[:, None])


def cumulative_exponentials(logits: Tensor) -> Tensor:
    """Return for each row the cumulative sums of exp(a - max a), `[B, V]`, in float64."""
    return (logits - logits.amax(-1, keepdim=True)).exp().cumsum(-1, dtype=torch.float64)


def sample_words(
    cumulative: Tensor,
    lengths: Tensor,
    uniforms: Tensor,
    urn_uniforms: Tensor | None,
    log_total: Tensor | None,
    double: bool,
) -> tuple[Tensor, Tensor]:
    """Draw the words of documents, and return a word and a count for each position, `[B Lmax]` each.

    Word n of a document is drawn by cumulative sums of numbers proportional to the probabilities, `[B, V]` float64.
    With `urn_uniforms` it may instead be a copy of an earlier word, see `DirichletMultinomialWords.sample`. Both kinds
    of uniform numbers are `[B, Lmax]` float64. The count is 1 within the length of the document, and 0 beyond it.
    """
    n_words = cumulative.shape[1]
    words = torch.searchsorted(cumulative, uniforms * cumulative[:, -1:], right=True).clamp_(max=n_words - 1)
    places = torch.arange(words.shape[1], device=words.device)
    if urn_uniforms is not None and words.shape[1]:
        total = log_total.double().exp()
        position = urn_uniforms * (total + places)
        source = torch.where(position >= total, (position - total).long().minimum(places - 1), places).clamp_(min=0)
        for _ in range(words.shape[1].bit_length()):
            source = source.gather(1, source)
        words = words.gather(1, source)
    counts = (places + 1 <= lengths[:, None]).to(torch.float64 if double else torch.float32)
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
    """Return the signal `[S, B]`, and each layer's signal after its baseline and after all reductions, `[L, S, B]`.

    The moments, `[L]` each, are updated. See `docnvil.nvil.nvil.NVIL`, which has the same arguments.
    """
    p, q = torch.stack(log_p), torch.stack(log_q)
    whole = p.sum(0) - q.sum(0)
    residuals = whole.expand_as(q)
    if local:
        differences = p[:-1] - q  # log p(h_(i-1) | h_i) - log q(h_i | h_(i-1))
        residuals = differences.flip(0).cumsum(0).flip(0) + p[-1]
    if leave_one_out:
        residuals = residuals - (residuals.sum(1, keepdim=True) - residuals) / (residuals.shape[1] - 1)
    variance, mean = torch.var_mean(residuals, (1, 2), correction=0)
    before = means.clone(), variances.clone()
    means.lerp_(mean, 1 - decay)
    variances.lerp_(variance, 1 - decay)
    used_mean, used_variance = (each[:, None, None] for each in ((means, variances) if moments_first else before))
    signals = residuals - used_mean if center else residuals
    signals = signals / used_variance.sqrt().clamp(min=1.0) if normalize else signals
    return whole, residuals.clone(), signals.clone()


def update_sums(
    signal: Tensor, residual: Tensor, samples: list[Tensor], penalty: float, factor: Tensor | None
) -> Tensor:
    """Return the bound without penalty, the active units, and sum and sum of squares of a signal, `[4]` float64.

    The penalty, in nats per active unit, is multiplied by the factor.
    """
    n_samples = len(signal)
    active = sum(layer.sum(dtype=torch.float64) / len(layer) for layer in samples)
    residual = residual.double()
    bound = signal.sum(dtype=torch.float64) / n_samples + active * penalty * (1.0 if factor is None else factor)
    return torch.stack([bound, active, residual.sum(), residual.square().sum()])


def add_penalties(
    gradient: Tensor, weight: Tensor, strengths: Tensor | None, scale: float, l1: float, factor: Tensor | None
) -> None:
    """Add the gradients of an L1 penalty and of exclusivity, see `Penalties.add_gradient`, to that of weights.

    Both strengths, `scale` and `l1`, are multiplied by the factor.
    """
    if factor is not None:
        scale, l1 = scale * factor, l1 * factor if l1 else 0.0
    if isinstance(l1, Tensor) or l1:
        gradient.add_(weight.sign() * l1)
    if strengths is not None:
        positive = weight.clamp(min=0)
        others = positive.sum(1, keepdim=True) - positive
        gradient.add_(others * positive.sign() * (strengths * scale)[:, None])
