import numpy as np
import pytest
import torch
from scipy import stats

from docnvil.runtime.randomness import KeyedGenerator, LatticeGenerator, fold, stream, stream_seed, uniform


def splitmix64(state: int) -> int:
    """Return the output of SplitMix64 for a state, in plain integers (Steele, Lea & Flood 2014)."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def numbers(seed: int, keys: list[int], shape: tuple[int, int, int]) -> torch.Tensor:
    return KeyedGenerator(seed, torch.tensor(keys)).uniform(shape, torch.float64)


def test_named_streams_have_the_same_seeds_on_every_platform():
    """SHA-256 of the JSON text, calculated independently with sha256sum; a change would change every result."""
    assert stream_seed(0, "shuffle", 1) == 5467606701945799391  # printf '["shuffle", 0, 1]' | sha256sum
    assert stream_seed(7, "holdout") == 5212260108745788316  # printf '["holdout", 7]' | sha256sum
    assert stream_seed(np.int64(7), "holdout") == stream_seed(7, "holdout")


def test_each_name_seed_and_number_has_a_stream_of_its_own():
    numbers = ((), (0,), (1,), (2,), (0, 0), (1, 2), (2, 1), (12,))
    names = ("shuffle", "holdout", "shuffle 1", "")
    seeds = [stream_seed(seed, name, *each) for seed in (-1, 0, 1, 12, 2**70) for name in names for each in numbers]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    drawn = {stream(seed, name).random() for seed in range(20) for name in names}
    assert len(drawn) == 80


def test_a_stream_starts_anew_at_each_call():
    assert np.array_equal(stream(3, "shuffle", 1).random(5), stream(3, "shuffle", 1).random(5))
    assert not np.array_equal(stream(3, "shuffle", 1).random(5), stream(3, "shuffle", 2).random(5))


def test_torch_accepts_the_seeds():
    generator = torch.Generator().manual_seed(stream_seed(0, "weights"))
    assert generator.initial_seed() == stream_seed(0, "weights")


def test_fold_is_splitmix64():
    assert fold(0) == 0xE220A8397B1DCDAF  # the published first output for the seed 0
    assert fold(5, 6) == splitmix64((splitmix64(5 + 0x9E3779B97F4A7C15) + 6 + 0x9E3779B97F4A7C15) % 2**64)


def test_numbers_follow_the_documented_formula():
    """In plain integers, for several calls, documents, samples and units; `first_sample` continues the samples."""
    generator = KeyedGenerator(11, torch.tensor([3, -4]))
    later = KeyedGenerator(11, torch.tensor([3, -4]), first_sample=2)
    for call in range(3):
        drawn = torch.cat([generator.uniform((2, 2, 5), torch.float64), later.uniform((1, 2, 5), torch.float64)])
        for sample, document, unit in np.ndindex(3, 2, 5):
            start = splitmix64((fold(11, call) + (3, -4)[document]) % 2**64)
            state = (start + (5 * sample + unit) * 0x9E3779B97F4A7C15) % 2**64
            assert drawn[sample, document, unit].item() == (splitmix64(state) >> 11) / 2**53


def test_numbers_are_uniform_and_uncorrelated():
    drawn = numbers(0, list(range(200)), (20, 200, 50))
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3
    for axis in range(3):  # neighbors in samples, documents and units
        pairs = drawn.movedim(axis, 0)
        correlation = np.corrcoef(pairs[:-1].flatten().numpy(), pairs[1:].flatten().numpy())[0, 1]
        assert abs(correlation) < 0.01


def test_a_documents_numbers_do_not_depend_on_its_neighbors():
    together = numbers(3, [5, 6, 7], (4, 3, 2))
    assert torch.equal(numbers(3, [7], (4, 1, 2)), together[:, 2:])
    assert torch.equal(numbers(3, [7, 5, 6], (4, 3, 2)), together[:, [2, 0, 1]])


def test_more_samples_begin_with_the_same_ones():
    assert torch.equal(numbers(3, [5, 6], (9, 2, 4))[:2], numbers(3, [5, 6], (2, 2, 4)))


def test_numbers_depend_on_seed_key_and_call():
    generator = KeyedGenerator(0, torch.tensor([1]))
    first, second = (generator.uniform((1, 1, 8), torch.float64) for _ in range(2))
    others = [first, second, numbers(1, [1], (1, 1, 8)), numbers(0, [2], (1, 1, 8))]
    assert len({tuple(each.flatten().tolist()) for each in others}) == 4


def test_single_precision_stays_below_one():
    drawn = KeyedGenerator(0, torch.arange(1000)).uniform((100, 1000, 10), torch.float32)
    assert drawn.dtype == torch.float32
    assert drawn.max() < 1


def test_a_wrong_number_of_documents_is_an_error():
    with pytest.raises(ValueError, match="1 keys for 2 documents"):
        numbers(0, [1], (1, 2, 3))


def test_uniform_accepts_both_kinds_of_generators():
    like = torch.empty(0, dtype=torch.float64)
    first, second = (uniform((2, 3), torch.Generator().manual_seed(5), like) for _ in range(2))
    assert torch.equal(first, second)
    assert first.dtype == torch.float64
    keyed = uniform((2, 1, 3), KeyedGenerator(0, torch.tensor([4])), like)
    assert torch.equal(keyed, numbers(0, [4], (2, 1, 3)))


def test_fold_depends_on_order_and_number():
    assert len({fold(), fold(0), fold(0, 0), fold(1, 2), fold(2, 1), fold(12)}) == 6


def test_single_precision_uses_the_upper_bits_of_the_same_numbers():
    keys = torch.arange(50)
    single = KeyedGenerator(1, keys).uniform((4, 50, 7), torch.float32)
    double = KeyedGenerator(1, keys).uniform((4, 50, 7), torch.float64)
    assert torch.equal(single.double(), (double * 2**24).floor() / 2**24)


@pytest.mark.parametrize("n_samples", [1, 2, 6, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lattice_samples_are_evenly_spaced(n_samples, dtype):
    drawn = LatticeGenerator(0, torch.arange(300)).uniform((n_samples, 300, 7), dtype)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    cells = torch.arange(n_samples)[:, None, None]
    # Relative to the lowest number, because rounding may move a number at a cell's edge into the next cell.
    lowest = drawn.min(0).values
    assert torch.allclose(drawn.sort(0).values, lowest + cells / n_samples, atol=1e-6)


def test_lattice_samples_are_shifts_of_the_independent_ones():
    keys = torch.arange(40)
    lattice = LatticeGenerator(5, keys).uniform((8, 40, 30), torch.float64)
    assert torch.equal(lattice[:1], KeyedGenerator(5, keys).uniform((1, 40, 30), torch.float64))
    steps = (8 * (lattice[1] - lattice[0])).round().remainder(8)
    assert set(steps.unique().tolist()) == {1, 3, 5, 7}  # coprime to 8
    assert torch.equal(steps, steps[:1].expand(40, -1))  # the same for all documents
    assert steps[0, :8].tolist() == [7, 5, 1, 3, 3, 7, 3, 1]  # embeddings of a seed stay the same


def test_each_lattice_sample_alone_is_uniform_and_uncorrelated():
    drawn = LatticeGenerator(1, torch.arange(3000)).uniform((4, 3000, 5), torch.float64)
    for sample in drawn:
        assert stats.kstest(sample.flatten().numpy(), "uniform").pvalue > 1e-3
        assert (np.abs(np.corrcoef(sample.T.numpy()) - np.eye(5)) < 0.1).all()


def test_lattice_means_have_the_same_expectation_and_lower_variance():
    def second_unit_mean(kind: type[KeyedGenerator]) -> torch.Tensor:
        """Share of samples with the second unit on: .9 if the first (.4) is on, .2 otherwise, so .48 on average."""
        drawn = kind(2, torch.arange(4000)).uniform((16, 4000, 2), torch.float64)
        first = drawn[..., 0] < 0.4
        return (drawn[..., 1] < torch.where(first, 0.9, 0.2)).double().mean(0)

    independent, lattice = second_unit_mean(KeyedGenerator), second_unit_mean(LatticeGenerator)
    assert lattice.mean().item() == pytest.approx(0.48, abs=0.01)
    assert lattice.var() < independent.var() / 2


def test_lattice_numbers_of_a_document_do_not_depend_on_its_neighbors():
    together = LatticeGenerator(3, torch.tensor([5, 6, 7])).uniform((4, 3, 2), torch.float64)
    assert torch.equal(LatticeGenerator(3, torch.tensor([7])).uniform((4, 1, 2), torch.float64), together[:, 2:])
