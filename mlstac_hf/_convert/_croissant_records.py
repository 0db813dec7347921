"""The record sets of a Croissant: splits, labels, and the samples of each split with their fields.

Owns: fields and their data types. Leaves to others: what samples have in common (`_survey`), the files that fields come
from (`_croissant`), how a document begins (`_croissant_terms`).

Croissant has no way to say how a tensor is taken out of a safetensors file or a container, so such a field names the
files that it comes from and no extraction: mlcroissant checks it and cannot load it. The rows of `metadata.parquet` it
loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlstac_hf._convert._survey import Survey
from mlstac_hf._spec import TensorSchema, free_names

Node = dict[str, Any]

_SPLITS = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}
_TYPES = {
    **{
        f"{kind}{bits}": f"cr:{name}{bits}"
        for kind, name in (("int", "Int"), ("uint", "UInt"))
        for bits in (8, 16, 32, 64)
    },
    **{f"float{bits}": f"cr:Float{bits}" for bits in (16, 32, 64)},
    "bool": "sc:Boolean",
    "string": "sc:Text",
    "null": "sc:Text",
    # of these Croissant knows only that they are numbers
    "bfloat16": "sc:Float",
    "float8_e4m3fn": "sc:Float",
    "float8_e4m3fnuz": "sc:Float",
    "float8_e5m2": "sc:Float",
    "float8_e5m2fnuz": "sc:Float",
    "float8_e8m0fnu": "sc:Float",
}
"""By dtype or Arrow type; what is missing here, such as complex numbers, Croissant cannot say."""
_STANDARD = {
    "crs": "Coordinate reference system, AUTHORITY:CODE",
    "geotransform": "Six numbers in GDAL order",
    "start_datetime": "ISO 8601, UTC",
    "end_datetime": "ISO 8601, UTC",
}
_KNOWN = frozenset(("id", "split", *_STANDARD))


def splits_record(names: list[str]) -> Node:
    """The enumeration of splits, with the meaning of those that Croissant knows."""
    fields = [_field("splits", "name", "sc:Text"), _field("splits", "url", ["sc:URL", "cr:Split"])]
    known = {name: _SPLITS.get(name) for name in names}
    if not all(known.values()):  # every row has every field
        return {**_set("splits", "cr:Split", fields[:1]), "data": [{"splits/name": name} for name in names]}
    rows = [{"splits/name": name, "splits/url": url} for name, url in known.items()]
    return {**_set("splits", "cr:Split", fields), "data": rows}


def labels_record(labels: Mapping[str, int]) -> Node:
    """The enumeration of classes: names and the values that stand for them."""
    fields = [_field("labels", "name", "sc:Text"), _field("labels", "value", "sc:Integer")]
    rows = [{"labels/name": name, "labels/value": value} for name, value in labels.items()]
    return {**_set("labels", "sc:Enumeration", fields), "data": rows}


def samples_record(split: str, survey: Survey, files: str, table: str | None, *, has_labels: bool) -> Node:
    """The samples of a split.

    Args:
        split: its name.
        survey: what they have in common.
        files: the id of the file set that holds them.
        table: the id of the record set of their metadata, where that is a table of its own.
        has_labels: whether classes have names.
    """
    source, record = {"source": {"fileSet": {"@id": files}}}, identifier(split)
    fields = [
        _field(record, "id", "sc:Text", source if table is None else _reference(table, "id")),
        _field(record, "split", "sc:Text", {"value": split, **_reference("splits", "name")}),
    ]
    for name, schema in survey.tensors.items():
        kind = _TYPES.get("string" if schema is None else schema.dtype)
        if kind is None or name in _KNOWN:
            continue
        is_label = has_labels and name == "target" and schema is not None and not schema.shape and "Int" in kind
        more = _reference("labels", "value") if is_label else {}
        fields.append(_field(record, name, kind, {**source, **_shape(schema), **more}))
    if table is None:
        fields += [
            _field(record, name, "cr:Float64" if name == "geotransform" else "sc:Text", {**source, **_standard(name)})
            for name in _STANDARD
        ]
        fields += metadata_fields(record, survey.keys, dict.fromkeys(survey.keys, source), survey.tensors)
    return {**_set(record, None, fields), "key": {"@id": f"{record}/id"}}


def table_record(name: str, table: str, keys: Mapping[str, str]) -> Node:
    """The rows of `metadata.parquet`: one a sample, loadable."""

    def column(key: str) -> Node:
        return {"source": {"fileObject": {"@id": table}, "extract": {"column": key}}}

    fields = [_field(name, "id", "sc:Text", column("datapoint_id"))]
    fields += metadata_fields(name, keys, {key: column(key) for key in keys}, ())
    return {**_set(name, None, fields), "key": {"@id": f"{name}/id"}}


def metadata_fields(
    record: str, keys: Mapping[str, str], sources: Mapping[str, Node], taken: Mapping[str, Any] | tuple[()]
) -> list[Node]:
    """The publisher's keys as fields; one named like another field becomes `meta_<key>`."""
    names = free_names(keys, {*_KNOWN, *taken}.__contains__)
    return [_field(record, names[key], _TYPES.get(kind, "sc:Text"), sources[key]) for key, kind in keys.items()]


def _set(name: str, kind: str | None, fields: list[Node]) -> Node:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        **({"dataType": kind, "key": {"@id": f"{name}/name"}} if kind else {}),
        "field": fields,
    }


def _field(record: str, name: str, kind: str | list[str], more: Node | None = None) -> Node:
    return {"@type": "cr:Field", "@id": f"{record}/{_plain(name)}", "name": name, "dataType": kind, **(more or {})}


def identifier(split: str) -> str:
    """What the record set of a split is called, and what its files' names begin with."""
    return f"{split}_samples" if split in ("splits", "labels") else split


def _plain(name: str) -> str:
    """A key as a part of an identifier, which takes letters of all scripts and no blanks or slashes."""
    return "".join(letter if letter.isalnum() or letter in "_-.~" else quote(letter, safe="") for letter in name)


def _reference(record: str, name: str) -> Node:
    return {"references": {"field": {"@id": f"{record}/{name}"}}}


def _shape(schema: TensorSchema | None) -> Node:
    if schema is None or not schema.shape:
        return {}
    return {"isArray": True, "arrayShape": ",".join(str(-1 if length is None else length) for length in schema.shape)}


def _standard(name: str) -> Node:
    array = {"isArray": True, "arrayShape": "6"} if name == "geotransform" else {}
    return {"description": _STANDARD[name], **array}
