"""ML-STAC samples in torch's loaders.

Owns: `collate`, for `torch.utils.data.DataLoader`. Leaves to others: the samples (`mlstac_hf.load`,
`mlstac_hf.load_dataset`).
"""

from mlstac_hf._frameworks import framework

framework("torch")  # says which line installs it where it is missing

from mlstac_hf.torch._collate import collate  # noqa: E402 - needs torch

__all__ = ["collate"]
