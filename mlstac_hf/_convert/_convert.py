"""`convert()`: a collection in a format of others, beside its samples or elsewhere.

Owns: the call, and which formats there are. Leaves to others: the formats, a module each; which samples are asked for
(`_reading`), where files go (`_destination`).

`columns=` and `executor=` of the plan are not there yet: no format writes tensors so far.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, Unpack

from mlstac_hf._convert._destination import Destination
from mlstac_hf._convert._format import Format, Request
from mlstac_hf._reading import (
    Address,
    OnError,
    SelectionArguments,
    check_folder,
    check_on_error,
    names_of_splits,
    open_collection,
    select,
    selection_of,
)
from mlstac_hf._reading._present import those_present

FormatName = Literal["stac-geoparquet", "croissant"]

_PLACES = ("pyarrow", "pyproj", "shapely")
FORMATS = {
    known.name: known
    for known in (
        Format(
            name="stac-geoparquet",
            module="mlstac_hf._convert._stac_geoparquet",
            suffix=".parquet",
            one_file_a_split=True,
            takes=frozenset({"filter", "bbox", "intersects", "datetime", "limit", "types", "crop"}),
            packages=_PLACES,
            extra="select",
        ),
        Format(
            name="croissant",
            module="mlstac_hf._convert._croissant",
            suffix=".json",
            one_file_a_split=False,
            takes=frozenset({"target"}),
            takes_new_splits=False,
            packages=_PLACES,
            extra="select",
        ),
    )
}


def convert(
    address: Address,
    destination: str | os.PathLike[str],
    format: FormatName = "stac-geoparquet",  # noqa: A002 - the contract of the public names
    *,
    split: str | Sequence[str] | None = None,
    splits: str | os.PathLike[str] | None = None,
    on_error: OnError = "raise",
    trust_links: bool = False,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    cache_dir: str | None = None,
    **selection: Unpack[SelectionArguments],
) -> str | list[str]:
    """Write a collection in a format of others. Its samples stay where they are; the new files point to them.

    Every header is read, no tensor. A container keeps the headers with the payloads, so of one that lies elsewhere all
    bytes are fetched: download it first.

    Args:
        address: see `load`.
        destination: a folder, or a URL that fsspec knows, such as `s3://bucket/folder`; with one file to write, its
            name (`….parquet`, `….json`). A file that is there is replaced, once the new one is whole.
        format: `"stac-geoparquet"`, a table a split, `{split}.parquet`, one STAC Item a sample; or `"croissant"`, one
            `croissant.json` that describes the collection, for a place beside its `main.json`.
        split: one name, or several. Default: all that are there.
        splits: a folder that `resplit` wrote, whose splits take the place of the collection's own.
        on_error: `raise` the error of a bad sample, or `skip` it, with a warning that names it.
        trust_links: follow links of the collection that are otherwise refused.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses.
        storage_options: for the fsspec filesystems of the address and of the destination.
        cache_dir: where indexes of metadata are kept, in place of the platform's cache folder of the user.
        **selection: which samples, as in `load`: `filter`, `bbox`, `intersects`, `datetime`, `limit`, `types`, and
            `crop` for footprints without the padding. A Croissant takes `target` alone, for it describes a collection.

    Returns:
        Where the file lies: of Croissant, and of one split that was asked for by name. Else a list, in the order of the
        splits.

    Raises:
        ValueError: a format that is not known, a selection that means nothing to it, or a destination that nothing can
            be written to.
        TypeError: an argument that is not known; the message lists those that are.
        MissingExtraError: pyarrow, pyproj or shapely is not installed; the message is the line that installs them.
        UnknownNameError: no such split, or a selection by what is not known of the samples.
        SchemaMismatchError: splits that were joined have values of different types in one column.
        CorruptSampleError, MissingSampleError: a bad sample, by name.
        CollectionNotFoundError, InvalidCollectionError, LinkRefusedError, StoreError: see `load`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     convert(demo, f"{folder}/summer.parquet", split="train", bbox=(12, 46, 18, 50))[-14:]
        'summer.parquet'
    """
    chosen = _format(format)
    check_on_error(on_error)
    check_folder(destination, "destination")
    check_folder(cache_dir, "cache_dir")
    asked = selection_of(selection, "convert")
    names = names_of_splits(split)
    chosen.check(asked, new_splits=splits is not None)
    target = Destination.of(destination, chosen.suffix, storage_options)
    collection = open_collection(
        address,
        revision=revision,
        token=token,
        storage_options=storage_options,
        trust_links=trust_links,
        splits=splits,
    )
    skip = on_error == "skip"
    sources = those_present(
        collection,
        collection.splits if names is None else names,
        lambda name: select(collection, name, asked, skip=skip, cache_dir=cache_dir),
        named=names is not None,
    )
    if target.file is not None and chosen.one_file_a_split and len(sources) != 1:
        raise ValueError(
            f"destination: {os.fspath(destination)!r} is one file, and there are {len(sources)} splits to write, a "
            f"file each: {', '.join(sources)}. Give a folder, or one split="
        )
    written = chosen.write(Request(collection=collection, sources=sources, skip=skip, destination=target))
    return written[0] if isinstance(split, str) or not chosen.one_file_a_split else written


def _format(name: object) -> Format:
    if not isinstance(name, str) or name not in FORMATS:
        raise ValueError(f"expected format to be one of {', '.join(map(repr, FORMATS))}, got {name!r}")
    return FORMATS[name]
