"""From an index to a sample."""

from mlstac_hf._conditions._filter import Filter, Types
from mlstac_hf._conditions._place import BBox
from mlstac_hf._conditions._time import DatetimeLike
from mlstac_hf._reading._ahead import AHEAD_NBYTES, START_NBYTES, read_ahead, samples_ahead
from mlstac_hf._reading._arguments import (
    OnError,
    check_columns,
    check_folder,
    check_names,
    check_on_error,
    names_of_splits,
)
from mlstac_hf._reading._batch import Batch, Columns, read_batch
from mlstac_hf._reading._open import Address, open_collection, open_split
from mlstac_hf._reading._origin import Origin, origin_of, passing, streaming
from mlstac_hf._reading._scale import Scale, is_scaled
from mlstac_hf._reading._selection import Normalize, Selection, SelectionArguments, select, selection_of
from mlstac_hf._reading._size import nbytes_of, whole_of
from mlstac_hf._reading._source import Location, Sample, SampleHead, Source, input_planes
from mlstac_hf._reading._split_files import SplitFile
from mlstac_hf._reading._view import PlaneNames

__all__ = [
    "AHEAD_NBYTES",
    "START_NBYTES",
    "Address",
    "BBox",
    "Batch",
    "Columns",
    "DatetimeLike",
    "Filter",
    "Location",
    "Normalize",
    "OnError",
    "Origin",
    "PlaneNames",
    "Sample",
    "SampleHead",
    "Scale",
    "Selection",
    "SelectionArguments",
    "Source",
    "SplitFile",
    "Types",
    "check_columns",
    "check_folder",
    "check_names",
    "check_on_error",
    "input_planes",
    "is_scaled",
    "names_of_splits",
    "nbytes_of",
    "open_collection",
    "open_split",
    "origin_of",
    "passing",
    "read_ahead",
    "read_batch",
    "samples_ahead",
    "select",
    "selection_of",
    "streaming",
    "whole_of",
]
