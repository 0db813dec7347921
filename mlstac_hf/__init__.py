"""Earth-observation training data published as ML-STAC, in the tools people train with."""

from mlstac_hf._convert import convert
from mlstac_hf._download import DownloadResult, download
from mlstac_hf._errors import (
    CollectionError,
    CollectionNotFoundError,
    CollectionWarning,
    CorruptSampleError,
    InvalidCollectionError,
    LinkRefusedError,
    MissingExtraError,
    MissingSampleError,
    MLSTACError,
    SampleError,
    SchemaMismatchError,
    StoreError,
    UnknownNameError,
    UnsupportedDtypeError,
)
from mlstac_hf._feeds import JaxBatches, to_jax, to_tf
from mlstac_hf._formats import Payload, TensorForm, register_decoder
from mlstac_hf._hf import load_dataset, register
from mlstac_hf._load import load
from mlstac_hf._push._push import push
from mlstac_hf._push._result import PushedFile, PushResult
from mlstac_hf._reading import open_collection
from mlstac_hf._resplit import resplit
from mlstac_hf._spec import Annotations, Band, Catalog, Collection, bands_of
from mlstac_hf._split import Metadata, Split
from mlstac_hf._validate import Finding, Report, validate
from mlstac_hf._version import __version__
from mlstac_hf._write import Sample, write

__all__ = [
    "Annotations",
    "Band",
    "Catalog",
    "Collection",
    "CollectionError",
    "CollectionNotFoundError",
    "CollectionWarning",
    "CorruptSampleError",
    "DownloadResult",
    "Finding",
    "InvalidCollectionError",
    "JaxBatches",
    "LinkRefusedError",
    "MLSTACError",
    "Metadata",
    "MissingExtraError",
    "MissingSampleError",
    "Payload",
    "PushResult",
    "PushedFile",
    "Report",
    "Sample",
    "SampleError",
    "SchemaMismatchError",
    "Split",
    "StoreError",
    "TensorForm",
    "UnknownNameError",
    "UnsupportedDtypeError",
    "__version__",
    "bands_of",
    "convert",
    "download",
    "load",
    "load_dataset",
    "open_collection",
    "push",
    "register",
    "register_decoder",
    "resplit",
    "to_jax",
    "to_tf",
    "validate",
    "write",
]
