"""`push()`: a collection as a repository of the Hub.

Owns: what its arguments mean together. Leaves to others: what the repository will hold (`_publication`), bringing it
there (`_upload`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._push._manifest import work_folder
from mlstac_hf._push._repository import MESSAGE, Target
from mlstac_hf._push._result import PushResult
from mlstac_hf._push._upload import upload
from mlstac_hf._reading import (
    Address,
    BBox,
    DatetimeLike,
    Filter,
    Normalize,
    PlaneNames,
    Scale,
    Selection,
    Types,
    check_folder,
    open_collection,
    select,
)

Format = Literal["parquet", "arrow"]
OWNED = ("data/", "metadata/")
"""How the paths begin that are ours in a repository."""


def push(
    address: Address,
    repo_id: str,
    *,
    format: Format = "parquet",  # noqa: A002 - the word for it
    split: str | Sequence[str] | None = None,
    bands: PlaneNames | None = None,
    target: PlaneNames | None = None,
    filter: Filter | None = None,  # noqa: A002 - the name STAC API and pystac-client have for it
    bbox: BBox | None = None,
    intersects: Any = None,
    datetime: DatetimeLike | None = None,
    limit: int | None = None,
    types: Types | None = None,
    scale: Scale | None = None,
    crop: bool = False,
    normalize: Normalize | None = None,
    splits: str | os.PathLike[str] | None = None,
    trust_links: bool = False,
    storage_options: dict[str, Any] | None = None,
    revision: str | None = None,
    token: str | None = None,
    private: bool | None = None,
    message: str | None = None,
    dry_run: bool = False,
    cache_dir: str | None = None,
) -> PushResult:
    """Publish a collection on the Hub, so that plain `datasets.load_dataset(repo_id)` reads it.

    Called again, it goes on where it was broken off, and changes nothing where all is there. See `mlstac_hf.load` for
    the arguments that choose samples and what of them is published.

    Args:
        address: of the collection. A revision of a Hub repository is named in it: `hf://datasets/user/repo@v1`.
        repo_id: `user/repo`, made where it is not there.
        format: `parquet`, or `arrow` for Arrow IPC files: larger, and read without decoding.
        split: names of splits. Default: all.
        bands: see `load`.
        target: see `load`.
        filter: see `load`.
        bbox: see `load`.
        intersects: see `load`.
        datetime: see `load`.
        limit: see `load`; of each split.
        types: see `load`.
        scale: see `load`.
        crop: see `load`.
        normalize: see `load`.
        splits: see `load`.
        trust_links: see `load`.
        storage_options: see `load`.
        revision: the branch to push to, made from `main` where it is not there. Default: `main`.
        token: with write permission; also reads a private `address`. Default: HF_TOKEN, or that of a login.
        private: whether a repository that is made is private. Default: as the owner has set it.
        message: of the commit.
        dry_run: only look at what is there, and say what would go up.
        cache_dir: where files are made, two at a time, and where is noted what is up, in place of the platform's cache
            folder of the user.

    Returns:
        What went up, or would; `print` it.

    Raises:
        ValueError: an argument that means nothing, or files that the Hub does not take.
        SampleError: a sample that cannot be read.
        SchemaMismatchError: samples differ in dtype or tensors.
        StoreError: the Hub refuses, or went on failing. The message says what is up.
        MissingExtraError: `datasets` or `huggingface_hub` is not installed.

    Example:
        >>> print(push(demo, "user/demo", dry_run=True))  # doctest: +SKIP
    """
    if format not in get_args(Format):
        raise ValueError(f"expected format to be one of {', '.join(get_args(Format))}, got {format!r}")
    check_folder(cache_dir, "cache_dir")
    to = Target(repo_id=repo_id, revision=revision, token=token, private=private, message=message or MESSAGE)
    selection = Selection(
        bands=bands,
        target=target,
        filter=filter,
        bbox=bbox,
        intersects=intersects,
        datetime=datetime,
        limit=limit,
        types=types,
        scale=scale,
        crop=crop,
        normalize=normalize,
    )
    try:
        from mlstac_hf._push import _publication
    except ImportError as error:
        raise MissingExtraError(
            f"push needs {error.name}, which is not installed. Install it with: pip install 'mlstac-hf[hf,select]'"
        ) from None
    collection = open_collection(
        address, token=token, storage_options=storage_options, trust_links=trust_links, splits=splits
    )
    names = list(collection.splits) if split is None else [split] if isinstance(split, str) else list(split)
    sources = {name: select(collection, name, selection, cache_dir=cache_dir) for name in names}
    publication = _publication.plan(collection, sources, format)
    work = work_folder(to.host, repo_id, to.branch, None if cache_dir is None else Path(cache_dir).expanduser())
    return upload(
        publication.files,
        lambda stored: [publication.main(stored)],
        to,
        work=work,
        owned=OWNED,
        dry_run=dry_run,
    )
