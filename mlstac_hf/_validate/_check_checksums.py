"""mlhf:checksums against the files, where bytes are read, and SHA256SUMS, which stands in it for a split's files.

Owns: which files are hashed. Leaves to others: reading them (`stores`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from tqdm.auto import tqdm

from mlstac_hf._errors import MLSTACError
from mlstac_hf._reading import origin_of
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._spec import SUMS, parse_sums
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
        self._files(self.collection.annotations.checksums or {}, "mlhf:checksums")

    def _files(self, checksums: Mapping[str, str], listing: str) -> None:
        store = origin_of(self.collection).store
        for path, said in tqdm(
            checksums.items(), desc="checksums", unit=" files", disable=None, delay=2, leave=False, total=len(checksums)
        ):
            place = Place(file=path, split=path.partition("/")[0] if "/" in path else None)
            try:
                self._file(store, path, said, place)
            except FileNotFoundError:
                self.say("E304", f"{listing} has it, and it is not there", place)
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
        source, listing = part.folder, "mlhf:checksums"
        if f"{source.prefix}{SUMS}" in checksums:
            listing = f"{source.prefix}{SUMS}"
            listed = self._listed(source, part)
            if listed is None:
                return
            self._files(listed, listing)
            checksums = {**checksums, **listed}
        bare = (
            [index for index in range(len(source)) if f"{source.prefix}{source.names[index]}" not in checksums]
            if source.versions
            else []
        )
        for index in bare:
            self.say("W305", f"{listing} has others, and not this one", part.place(index))

    def _listed(self, source: SampleFolder, part: Part) -> dict[str, str] | None:
        """Checksum by path of the files of a split, as `sha256sum` lists them; None where that cannot be read."""
        path = f"{source.prefix}{SUMS}"
        try:
            data = source.store.read(path)
        except (FileNotFoundError, MLSTACError):
            return None  # as told of the file itself
        try:
            return {f"{source.prefix}{name}": f"{_PREFIX}{digest}" for name, digest in parse_sums(data).items()}
        except ValueError:
            self.say("E303", "expected lines of a checksum, two blanks and a file's name", part.place(file=path))
            return None


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
