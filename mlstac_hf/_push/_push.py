"""`push()`: a collection as a repository of the Hub.

Owns: what its arguments mean together. Leaves to others: what the repository will hold (`_contents`, `_script`),
bringing it there (`_upload`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

from mlstac_hf._errors import StoreError
from mlstac_hf._push._extras import check_extras, lacking_for_real
from mlstac_hf._push._manifest import work_folder
from mlstac_hf._push._repository import MESSAGE, Target, base_of, lacking_token
from mlstac_hf._push._result import PushResult
from mlstac_hf._push._script import ScriptBranch, script_branch
from mlstac_hf._push._upload import upload
from mlstac_hf._reading import (
    Address,
    Selection,
    SelectionArguments,
    check_folder,
    open_collection,
    select,
    selection_of,
)
from mlstac_hf._stores import sendable

Format = Literal["parquet", "arrow", "raw"]


def push(
    address: Address,
    repo_id: str,
    *,
    format: Format = "parquet",  # noqa: A002 - the word for it
    split: str | Sequence[str] | None = None,
    splits: str | os.PathLike[str] | None = None,
    preview: bool = True,
    script: bool = True,
    trust_links: bool = False,
    storage_options: dict[str, Any] | None = None,
    revision: str | None = None,
    token: str | None = None,
    private: bool | None = None,
    message: str | None = None,
    dry_run: bool = False,
    cache_dir: str | None = None,
    **selection: Unpack[SelectionArguments],
) -> PushResult:
    """Publish a collection on the Hub, so that plain `datasets.load_dataset(repo_id)` reads it.

    Called again, it goes on where it was broken off, and changes nothing where all is there.

    Args:
        address: of the collection. A revision of a Hub repository is named in it: `hf://datasets/user/repo@v1`.
        repo_id: `user/repo`, made where it is not there.
        format: `"parquet"`; `"arrow"`, Arrow IPC files, larger and read without decoding; or `"raw"`, the files of the
            collection as they are, thousands of small ones packed into containers, which this package reads.
        split: names of splits. Default: all.
        splits: a folder that `resplit` wrote, whose splits take the place of the collection's own; not with `"raw"`.
        preview: whether to draw a small picture of each sample, for viewers, as the config `preview`; needs Pillow.
        script: whether to put a script for `datasets` before 4 on a branch of its own: `load_dataset(repo_id,
            revision="script", trust_remote_code=True)` reads this push there, where this package is installed. That
            branch is `script-x` where a branch x is pushed to. Names with a dot have none: `datasets` cannot import it.
        trust_links: follow links of the collection that are otherwise refused.
        storage_options: for the fsspec filesystem of the address.
        revision: the branch to push to, made from `main` where it is not there. Default: `main`.
        token: with write permission; also reads a private `address`. Default: HF_TOKEN, or that of a login.
        private: whether a repository that is made is private. Default: as the owner has set it.
        message: of the commit.
        dry_run: only look at what is there, and say what would go up, and what the push will lack.
        cache_dir: where files are made, two at a time, and where is noted what is up, in place of the platform's cache
            folder of the user.
        **selection: `bands`, `target`, `filter`, `bbox`, `intersects`, `datetime`, `limit`, `types`, `scale`, `crop`,
            `normalize`, as in `mlstac_hf.load`; what they leave is published. Not with `"raw"`.

    Returns:
        What went up, or would; `print` it.

    Raises:
        ValueError: an argument that means nothing, files that the Hub does not take, or a branch `script` that is not
            ours.
        FileExistsError: the repository holds files that no push brought, where a push keeps its own.
        SampleError: a sample that cannot be read.
        SchemaMismatchError: samples differ in dtype or tensors.
        StoreError: the Hub refuses, or went on failing. The message says what is up.
        MissingExtraError: a package is not installed; the message names all that this push needs, and the line to type.
            A dry run needs `datasets` and `huggingface_hub`.

    Example:
        >>> print(push(demo, "user/demo", dry_run=True))  # doctest: +SKIP
    """
    if format not in get_args(Format):
        raise ValueError(f"expected format to be one of {', '.join(get_args(Format))}, got {format!r}")
    check_folder(cache_dir, "cache_dir")
    token = sendable(token)
    to = Target(repo_id=repo_id, revision=revision, token=token, private=private, message=message or MESSAGE)
    chosen = selection_of(selection, "push")
    if format == "raw" and chosen != Selection():
        raise ValueError(f'format="raw" publishes files as they are, got {", ".join(selection)}; use "parquet"')
    check_extras(preview=preview, dry_run=dry_run)
    from mlstac_hf._push import _contents

    collection = open_collection(
        address, token=token, storage_options=storage_options, trust_links=trust_links, splits=splits
    )
    names = list(collection.splits) if split is None else [split] if isinstance(split, str) else list(split)
    work = work_folder(to.host, repo_id, to.branch, None if cache_dir is None else Path(cache_dir).expanduser())
    branch = script_branch(to) if script else None
    scripts = None if branch is None else ScriptBranch(to, branch)
    if format == "raw":
        contents = _contents.raw(collection, names, repo_id, base_of(to), work, preview=preview, script=branch)
    else:
        sources = {name: select(collection, name, chosen, cache_dir=cache_dir) for name in names}
        contents = _contents.tables(collection, sources, format, repo_id, preview=preview, script=branch)
    result = upload(
        contents.files,
        contents.describing,
        to,
        work=work,
        owned=contents.owned,
        is_ours=_contents.is_ours,
        dry_run=dry_run,
    )
    if dry_run:
        lacking = (lacking_for_real(preview=preview), lacking_token(to))
        result = replace(result, lacking=tuple(filter(None, lacking)))
    if scripts is None:
        return result
    try:
        return replace(result, script=scripts.bring(dry_run=dry_run))
    except StoreError as error:
        text = str(error).rstrip(".")
        raise StoreError(f"{text}. All is up but the script. Calling push again brings it") from None
