"""Triton kernels: what runs on the GPU. `docnvil.runtime.triton_kernels` starts them.

Pointers have the names of the tensors. Comments say which row or word a program works on; `mask` keeps it within the
tensors. Tensors are contiguous.

Triton compiles a kernel again for integers that are 1 or divisible by 16, and for addresses that are. Numbers that
differ from batch to batch, and tensors that are parts of others, are excepted from that: `do_not_specialize` and
`do_not_specialize_on_alignment`. Sums of many programs are relaxed atomics, since their order does not matter.
"""

import triton
import triton.language as tl

GOLDEN = tl.constexpr(-7046029254386353131)  # the constants of docnvil.runtime.randomness, as signed integers
FIRST = tl.constexpr(-4658895280553007687)
SECOND = tl.constexpr(-7723592293110705685)
SHIFT = tl.constexpr(8)


@triton.jit
def _shift_right(state, places: tl.constexpr):
    """Shift right and fill with zeros; the shift of signed integers repeats the sign bit."""
    return (state >> places) & ((1 << (64 - places)) - 1)


@triton.jit
def _mix_upper(state):
    state = (state ^ _shift_right(state, 30)) * FIRST
    return (state ^ _shift_right(state, 27)) * SECOND


@triton.jit
def _mix(state):
    state = _mix_upper(state)
    return state ^ _shift_right(state, 31)


@triton.jit(
    do_not_specialize=["seed", "first_sample", "n_documents", "n_numbers"],
    do_not_specialize_on_alignment=["keys", "call_seed"],
)
def uniform_kernel(
    keys, numbers, seed, call_seed, first_sample, n_documents, n_units, n_numbers,
    ADDED: tl.constexpr, DOUBLE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute some of the numbers of a keyed generator."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = place < n_numbers
    unit, row = place % n_units, place // n_units
    document, sample = row % n_documents, row // n_documents
    key = tl.load(keys + document, mask=mask, other=0) + seed
    if ADDED:
        key += tl.load(call_seed)
    start = _mix(key)
    state = start + ((sample + first_sample) * n_units + unit) * GOLDEN
    if DOUBLE:
        value = _shift_right(_mix(state), 11).to(tl.float64) * 1.1102230246251565e-16  # 2^-53
    else:
        value = _shift_right(_mix_upper(state), 40).to(tl.float32) * 5.9604644775390625e-08  # 2^-24
    tl.store(numbers + place, value, mask=mask)


@triton.jit(do_not_specialize=["n_rows", "n_logits"])
def chain_kernel(
    logits, weight, uniforms, samples, probabilities, n_rows, n_logits, n_units,
    MEANS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Sample the units of some rows one after the other; a row stays in registers, of one warp unless it is long."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    units = tl.arange(0, WIDTH)
    mask = (row < n_rows)[:, None] & (units < n_units)[None, :]
    place = row[:, None] * n_units + units[None, :]
    value = tl.load(logits + (row % n_logits)[:, None] * n_units + units[None, :], mask=mask, other=0.0)
    number = tl.load(uniforms + place, mask=mask, other=0.5)
    threshold = tl.log(number / (1 - number))
    bits = tl.zeros([ROWS, WIDTH], dtype=value.dtype)
    lateral = tl.zeros([WIDTH], dtype=value.dtype)  # the weights of the first unit
    source = weight + units
    for unit in range(0, n_units):
        # The weights of the next unit are loaded while this one is computed, since loads take long.
        n_before = tl.where(unit + 1 < n_units, unit + 1, 0)
        source += n_units
        following = tl.load(source, mask=units < n_before, other=0.0)
        is_own = (units == unit)[None, :]
        own = tl.sum(bits * lateral[None, :] + tl.where(is_own, value, 0.0), 1)[:, None]
        bits = tl.where(is_own, tl.where(threshold < own, 1.0, 0.0).to(value.dtype), bits)
        if MEANS:
            value = tl.where(is_own, own, value)
        lateral = following
    tl.store(samples + place, bits, mask=mask)
    if MEANS:
        tl.store(probabilities + place, 1 / (1 + tl.exp(-value)), mask=mask)


@triton.jit(do_not_specialize=["n_rows", "n_logits"], do_not_specialize_on_alignment=["per_row"])
def bernoulli_kernel(
    value, logits, conditional, per_row, result, n_rows, n_logits, n_units,
    TWO: tl.constexpr, GRADIENT: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Write the log-probabilities of some rows of units to `per_row`; or read their gradient, and write the logits'."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    units = tl.arange(0, WIDTH)
    mask = (row < n_rows)[:, None] & (units < n_units)[None, :]
    place = row[:, None] * n_units + units[None, :]
    on = tl.load(value + place, mask=mask, other=0.0)
    logit = tl.load(logits + (row % n_logits)[:, None] * n_units + units[None, :], mask=mask, other=0.0).to(on.dtype)
    if TWO:
        logit += tl.load(conditional + place, mask=mask, other=0.0).to(on.dtype)
    if GRADIENT:
        gradient = tl.load(per_row + row, mask=row < n_rows, other=0.0)
        # The sigmoid without overflow for either sign.
        small = tl.exp(-tl.abs(logit))
        probability = tl.where(logit >= 0, 1.0, small) / (1 + small)
        tl.store(result + place, gradient[:, None] * (on - probability), mask=mask)
    else:
        softplus = tl.maximum(logit, 0.0) + tl.log(1 + tl.exp(-tl.abs(logit)))
        terms = tl.where(mask, on * logit - softplus, 0.0)
        tl.store(per_row + row, tl.sum(terms, 1), mask=row < n_rows)


@triton.jit
def normalizer_kernel(logits, result, n_words, BLOCK: tl.constexpr):
    """Reduce one row, with a running maximum and a sum of exponentials relative to it in each place of the block."""
    row = tl.program_id(0).to(tl.int64)
    words = tl.arange(0, BLOCK)
    largest = tl.load(logits + row * n_words + words, mask=words < n_words, other=float("-inf"))
    total = tl.where(words < n_words, 1.0, 0.0).to(largest.dtype)
    for start in range(BLOCK, n_words, BLOCK):
        value = tl.load(logits + row * n_words + start + words, mask=start + words < n_words, other=float("-inf"))
        larger = tl.maximum(largest, value)
        # Both are -inf in a place beyond a vocabulary that is smaller than the block, where the loop does not run.
        total = total * tl.exp(largest - larger) + tl.exp(value - larger)
        largest = larger
    top = tl.max(largest, 0)
    tl.store(result + row, top + tl.log(tl.sum(total * tl.exp(largest - top), 0)))


@triton.jit
def _gamma_series(inverse):
    """Return what the formula's series of log Gamma gives for the inverse of z."""
    square = inverse * inverse
    series = 0.0007936507936507937 + square * (
        -0.0005952380952380953 + square * (0.0008417508417508417 - square * 0.0019175269175269176)
    )
    return (0.08333333333333333 + square * (-0.002777777777777778 + square * series)) * inverse


@triton.jit
def _digamma_series(inverse):
    square = inverse * inverse
    series = 0.003968253968253968 + square * (
        -0.004166666666666667 + square * (0.007575757575757576 - square * 0.021092796092796094)
    )
    return 0.5 * inverse + square * (0.08333333333333333 + square * (-0.008333333333333333 + square * series))


@triton.jit
def _log1p(y):
    """Return log(1 + y); the quotient cancels the rounding of 1 + y (Kahan)."""
    rounded = 1 + y
    return tl.where(rounded == 1, y, tl.log(rounded) * (y / tl.where(rounded == 1, 1.0, rounded - 1)))


@triton.jit
def _log_rising(log_a, x):
    """Return log Gamma(a + x) - log Gamma(a) and its derivative by log a, in float64.

    Divisions in float64 take most of the time on GPUs for games, so two factors share one.
    """
    a = tl.exp(log_a)
    start, end, step = a + 1 + SHIFT, a + x + SHIFT, x - 1
    by_start, by_end = 1 / start, 1 / end
    log_ratio = _log1p(step / start)
    value = log_a + step * (tl.log(end) - 1) + (start - 0.5) * log_ratio
    value += _gamma_series(by_end) - _gamma_series(by_start)
    slope = log_ratio + _digamma_series(by_start) - _digamma_series(by_end)
    ratio = tl.full(a.shape, 1.0, tl.float64)
    for pair in tl.static_range(4):
        lower, upper = a + 1 + 2 * pair, a + x + 2 * pair
        below, above = lower * (lower + 1), upper * (upper + 1)
        inverse = 1 / (below * above)
        ratio *= above * (above * inverse)
        slope += ((2 * lower + 1) * above - (2 * upper + 1) * below) * inverse
    value = tl.where(x > 0, value - tl.log(ratio), 0.0)
    return value, tl.where(x > 0, 1 + a * slope, 0.0)


@triton.jit(do_not_specialize=["n_numbers", "n_counts"], do_not_specialize_on_alignment=["counts"])
def rising_kernel(log_a, counts, value, slope, n_numbers, n_counts, BLOCK: tl.constexpr):
    """Compute some of the logarithms of rising factorials."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = place < n_numbers
    x = tl.load(counts + place % n_counts, mask=mask, other=0.0).to(tl.float64)
    result, derivative = _log_rising(tl.load(log_a + place, mask=mask, other=0.0).to(tl.float64), x)
    tl.store(value + place, result, mask=mask)
    tl.store(slope + place, derivative, mask=mask)


@triton.jit(
    do_not_specialize=["first_row", "n_rows", "n_documents", "n_stored"],
    do_not_specialize_on_alignment=["log_normalizers", "log_total", "indices", "values", "offsets", "slopes", "result"],
)
def words_kernel(
    logits, log_normalizers, log_total, indices, values, offsets, slopes, result,
    first_row, n_rows, n_documents, n_stored, n_words, URN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute what one row of logits says of the words of its document."""
    own = tl.program_id(0).to(tl.int64)
    row = own + first_row
    document, sample = row % n_documents, row // n_documents
    start, stop = tl.load(offsets + document), tl.load(offsets + document + 1)
    normalizer = tl.load(log_normalizers + own).to(tl.float64)
    log_prob, slope_sum, length = normalizer * 0, normalizer * 0, normalizer * 0
    if URN:
        normalizer -= tl.load(log_total).to(tl.float64)
    for first in range(start, stop, BLOCK):
        place = first + tl.arange(0, BLOCK)
        mask = place < stop
        word = tl.load(indices + place, mask=mask, other=0)
        x = tl.load(values + place, mask=mask, other=0.0).to(tl.float64)
        log_a = tl.load(logits + own * n_words + word, mask=mask, other=0.0).to(tl.float64) - normalizer
        if URN:
            term, slope = _log_rising(log_a, x)
        else:
            term, slope = log_a * x, x
        tl.store(slopes + sample * n_stored + place, slope, mask=mask)
        log_prob += tl.sum(tl.where(mask, term, 0.0), 0)
        slope_sum += tl.sum(tl.where(mask, slope, 0.0), 0)
        length += tl.sum(x, 0)
    by_total = slope_sum
    if URN:
        lane = tl.arange(0, 2)
        log_all = tl.load(log_total + lane * 0).to(tl.float64)
        term, slope = _log_rising(log_all, tl.where(lane == 0, length, 0.0))
        log_prob -= tl.sum(term, 0)
        by_total -= tl.sum(slope, 0)
    tl.store(result + own, log_prob)
    tl.store(result + n_rows + own, slope_sum)
    tl.store(result + 2 * n_rows + own, by_total)


@triton.jit(
    do_not_specialize=["first_row", "n_documents", "n_stored"],
    do_not_specialize_on_alignment=["log_normalizers", "slope_sums", "gradient", "slopes", "indices", "offsets"],
)
def words_gradient_kernel(
    logits, log_normalizers, slope_sums, gradient, slopes, indices, offsets,
    first_row, n_documents, n_stored, n_words, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the gradient by one row of logits: first for all words, then, after a barrier, the document's."""
    own = tl.program_id(0).to(tl.int64)
    row = own + first_row
    document, sample = row % n_documents, row // n_documents
    normalizer, by_row = tl.load(log_normalizers + own), tl.load(gradient + own)
    share = by_row * tl.load(slope_sums + own)
    for start in range(0, n_words, BLOCK):
        words = start + tl.arange(0, BLOCK)
        mask = words < n_words
        value = tl.load(logits + own * n_words + words, mask=mask, other=0.0)
        tl.store(logits + own * n_words + words, -share * tl.exp(value - normalizer), mask=mask)
    tl.debug_barrier()  # the other threads have written the words of this document
    first, stop = tl.load(offsets + document), tl.load(offsets + document + 1)
    for start in range(first, stop, BLOCK):
        place = start + tl.arange(0, BLOCK)
        mask = place < stop
        word = tl.load(indices + place, mask=mask, other=0)
        slope = tl.load(slopes + sample * n_stored + place, mask=mask, other=0.0)
        tl.atomic_add(logits + own * n_words + word, by_row * slope, mask=mask, sem="relaxed")


@triton.jit(do_not_specialize_on_alignment=["indices", "values", "offsets"])
def product_kernel(
    indices, values, offsets, weight, result, n_groups, GROUP: tl.constexpr, WORDS: tl.constexpr, WIDTH: tl.constexpr
):
    """Add up the rows of the words of one document, for some units.

    The units are `n_groups` times `GROUP`, from which Triton sees that it can load so many at once.
    """
    document, n_units = tl.program_id(0).to(tl.int64), n_groups * GROUP
    units = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    is_unit = units < n_units
    total = tl.zeros([WORDS, WIDTH], dtype=weight.dtype.element_ty)
    first, stop = tl.load(offsets + document), tl.load(offsets + document + 1)
    for start in range(first, stop, WORDS):
        place = start + tl.arange(0, WORDS)
        x = tl.load(values + place, mask=place < stop, other=0.0)
        word = tl.load(indices + place, mask=place < stop, other=0)
        mask = ((place < stop) & (x != 0))[:, None] & is_unit[None, :]  # sampled documents have many zeros
        total += x[:, None] * tl.load(weight + word[:, None] * n_units + units[None, :], mask=mask, other=0.0)
    tl.store(result + document * n_units + units, tl.sum(total, 0), mask=is_unit)


@triton.jit(do_not_specialize_on_alignment=["indices", "values", "offsets"])
def outer_kernel(
    indices, values, offsets, gradient, total, n_groups, GROUP: tl.constexpr, WORDS: tl.constexpr, WIDTH: tl.constexpr
):
    """Add the part of one document and some units, as in `product_kernel`, to the rows of its words."""
    document, n_units = tl.program_id(0).to(tl.int64), n_groups * GROUP
    units = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    is_unit = units < n_units
    row = tl.load(gradient + document * n_units + units, mask=is_unit, other=0.0)
    first, stop = tl.load(offsets + document), tl.load(offsets + document + 1)
    for start in range(first, stop, WORDS):
        place = start + tl.arange(0, WORDS)
        x = tl.load(values + place, mask=place < stop, other=0.0)
        word = tl.load(indices + place, mask=place < stop, other=0)
        mask = ((place < stop) & (x != 0))[:, None] & is_unit[None, :]
        added = x[:, None] * row[None, :]
        tl.atomic_add(total + word[:, None] * n_units + units[None, :], added, mask=mask, sem="relaxed")


@triton.jit
def cumulative_kernel(logits, cumulative, n_words, BLOCK: tl.constexpr):
    """Add up the exponentials of one row, relative to its maximum."""
    row = tl.program_id(0).to(tl.int64)
    words = tl.arange(0, BLOCK)
    largest = tl.full([BLOCK], float("-inf"), dtype=logits.dtype.element_ty)
    for start in range(0, n_words, BLOCK):
        mask = start + words < n_words
        largest = tl.maximum(largest, tl.load(logits + row * n_words + start + words, mask=mask, other=float("-inf")))
    top = tl.max(largest, 0)
    before = top.to(tl.float64) * 0
    for start in range(0, n_words, BLOCK):
        mask = start + words < n_words
        value = tl.load(logits + row * n_words + start + words, mask=mask, other=float("-inf"))
        total = before + tl.cumsum(tl.exp(value - top).to(tl.float64), 0)
        tl.store(cumulative + row * n_words + start + words, total, mask=mask)
        before = tl.max(total, 0)


@triton.jit(do_not_specialize=["longest"], do_not_specialize_on_alignment=["lengths", "log_total"])
def sample_words_kernel(
    cumulative, lengths, uniforms, urn_uniforms, log_total, words, counts, n_words, longest,
    URN: tl.constexpr, STEPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Draw some words of one document: find the word that each is a copy of, and draw that one by bisection."""
    document = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = place < longest
    source = place.to(tl.int64)
    if URN:
        total = tl.exp(tl.load(log_total).to(tl.float64))
        n_copies = 1
        while n_copies > 0:  # each word is a copy of an earlier one, until one is drawn
            number = tl.load(urn_uniforms + document * longest + source, mask=mask, other=0.0)
            position = number * (total + source)
            is_copy = mask & (position >= total) & (source > 0)
            earlier = tl.maximum(tl.minimum((position - total).to(tl.int64), source - 1), 0)  # NaN becomes negative
            source = tl.where(is_copy, earlier, source)
            n_copies = tl.sum(is_copy.to(tl.int32), 0)
    number = tl.load(uniforms + document * longest + source, mask=mask, other=0.0)
    target = number * tl.load(cumulative + document * n_words + n_words - 1)
    low, high = source * 0, source * 0 + n_words  # the first word whose cumulative probability is above the target
    for _ in range(STEPS + 1):
        middle = (low + high) // 2
        is_open = low < high
        above = tl.load(cumulative + document * n_words + middle, mask=mask & is_open, other=0.0) > target
        low = tl.where(is_open & (above == 0), middle + 1, low)
        high = tl.where(is_open & above, middle, high)
    tl.store(words + document * longest + place, tl.minimum(low, n_words - 1), mask=mask)
    is_word = (place + 1) <= tl.load(lengths + document)
    tl.store(counts + document * longest + place, is_word.to(tl.float32), mask=mask)
