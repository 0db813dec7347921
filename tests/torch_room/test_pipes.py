"""The data pipes: chained as torch's own, every sample once in any number of workers."""

import pickle
from pathlib import Path

import pytest
from tensors import facts_of
from torch_numbers import numbers

from mlstac_hf import CollectionNotFoundError, CollectionWarning, CorruptSampleError, load

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader
from torch.utils.data.datapipes.iter import IterableWrapper
from torch.utils.data.datapipes.map import SequenceWrapper

from mlstac_hf.torch import SampleIterDataPipe, SampleMapDataPipe, _pipes, collate

COUNT = 23


def targets(samples):
    return [int(sample["target"]) for sample in samples]


def through(pipe, workers, **options):
    return DataLoader(pipe.batch(4), batch_size=None, num_workers=workers, collate_fn=collate, **options)


CHAINS = {
    "plain": lambda pipe: pipe,
    "shuffle": lambda pipe: pipe.shuffle(),
    "sharding_filter": lambda pipe: pipe.sharding_filter(),
    "both": lambda pipe: pipe.shuffle().sharding_filter(),
    "both, other way round": lambda pipe: pipe.sharding_filter().shuffle(buffer_size=3),
    "torch's own filter": lambda pipe: pipe.map(dict).sharding_filter(),
    "torch's own both": lambda pipe: pipe.map(dict).shuffle().sharding_filter(),
    "ours, then torch's": lambda pipe: pipe.shuffle().map(dict).sharding_filter(),
}


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("chain", CHAINS)
def test_every_sample_comes_once(numbered, chain, workers):
    torch.manual_seed(3)
    loader = through(CHAINS[chain](SampleIterDataPipe(numbered)), workers)
    first, second = numbers(loader), numbers(loader)
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert (first != second) == any(word in chain for word in ("shuffle", "both", "ours"))


def test_workers_get_ranges(numbered):
    loader = DataLoader(SampleIterDataPipe(numbered).batch(100), batch_size=None, num_workers=2, collate_fn=collate)
    assert [batch["target"].tolist() for batch in loader] == [list(range(12)), list(range(12, COUNT))]


def test_a_worker_reads_no_more_than_its_own(numbered):
    """Files of the other worker's half need not even be there."""
    pipe = SampleIterDataPipe(numbered).sharding_filter()
    pipe.apply_sharding(2, 0)
    for path in sorted(Path(numbered, "train").iterdir())[12:]:
        path.unlink()
    assert targets(pipe) == list(range(12))
    assert len(pipe) == 12


def test_the_shuffle_is_one_of_the_whole_split_and_follows_torchs_seed(numbered):
    def run(seed):
        torch.manual_seed(seed)
        return numbers(through(SampleIterDataPipe(numbered).shuffle().sharding_filter(), 2))

    assert run(3) == run(3) != run(4)


def test_dataloaders_own_shuffle_switches_ours(numbered):
    torch.manual_seed(3)
    shuffled = numbers(through(SampleIterDataPipe(numbered), 0, shuffle=True))
    assert sorted(shuffled) == list(range(COUNT)) != shuffled
    assert numbers(through(SampleIterDataPipe(numbered).shuffle(), 0, shuffle=False)) == list(range(COUNT))


def test_without_a_loader_each_round_has_another_order(numbered):
    pipe = SampleIterDataPipe(numbered).shuffle().set_seed(7)
    first, second = targets(pipe), targets(pipe)
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first != second
    assert targets(SampleIterDataPipe(numbered).shuffle().set_seed(7)) == first
    assert len(pipe) == COUNT


def test_chaining_leaves_the_pipe_as_it_was(numbered):
    pipe = SampleIterDataPipe(numbered)
    pipe.shuffle().sharding_filter()
    assert targets(pipe) == list(range(COUNT))


def test_functional_forms_take_addresses(numbered, images):
    assert len(list(IterableWrapper([numbered, images.address]).load_mlstac(columns=["target"]))) == COUNT + 9
    both = SequenceWrapper([numbered, images.address]).load_mlstac(metadata=True)
    assert len(both) == COUNT + 9
    assert int(both[22]["target"]) == 22
    assert facts_of(both[23]["target"], "torch") == facts_of(load(images.address)[0]["target"], "torch")
    assert both[-1]["metadata"] == load(images.address).metadata[8]
    rows = both.__getitems__([0, 31])
    assert [row["metadata"]["id"] for row in rows] == [both[0]["metadata"]["id"], both[31]["metadata"]["id"]]


def test_functional_forms_are_split_over_workers_too(numbered):
    for chain in (lambda pipe: pipe, lambda pipe: pipe.shuffle().sharding_filter()):
        pipe = chain(IterableWrapper([numbered, numbered]).load_mlstac())
        assert sorted(numbers(through(pipe, 2))) == sorted([*range(COUNT)] * 2)


def test_a_module_that_is_read_again_registers_its_form_again(numbered):
    """torch refuses a name that is taken."""
    _pipes._register()
    assert len(IterableWrapper([numbered]).load_mlstac()) == COUNT
    assert len(SequenceWrapper([numbered]).load_mlstac()) == COUNT


def test_a_map_style_pipe_is_a_dataset(numbered):
    pipe = SampleMapDataPipe(numbered, split="test", metadata=True)
    assert len(pipe) == 2
    assert list(pipe[1]) == ["input", "target", "metadata"]
    with pytest.raises(IndexError, match="sample 2 of a split of 2"):
        pipe[2]
    loader = DataLoader(SampleMapDataPipe(numbered), batch_size=5, num_workers=1, collate_fn=collate)
    assert numbers(loader) == list(range(COUNT))


def test_a_map_style_pipe_is_shuffled_and_batched_as_any_other(numbered):
    shuffled = SampleMapDataPipe(numbered).shuffle().set_seed(1)
    batches = list(shuffled.sharding_filter().batch(5).map(collate))
    assert sorted(numbers(batches)) == list(range(COUNT)) != numbers(batches)


@pytest.mark.parametrize("kind", [SampleIterDataPipe, SampleMapDataPipe])
def test_pipes_cross_processes(numbered, kind):
    pipe = pickle.loads(pickle.dumps(kind(numbered, limit=3)))
    assert targets(pipe[index] for index in range(3)) if kind is SampleMapDataPipe else targets(pipe) == [0, 1, 2]


@pytest.mark.parametrize("kind", [SampleIterDataPipe, SampleMapDataPipe])
def test_what_is_wrong_is_found_out_at_once(numbered, tmp_path, kind):
    with pytest.raises(CollectionNotFoundError):
        kind(tmp_path / "nothing")
    with pytest.raises(TypeError, match="has no argument 'band'"):
        kind(numbered, band=[0])


def test_bad_samples_are_passed_over_where_asked(numbered):
    sorted(Path(numbered, "train").iterdir())[3].write_bytes(b"")
    left = [number for number in range(COUNT) if number != 3]
    with pytest.warns(CollectionWarning, match="sample 3"):
        assert targets(SampleIterDataPipe(numbered, on_error="skip")) == left
    pipe = SequenceWrapper([numbered, numbered]).load_mlstac(on_error="skip")
    with pytest.warns(CollectionWarning, match="sample 3"):
        assert targets(pipe.__getitems__([2, 3, 25])) == [2, 2]
    with pytest.raises(CorruptSampleError):
        targets(SampleIterDataPipe(numbered))


def test_an_empty_pipe_of_addresses_has_no_samples():
    assert len(SequenceWrapper([]).load_mlstac()) == 0
    assert list(IterableWrapper([]).load_mlstac()) == []


def test_a_name_that_is_not_there_is_an_attribute_error():
    import mlstac_hf.torch

    with pytest.raises(AttributeError, match=r"'mlstac_hf\.torch' has no attribute 'SampleThing'"):
        _ = mlstac_hf.torch.SampleThing
    for name in mlstac_hf.torch.__all__:
        if name != "SampleNode":  # needs torchdata
            assert getattr(mlstac_hf.torch, name).__doc__


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("look", [len, lambda pipe: next(iter(pipe))])
def test_addresses_are_split_over_workers_whatever_was_asked_before(numbered, images, look, context):
    pipe = IterableWrapper([numbered, images.address]).sharding_filter().load_mlstac(columns=["target"])
    assert look(pipe)
    loader = torch.utils.data.DataLoader(pipe, batch_size=None, num_workers=2, multiprocessing_context=context)
    before = sum(1 for _ in loader)
    fresh = IterableWrapper([numbered, images.address]).sharding_filter().load_mlstac(columns=["target"])
    assert before == sum(1 for _ in torch.utils.data.DataLoader(fresh, batch_size=None, num_workers=2))
