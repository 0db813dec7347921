"""Bytes to arrays: what files may say, checked before a byte is trusted."""

from mlstac_hf._formats._container import (
    CONTAINER_PREFIX,
    Container,
    Datapoint,
    container_header,
    container_header_length,
    parse_container_header,
)
from mlstac_hf._formats._dtypes import (
    Array,
    aligned_empty,
    dtype_name,
    dtype_of,
    is_exotic,
    may_keep,
    narrow,
    plain_dtype,
    widen,
)
from mlstac_hf._formats._gzip import MAGIC, MAX_RATIO, Inflater
from mlstac_hf._formats._parts import MAX_DECODED, TensorForm, Window
from mlstac_hf._formats._payloads import (
    HEAD,
    Payload,
    added_decoders,
    decoder_names,
    open_payload,
    payload_kind,
    register_decoder,
)
from mlstac_hf._formats._raster import RASTER
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
    "HEAD",
    "MAGIC",
    "MAX_DECODED",
    "MAX_RATIO",
    "PREFIX",
    "RASTER",
    "Array",
    "Container",
    "Datapoint",
    "Header",
    "HeaderError",
    "Inflater",
    "Payload",
    "TensorForm",
    "TensorSlice",
    "Window",
    "added_decoders",
    "aligned_empty",
    "container_header",
    "container_header_length",
    "decoder_names",
    "dtype_name",
    "dtype_of",
    "header_length",
    "is_exotic",
    "may_keep",
    "narrow",
    "open_payload",
    "parse_container_header",
    "parse_header",
    "payload_kind",
    "plain_dtype",
    "register_decoder",
    "widen",
]
