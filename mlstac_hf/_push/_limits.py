"""What the Hub takes: paths, sizes, files in a folder.

Owns: these limits, checked before anything goes up. Leaves to others: making
files that fit (`_shards`, `_publication`).
https://huggingface.co/docs/hub/storage-limits
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from mlstac_hf._push._planned import PlannedFile

MAX_FILE_NBYTES = 5 * 10**9
MAX_ENTRIES = 9_999
"""Of a folder."""
MAX_COMMIT = 99
"""Files that one commit adds, replaces and deletes."""
_PATH = re.compile(r"(?!.*(?:^|/)(?:\.{1,2}|\.git|\.cache)(?:/|$))[^/\0\n]+(?:/[^/\0\n]+)*")


def check_limits(files: Sequence[PlannedFile], there: Iterable[str]) -> None:
    """Refuse what the Hub would refuse hours later.

    Args:
        files: to go up.
        there: paths that are in the repository and stay.

    Raises:
        ValueError: a path that is none, or occurs twice; a file or a folder that is too large.
    """
    paths = [file.path for file in files]
    wrong = next((path for path in paths if not _PATH.fullmatch(path)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is no path of a file in a repository: expected names with slashes between them")
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is planned twice")
    for file in files:
        check_size(file.path, file.nbytes)
    every = {*paths, *there}
    folders = {str(folder) for path in every for folder in PurePosixPath(path).parents}
    both = sorted(every & folders)
    if both:
        raise ValueError(f"{both[0]} would be a file and a folder")
    entries = Counter(str(PurePosixPath(path).parent) for path in (every | folders) - {"."})
    folder, count = max(entries.items(), key=lambda item: item[1], default=("", 0))
    if count > MAX_ENTRIES:
        raise ValueError(
            f"folder {folder!r} would have {count:,} entries, the Hub takes fewer than 10,000. Make larger shards, or "
            "remove what is no longer needed there"
        )


def check_size(path: str, nbytes: int) -> None:
    """Refuse a file that is too large.

    Raises:
        ValueError: it is.
    """
    if nbytes > MAX_FILE_NBYTES:
        raise ValueError(
            f"{path} would have {nbytes:,} bytes, the Hub takes files of up to {MAX_FILE_NBYTES:,}. Make smaller shards"
        )
