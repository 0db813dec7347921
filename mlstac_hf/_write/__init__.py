"""Publishing: samples of any framework as a valid collection."""

from mlstac_hf._write._sample import Sample
from mlstac_hf._write._write import write

__all__ = ["Sample", "write"]
