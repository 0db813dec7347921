"""One process at a time: a file that is locked as long as it is open."""

from __future__ import annotations

import os
from pathlib import Path

from mlstac_hf._errors import StoreError


def lock(descriptor: int, path: Path, busy: str) -> None:
    """Lock an open file, on systems and file systems that have locks.

    Args:
        descriptor: of the file; closed where it cannot be locked.
        path: of the file, for the message.
        busy: what another process does that holds it.

    Raises:
        StoreError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks here
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(f"{path}: another process {busy} now; wait for it to end") from None
    except OSError:  # a file system without locks
        return
