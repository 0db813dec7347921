"""Bytes to arrays: what files may say, checked before a byte is trusted."""

from mlstac_hf._formats._container import CONTAINER_PREFIX, container_header_length, parse_container_header
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
from mlstac_hf._formats._payloads import Payload, open_payload
from mlstac_hf._formats._safetensors import (
    PREFIX,
    Header,
    HeaderError,
    TensorSlice,
    header_length,
    parse_header,
)

__all__ = [
    "CONTAINER_PREFIX",
    "MAGIC",
    "MAX_RATIO",
    "PREFIX",
    "Array",
    "Header",
    "HeaderError",
    "Inflater",
    "Payload",
    "TensorSlice",
    "aligned_empty",
    "container_header_length",
    "dtype_of",
    "header_length",
    "is_exotic",
    "narrow",
    "open_payload",
    "parse_container_header",
    "parse_header",
    "plain_dtype",
    "widen",
]
