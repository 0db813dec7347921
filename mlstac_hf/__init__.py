"""Earth-observation training data published as ML-STAC, in the tools people train with."""

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
from mlstac_hf._load import Metadata, Split, load
from mlstac_hf._reading import open_collection
from mlstac_hf._spec import Annotations, Band, Catalog, Collection

__version__ = "0.1.0"
