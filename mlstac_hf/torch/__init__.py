"""ML-STAC samples in torch's loaders.

Owns: `collate`, for `torch.utils.data.DataLoader`. Leaves to others: the samples (`mlstac_hf.load`,
`mlstac_hf.load_dataset`).
"""

from mlstac_hf.torch._collate import collate

__all__ = ["collate"]
