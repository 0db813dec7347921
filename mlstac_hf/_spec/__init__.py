"""What ML-STAC says, without any input or output: names, collections, sample metadata."""

from mlstac_hf._spec._collection import Collection
from mlstac_hf._spec._dialect_splits import canonical_split
from mlstac_hf._spec._flags import applying
from mlstac_hf._spec._main_json import Layout, address_in, main_json
from mlstac_hf._spec._metadata import (
    STANDARD_KEYS,
    TENSOR_NAMES,
    Geotransform,
    declared_keys,
    format_datetime,
    free_names,
    parse_crs,
    parse_datetime,
    parse_geotransform,
    parse_key,
    text_columns,
    typed_metadata,
    user_keys,
)
from mlstac_hf._spec._names import MAX_SAMPLES, PLAIN, SUFFIXES, SUMS, decode_name, encode_name, split_suffix
from mlstac_hf._spec._parts import Annotations, Band, BandStatistics, Catalog, DataFile, Extent, Shards, TensorSchema
from mlstac_hf._spec._planes import check_planes, of_other_numbers, of_planes
from mlstac_hf._spec._problems import Problem, file_in, is_relative, is_url
from mlstac_hf._spec._publishable import check_publishable
from mlstac_hf._spec._sensors import SENSORS, Sensor, bands_of, find_sensor
from mlstac_hf._spec._sums import parse_sums, sums_bytes
from mlstac_hf._spec._tasks import TASKS, Form, Task, check_sample_shapes, find_task, flags_of

__all__ = [
    "MAX_SAMPLES",
    "PLAIN",
    "SENSORS",
    "STANDARD_KEYS",
    "SUFFIXES",
    "SUMS",
    "TASKS",
    "TENSOR_NAMES",
    "Annotations",
    "Band",
    "BandStatistics",
    "Catalog",
    "Collection",
    "DataFile",
    "Extent",
    "Form",
    "Geotransform",
    "Layout",
    "Problem",
    "Sensor",
    "Shards",
    "Task",
    "TensorSchema",
    "address_in",
    "applying",
    "bands_of",
    "canonical_split",
    "check_planes",
    "check_publishable",
    "check_sample_shapes",
    "declared_keys",
    "decode_name",
    "encode_name",
    "file_in",
    "find_sensor",
    "find_task",
    "flags_of",
    "format_datetime",
    "free_names",
    "is_relative",
    "is_url",
    "main_json",
    "of_other_numbers",
    "of_planes",
    "parse_crs",
    "parse_datetime",
    "parse_geotransform",
    "parse_key",
    "parse_sums",
    "split_suffix",
    "sums_bytes",
    "text_columns",
    "typed_metadata",
    "user_keys",
]
