"""mlhf:checksums against the files, where bytes are read.

Owns: which files are hashed. Leaves to others: reading them (`stores`).
"""

from __future__ import annotations

import hashlib

from tqdm.auto import tqdm

from mlstac_hf._errors import MLSTACError
from mlstac_hf._reading import origin_of
from mlstac_hf._stores import Store
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._report import Place
from mlstac_hf._validate._scan import Part

_PIECE = 16 << 20
"""Bytes in memory at once."""
_PREFIX = "sha256:"


class ChecksumCheck(Check):
    """See the module."""

    name = "checksums"

    def begin(self) -> None:
        """Every file that has a checksum is hashed; without `deep`, asked for."""
        checksums = self.collection.annotations.checksums or {}
        store = origin_of(self.collection).store
        for path, said in tqdm(
            checksums.items(), desc="checksums", unit=" files", disable=None, delay=2, leave=False, total=len(checksums)
        ):
            place = Place(file=path, split=path.partition("/")[0] if "/" in path else None)
            try:
                self._file(store, path, said, place)
            except FileNotFoundError:
                self.say("E304", "mlhf:checksums has it, and it is not there", place)
            except MLSTACError as error:
                self.survey.findings.error(error, place)

    def _file(self, store: Store, path: str, said: str, place: Place) -> None:
        if not self.survey.deep:
            store.stat(path)
            return
        found = f"{_PREFIX}{digest_of(store, path)}"
        if found != said.lower():
            self.say("E303", f"expected {said[:80]}, found {found}", place)

    def split(self, part: Part) -> None:
        """Samples that were added later, and have no checksum."""
        checksums = self.collection.annotations.checksums
        if not checksums or part.folder is None:
            return
        source = part.folder
        bare = (
            [index for index in range(len(source)) if f"{source.prefix}{source.names[index]}" not in checksums]
            if source.versions
            else []
        )
        for index in bare:
            self.say("W305", "mlhf:checksums has others, and not this one", part.place(index))


def digest_of(store: Store, path: str) -> str:
    """SHA-256 of a file, read piece by piece.

    Raises:
        FileNotFoundError: it is not there.
        StoreError: the network or disk failed.
    """
    digest, start = hashlib.sha256(), 0
    while piece := store.read_range(path, start, start + _PIECE):
        digest.update(piece)
        start += len(piece)
        if len(piece) < _PIECE:
            break
    return digest.hexdigest()
