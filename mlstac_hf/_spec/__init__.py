"""What ML-STAC says, without any input or output: names, collections, sample metadata."""

from mlstac_hf._spec._collection import Collection
from mlstac_hf._spec._metadata import (
    STANDARD_KEYS,
    TENSOR_NAMES,
    Geotransform,
    format_datetime,
    parse_crs,
    parse_datetime,
    parse_geotransform,
    parse_key,
    text_columns,
    typed_metadata,
    user_keys,
)
from mlstac_hf._spec._names import MAX_SAMPLES, PLAIN, SUFFIXES, decode_name, encode_name, split_suffix
from mlstac_hf._spec._parts import Annotations, Band, BandStatistics, Catalog, DataFile, Extent, TensorSchema

__all__ = [
    "MAX_SAMPLES",
    "PLAIN",
    "STANDARD_KEYS",
    "SUFFIXES",
    "TENSOR_NAMES",
    "Annotations",
    "Band",
    "BandStatistics",
    "Catalog",
    "Collection",
    "DataFile",
    "Extent",
    "Geotransform",
    "TensorSchema",
    "decode_name",
    "encode_name",
    "format_datetime",
    "parse_crs",
    "parse_datetime",
    "parse_geotransform",
    "parse_key",
    "split_suffix",
    "text_columns",
    "typed_metadata",
    "user_keys",
]
