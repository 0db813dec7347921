"""What the samples of a split have in common: read off their headers, before a tensor is touched.

Owns: when samples fit into one table, and the columns they make. Leaves to others: how `datasets` spells a
column (`_features`), the samples (`reading`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

from tqdm.auto import tqdm

from mlstac_hf._errors import BAD_SAMPLE, CorruptSampleError, SchemaMismatchError, UnknownNameError
from mlstac_hf._formats import dtype_of, plain_dtype
from mlstac_hf._reading import SampleHead, Source
from mlstac_hf._spec import STANDARD_KEYS, TensorSchema

Shape = tuple[int | None, ...]
MAX_ELEMENTS = 2**31 - 1
"""What the 32-bit offsets of one Arrow array can count."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor column: the stored dtype's name, and the stored shape with None where samples differ."""

    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Schema:
    """The columns of a split."""

    columns: dict[str, Tensor | None] = field(default_factory=dict)
    """Tensor columns in order; None is text."""
    keys: dict[str, str] = field(default_factory=dict)
    """The publisher's own metadata keys, sorted, each with the name of its Arrow type."""
    taken: tuple[str, ...] = ()
    """Names of all tensor columns there are, also of those that were not asked for."""

    def to_json(self) -> str:
        """As text, for the cache."""
        columns = {name: tensor and [tensor.dtype, tensor.shape] for name, tensor in self.columns.items()}
        return json.dumps({"columns": columns, "keys": self.keys, "taken": self.taken})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """What `to_json` wrote."""
        found = json.loads(text)
        columns = {name: tensor and Tensor(tensor[0], tuple(tensor[1])) for name, tensor in found["columns"].items()}
        return cls(columns, found["keys"], tuple(found["taken"]))

    def metadata_columns(self) -> dict[str, str]:
        """Metadata key by column name, in order; a key named like a tensor column becomes `meta_<key>`."""
        tensors = {*self.columns, *self.taken}
        names: dict[str, str] = {}
        for key in (*STANDARD_KEYS, *self.keys):
            name = key
            while name in tensors or (name != key and name in {*STANDARD_KEYS, *self.keys}):
                name = f"meta_{name}"
            names[name] = key
        return names


@dataclass(frozen=True)
class Scan:
    """A schema, and the samples that fit it."""

    schema: Schema
    indices: Sequence[int]
    nbytes: list[int]
    """Bytes each takes in a table, same order."""
    elements: list[int]
    """Elements of the longest column of each, same order."""
    skipped: list[str] = field(default_factory=list)
    """Why each of the others was left out, if `on_error="skip"`."""


def scan(
    source: Source,
    indices: Iterable[int],
    columns: Sequence[str] | None,
    *,
    skip: bool = False,
) -> Scan:
    """Read the headers of a split.

    Args:
        source: the split.
        indices: the samples to look at.
        columns: tensor and metadata columns to keep; default all.
        skip: leave out samples that are bad or do not fit the first good one.

    Raises:
        SampleError: a sample is bad.
        SchemaMismatchError: a sample differs in dtype, in its tensors, or in their number of axes.
        UnknownNameError: `columns` names one that no sample has.
    """
    rows: list[int] = []
    weights: list[int] = []
    longest: list[int] = []
    tensors: dict[str, Tensor | None] = {}
    keys: dict[str, str] = {}
    taken: tuple[str, ...] = ()
    bar = tqdm(indices, desc=f"{source.split}: headers", unit=" samples", disable=None, delay=2, leave=False)
    skipped: list[str] = []
    for index in bar:
        try:
            head = source.head(index)
            own = _tensors(head, columns)
            tensors = merge(tensors, own, source.place(index)) if rows else own
            nbytes, elements = _weigh(own, head)
            if elements > MAX_ELEMENTS:
                raise CorruptSampleError(
                    f"{source.place(index)}: a tensor of {elements} elements does not fit an Arrow row "
                    f"(at most {MAX_ELEMENTS}). Read it with load()."
                )
        except BAD_SAMPLE as error:
            if not skip:
                raise
            skipped.append(str(error))
            continue
        taken = taken or head.columns
        rows.append(index)
        weights.append(nbytes)
        longest.append(elements)
        keys |= source.keys(head)
    schema = Schema(tensors, dict(sorted(keys.items())), taken)
    if rows:
        _check_columns(columns, (*taken, *schema.metadata_columns()))
    return Scan(schema, rows, weights, longest, skipped)


def _check_columns(columns: Sequence[str] | None, has: Sequence[str]) -> None:
    """Refuse a column name that no sample has."""
    lacking = [name for name in columns or () if name not in has]
    if lacking:
        raise UnknownNameError(f"no column {' or '.join(map(repr, lacking))}; there are {', '.join(has)}")


def _tensors(head: SampleHead, columns: Sequence[str] | None) -> dict[str, Tensor | None]:
    def tensor(name: str) -> Tensor | None:
        if name in head.texts:
            return None
        found = head.tensors[name]
        return Tensor(found.dtype.name, found.shape)

    return {name: tensor(name) for name in head.columns if columns is None or name in columns}


def merge(
    before: Mapping[str, Tensor | None], now: Mapping[str, Tensor | None], place: str
) -> dict[str, Tensor | None]:
    """The columns that both have in common.

    Raises:
        SchemaMismatchError: they differ in more than the length of axes; names `place`.
    """
    if before.keys() != now.keys():
        raise _mismatch(place, f"has {_listed(now)}, those before it {_listed(before)}")
    merged: dict[str, Tensor | None] = {}
    for name, one in before.items():
        other = now[name]
        if one is None or other is None:
            if one is not other:
                kind, was = ("text", "a tensor") if other is None else ("a tensor", "text")
                raise _mismatch(place, f"{name!r} is {kind}, in those before it {was}")
            merged[name] = None
        elif one.dtype != other.dtype:
            raise _mismatch(place, f"{name!r} is {other.dtype}, in those before it {one.dtype}")
        elif len(one.shape) != len(other.shape):
            raise _mismatch(place, f"{name!r} has {len(other.shape)} axes, in those before it {len(one.shape)}")
        elif one.shape == other.shape:
            merged[name] = one
        else:
            axes = zip(one.shape, other.shape, strict=True)
            merged[name] = Tensor(one.dtype, tuple(a if a == b else None for a, b in axes))
    return merged


def unify(schemas: Mapping[str, Schema]) -> Schema:
    """One schema for several splits; a split without samples fits any.

    Raises:
        SchemaMismatchError: the splits differ; names one.
    """
    full = {split: schema for split, schema in schemas.items() if schema.columns or schema.keys}
    if not full:
        return Schema()
    columns = next(iter(full.values())).columns
    keys: dict[str, str] = {}
    for split, schema in full.items():
        columns = merge(columns, schema.columns, f"split {split!r}")
        for key, kind in schema.keys.items():
            if keys.get(key, "null") == "null":
                keys[key] = kind
        differing = [key for key, kind in schema.keys.items() if kind not in ("null", keys[key])]
        if differing:
            raise _mismatch(
                f"split {split!r}", f"{differing[0]!r} is {schema.keys[differing[0]]}, in others {keys[differing[0]]}"
            )
    taken = tuple(dict.fromkeys(name for schema in full.values() for name in schema.taken))
    return Schema(columns, dict(sorted(keys.items())), taken)


def declared(schema: Schema, tensors: Mapping[str, TensorSchema]) -> Schema:
    """A schema that was read off one sample, with the axes free that the collection says differ between samples.

    Args:
        schema: of one sample, as it is handed out.
        tensors: what the collection says its samples have in common, as they are stored.
    """
    columns = dict(schema.columns)
    for name, own in columns.items():
        said = tensors.get(name)
        if own is not None and said is not None and len(said.shape) == len(own.shape):
            axes = zip(own.shape, said.shape, strict=True)
            columns[name] = Tensor(own.dtype, tuple(None if free is None else axis for axis, free in axes))
    return replace(schema, columns=columns)


def _listed(columns: Mapping[str, Tensor | None]) -> str:
    return ", ".join(columns) or "nothing"


def _mismatch(place: str, difference: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{place}: {difference}. A dataset has one schema: choose columns that agree with columns=[…], leave such "
        'samples out with on_error="skip", load splits that differ one at a time, or use mlstac_hf.load(), '
        "which gives each sample as it is."
    )


def _weigh(tensors: Mapping[str, Tensor | None], head: SampleHead) -> tuple[int, int]:
    """Bytes and longest column of a row, tensors widened as a table keeps them."""
    nbytes = longest = 0
    for name, tensor in tensors.items():
        if tensor is None:
            nbytes += len(head.texts[name])
            continue
        dtype = dtype_of(tensor.dtype)
        elements = head.tensors[name].size * (2 if dtype.kind == "c" else 1)
        nbytes += elements * plain_dtype(dtype).itemsize
        longest = max(longest, elements)
    return nbytes + sum(map(len, head.raw.values())), longest


def chunks(
    nbytes: Sequence[int], elements: Sequence[int], max_nbytes: int, max_elements: int = MAX_ELEMENTS
) -> Iterator[tuple[int, int]]:
    """Runs of rows that fit one table: limited by bytes and by elements, of 2 rows at least where elements allow.

    Tables of one row are buffered by `datasets` a thousand at a time, so a last lone row joins its neighbours.

    Yields:
        First row and the row after the last.
    """
    start, count = 0, len(nbytes)
    while start < count:
        stop, weight, length = start, 0, 0
        while stop < count and length + elements[stop] <= max_elements:
            weight += nbytes[stop]
            if weight > max_nbytes and stop - start >= 2 and count - stop > 1:  # noqa: PLR2004 - a pair is the least
                break
            length += elements[stop]
            stop += 1
        yield start, stop
        start = stop


def ranges(count: int, parts: int) -> list[tuple[int, int]]:
    """`count` rows as at most `parts` runs, equal to within one.

    Example:
        >>> ranges(10, 3)
        [(0, 4), (4, 7), (7, 10)]
    """
    parts = max(1, min(parts, count))
    base, extra = divmod(count, parts)
    edges = [part * base + min(part, extra) for part in range(parts + 1)]
    return list(pairwise(edges))


def joined(runs: Iterable[Any]) -> Iterator[tuple[int, int]]:
    """Runs that lie one behind the other as one run."""
    last: tuple[int, int] | None = None
    for start, stop in runs:
        if last and last[1] == start:
            last = (last[0], stop)
        else:
            if last:
                yield last
            last = (start, stop)
    if last:
        yield last
