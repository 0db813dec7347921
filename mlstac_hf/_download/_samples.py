"""The sample layout: files as they are published, numbered without gaps.

Owns: their numbers, an id for those that would lose theirs with their name, `SHA256SUMS`. Leaves to others: fetching
(`_fetch`).
"""

from __future__ import annotations

import hashlib
import io
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from mlstac_hf._download._digests import digest_of, sha256_of
from mlstac_hf._download._planned import Faults, Landed, PlannedFile
from mlstac_hf._download._staging import Staging
from mlstac_hf._errors import CorruptSampleError, StoreError, warn
from mlstac_hf._formats import PREFIX, HeaderError, Inflater, header_length, parse_header
from mlstac_hf._formats._saving import with_metadata
from mlstac_hf._reading._file import open_descriptor
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._index import state_of
from mlstac_hf._spec import SUFFIXES, SUMS, Catalog, encode_name, parse_sums, split_suffix, sums_bytes
from mlstac_hf._write._packed import compress


class SamplesPlan:
    """One split of sample files.

    Args:
        source: the split as it lies.
        indices: of the samples that were asked for, in order.
        catalog: what the collection declares of the split.
        checksums: of `main.json`; empty where the split does not lie beside it.
        digest: of `main.json`.
    """

    def __init__(
        self,
        source: SampleFolder,
        indices: Sequence[int],
        catalog: Catalog,
        checksums: Mapping[str, str],
        digest: str,
    ) -> None:
        self.split, self.count = source.split, len(indices)
        self.n_files = self.count
        self.state = state_of(source, digest)
        self._source, self._indices, self._catalog = source, indices, catalog
        self._checksums = checksums
        self._sums: dict[str, str] = {}
        self._sums_data = self._read_sums() if self.count else None

    def _read_sums(self) -> bytes | None:
        """`SHA256SUMS` of the split, where there is one that can be read."""
        path, name = f"{self._source.prefix}{SUMS}", f"{self.split}/{SUMS}"
        try:
            data = self._source.store.read(path)
            said = self._checksums.get(name, "").lower()
            if said and said != f"sha256:{hashlib.sha256(data).hexdigest()}":
                raise CorruptSampleError(
                    f"{self._source.store.url.rstrip('/')}/{path}: expected bytes of {said[:80]}, which main.json "
                    "names, found others. The collection was changed without its checksums"
                )
            self._sums = parse_sums(data)
        except FileNotFoundError:
            return None
        except ValueError as error:
            if isinstance(error, CorruptSampleError):
                raise
            warn(f"{name} is left out: {error}")
            return None
        return data

    @property
    def nbytes(self) -> int | None:
        """See `SplitPlan`."""
        if self.count and not self._source.versions:
            return None
        return sum(self._source.nbytes(index) or 0 for index in self._indices)

    @property
    def about(self) -> int | None:
        """See `SplitPlan`."""
        typical = self._source.typical_nbytes
        return self.nbytes if typical is None else typical * self.count

    def place(self, key: int) -> str:
        """See `SplitPlan`."""
        return self._source.place(self._indices[key])

    def faults(self) -> Faults:
        """See `SplitPlan`: nothing is known before files are read."""
        return {}

    def files(self, skipped: Mapping[int, str]) -> Iterator[PlannedFile]:
        """See `SplitPlan`."""
        source = self._source
        for key in range(self.count):
            if key in skipped:
                continue
            names = source.candidates(self._indices[key])
            yield PlannedFile(
                keys=(key,),
                place=self.place(key),
                store=source.store,
                ways=[(source.prefix + name, self._path(key, name)) for name in names],
                nbytes=source.nbytes(self._indices[key]),
                digest=self._digest(names[0]) if len(names) == 1 else None,
                check=partial(self._check, names),
            )

    def _path(self, key: int, name: str) -> str:
        """Where a sample is brought: by its number in the selection, since some may yet be left out."""
        parts = split_suffix(name)
        return f"{self.split}/{encode_name(key)}{parts[1] if parts else SUFFIXES[0]}"

    def _digest(self, name: str) -> str | None:
        if name in self._sums:
            return f"sha256:{self._sums[name]}"
        return digest_of(self._source.store, self._source.prefix + name, self._checksums, f"{self.split}/{name}")

    def _check(self, names: Sequence[str], path: Path) -> Faults:
        """The checksum of a file whose suffix was not known, else its header."""
        name = next((name for name in names if name.endswith("".join(path.suffixes))), names[0])
        if name in self._sums:
            if sha256_of(path) != self._sums[name]:
                raise HeaderError(f"expected bytes of sha256:{self._sums[name]}, found others")
            return {}
        descriptor = os.open(path, os.O_RDONLY)
        try:
            open_descriptor(descriptor, compressed=name.endswith(".gz"))
        finally:
            os.close(descriptor)
        return {}

    def final(self, file: PlannedFile, path: str, skipped: Sequence[int]) -> tuple[str, int | None]:
        """See `SplitPlan`: numbers without gaps. Who gets another one may be given an id, and be longer then."""
        key = file.keys[0]
        number = key - bisect_left(skipped, key)
        is_renamed = self._source.name(self._indices[key]) != encode_name(number)
        return self._path(number, path), None if is_renamed else file.nbytes

    def beside(self) -> Sequence[str]:
        """See `SplitPlan`."""
        return () if self._sums_data is None else (f"{self.split}/{SUMS}",)

    def land(self, staging: Staging, skipped: Mapping[int, str]) -> Landed:
        """See `SplitPlan`."""
        put = self._put(staging, [key for key in range(self.count) if key not in skipped])
        is_whole = len(put) == len(self._source) and all(is_as_published for _, _, is_as_published in put)
        checksums = dict(self._checksums) if is_whole else {}
        own = f"{self.split}/{SUMS}"
        if self._sums_data is not None and put:
            digests = ((name, digest or sha256_of(staging.place(f"{self.split}/{name}"))) for name, digest, _ in put)
            data = self._sums_data if is_whole else sums_bytes(digests)
            staging.store.put(own, data)
            if own in self._checksums:
                checksums[own] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        files = [f"{self.split}/{name}" for name, _, _ in put]
        there = {own, *files}
        catalog = self._catalog
        if not is_whole or catalog.n_items != len(put):
            catalog = catalog.model_copy(update={"n_items": len(put), "misstated": None})
        if not is_whole:
            catalog = catalog.model_copy(update={"link": f"{self.split}/"})
        return Landed(
            catalog=catalog,
            count=len(put),
            checksums={path: said for path, said in checksums.items() if path in there},
            files=files,
            is_whole=is_whole,
        )

    def _put(self, staging: Staging, keys: Sequence[int]) -> list[tuple[str, str | None, bool]]:
        """Put samples in place: name, checksum where it is known, whether name and bytes are the published ones."""
        brought, landed = (staging.sizes(self.split, landed=there) for there in (False, True))
        put: list[tuple[str, str | None, bool]] = []
        for number, key in enumerate(keys):
            was, stem, staged = self._source.name(self._indices[key]), encode_name(number), encode_name(key)
            suffix = next((suffix for suffix in SUFFIXES if staged + suffix in brought), None)
            if suffix is not None:
                path = f"{self.split}/{staged}{suffix}"
                renamed = was != stem and self._named(staging, path, was)
                staging.move(path, f"{self.split}/{stem}{suffix}")
                put.append((stem + suffix, None if renamed else self._sums.get(was + suffix), was == stem))
                continue
            suffix = next((suffix for suffix in SUFFIXES if stem + suffix in landed), None)
            if suffix is None:
                raise StoreError(f"{staging.place(f'{self.split}/{stem}')}{SUFFIXES[0]} is gone; call download again")
            put.append((stem + suffix, None, was == stem))
        return put

    def _named(self, staging: Staging, path: str, name: str) -> bool:
        """Give a sample whose id was its name that id as metadata; whether it had none."""
        where, compressed = staging.whole(path), path.endswith(".gz")
        descriptor = os.open(where, os.O_RDONLY)
        try:
            if open_descriptor(descriptor, compressed=compressed).header.metadata.get("id"):
                return False
        except HeaderError as error:  # as published: its checksum is right
            warn(f"{self.split}/{name}: {error}")
            return False
        finally:
            os.close(descriptor)
        data = where.read_bytes()
        if compressed:
            data = _inflated(data)
        named = with_metadata(data, header_length(data), {"id": name})
        staging.store.put(f"{where.relative_to(staging.root)}", compress(named) if compressed else named)
        return True


def _inflated(data: bytes) -> bytes:
    stream = Inflater(io.BytesIO(data))
    prefix = stream.read(PREFIX)
    text = stream.read(header_length(prefix))
    rest = stream.read(parse_header(text).nbytes - PREFIX - len(text))
    stream.finish()
    return prefix + text + rest
