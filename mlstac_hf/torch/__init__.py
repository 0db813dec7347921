"""ML-STAC samples in torch's loaders, torch's data pipes and TorchData's nodes.

Owns: the names that are public here. Leaves to others: the samples (`mlstac_hf.load`), their order (`_order`).
"""

from typing import TYPE_CHECKING, Any

from mlstac_hf._frameworks import framework

framework("torch")  # says which line installs it where it is missing

from mlstac_hf.torch._collate import collate  # noqa: E402 - needs torch, as all below
from mlstac_hf.torch._dataset import SampleDataset  # noqa: E402
from mlstac_hf.torch._loader import SampleLoader  # noqa: E402
from mlstac_hf.torch._pipes import SampleIterDataPipe, SampleMapDataPipe  # noqa: E402

if TYPE_CHECKING:
    from mlstac_hf.torch._node import SampleNode

__all__ = ["SampleDataset", "SampleIterDataPipe", "SampleLoader", "SampleMapDataPipe", "SampleNode", "collate"]


def __getattr__(name: str) -> Any:
    if name != "SampleNode":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlstac_hf.torch._node import SampleNode  # the one thing here that needs torchdata

    return SampleNode
