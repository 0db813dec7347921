"""A split as a node of `torchdata.nodes`.

Owns: `SampleNode`. Leaves to others: samples (`_dataset`), the order and states (`_order`), other nodes (torchdata).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._load import LoadArguments
from mlstac_hf._order import Epoch, Shuffle, Uneven
from mlstac_hf._reading import Address, check_names
from mlstac_hf.torch._dataset import SampleDataset

try:
    from torchdata.nodes import BaseNode
except ImportError:
    raise MissingExtraError(
        "SampleNode needs torchdata, which is not installed. Install it with: pip install 'mlstac-hf[torch]'"
    ) from None


class SampleNode(BaseNode[dict[str, Any]]):
    """A split as the first node of a graph of `torchdata.nodes`; it goes on exactly from a state.

    Each time a `Loader` begins anew, so does the next epoch. The state of a graph goes on with the same graph, on any
    number of ranks where nothing in it holds samples back.

    Args:
        address: of the collection; see `mlstac_hf.load`.
        split: `train`, `validation`, `test`, or another name the collection has.
        shuffle: whether samples come in another order each epoch, and how; see `SampleLoader`.
        seed: of that order.
        rank: of this process. Default: as torch.distributed says where it is initialised, else 0.
        world_size: number of ranks. Default: as torch.distributed says, else 1.
        uneven: what makes ranks equally long: see `SampleLoader`. `repeat` is as `pad` here: no batch is known.
        metadata: whether a sample has its metadata too, as a dict under `metadata`.
        **arguments: as in `SampleDataset`.

    Raises:
        MissingExtraError: torchdata is not installed; the message is the line that installs it.
        ValueError, TypeError: an argument that means nothing.
        CollectionNotFoundError, UnknownNameError, …: see `mlstac_hf.load`.

    Example:
        >>> from torchdata.nodes import Batcher, Loader, ParallelMapper, Prefetcher
        >>> from mlstac_hf.torch import SampleNode, collate
        >>> batches = Batcher(SampleNode(demo), batch_size=10, drop_last=False)
        >>> loader = Loader(Prefetcher(ParallelMapper(batches, collate, num_workers=2, method="thread"), 2))
        >>> [len(batch["input"]) for batch in loader]
        [10, 10, 4]
    """

    def __init__(
        self,
        address: Address,
        split: str = "train",
        *,
        shuffle: Shuffle = True,
        seed: int = 5,
        rank: int | None = None,
        world_size: int | None = None,
        uneven: Uneven = "pad",
        metadata: bool = False,
        **arguments: Unpack[LoadArguments],
    ) -> None:
        super().__init__()
        check_names(arguments, LoadArguments.__annotations__, type(self).__name__, "Samples are opened with")
        self._dataset = SampleDataset(address, split, metadata=metadata, **arguments)
        self._course = self._dataset.course(shuffle, seed=seed, rank=rank, world_size=world_size, uneven=uneven)
        self._epoch: Epoch | None = None
        self._step = 0
        self._samples: Iterator[dict[str, Any] | None] = iter(())

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Go to the next epoch, at first to the first one, or to where a state says.

        Raises:
            ValueError: the state is of another collection, selection, seed or shuffle.
            TypeError: it is no state.
        """
        super().reset(initial_state)
        if initial_state is not None:
            self._course.load_state_dict(initial_state)
        elif self._epoch is not None:
            self._course.finish(self._epoch)
        self._epoch = self._course.begin()
        self._read_from(0)

    def _read_from(self, step: int) -> None:
        assert self._epoch is not None
        self._step = step
        indices = (index for (index,) in self._epoch.batches(step))
        self._samples = self._dataset.each(indices, self._epoch.windows(step))

    def next(self) -> dict[str, Any]:
        """The next sample; bad ones are passed over with `on_error="skip"`.

        Raises:
            StopIteration: the epoch is over.
            CorruptSampleError, MissingSampleError: this sample is bad.
        """
        assert self._epoch is not None
        while True:
            step = self._step
            try:
                sample = next(self._samples)
            except StopIteration:
                raise
            except Exception:  # of this sample; who goes on gets the one after it
                self._read_from(step + 1)
                raise
            self._step += 1
            self._course.deliver(self._epoch, step)
            if sample is not None:
                return sample

    def get_state(self) -> dict[str, Any]:
        """Where the run stands, as JSON holds it."""
        return self._course.state_dict()
