"""Bytes to arrays: what files may say, checked before a byte is trusted."""

from mlstac_hf._formats._dtypes import (
    Array,
    aligned_empty,
    dtype_of,
    is_exotic,
    narrow,
    plain_dtype,
    widen,
)
from mlstac_hf._formats._gzip import MAGIC, MAX_RATIO, Inflater
from mlstac_hf._formats._safetensors import (
    PREFIX,
    Header,
    HeaderError,
    TensorSlice,
    header_length,
    parse_header,
)

__all__ = [
    "MAGIC",
    "MAX_RATIO",
    "PREFIX",
    "Array",
    "Header",
    "HeaderError",
    "Inflater",
    "TensorSlice",
    "aligned_empty",
    "dtype_of",
    "header_length",
    "is_exotic",
    "narrow",
    "parse_header",
    "plain_dtype",
    "widen",
]
