"""From an index to a sample."""

from mlstac_hf._reading._batch import Batch, Columns, read_batch
from mlstac_hf._reading._open import Address, Origin, open_collection, open_split, origin_of
from mlstac_hf._reading._planes import PlaneNames, planes_of
from mlstac_hf._reading._source import Sample, SampleHead, Source

__all__ = [
    "Address",
    "Batch",
    "Columns",
    "Origin",
    "PlaneNames",
    "Sample",
    "SampleHead",
    "Source",
    "open_collection",
    "open_split",
    "origin_of",
    "planes_of",
    "read_batch",
]
