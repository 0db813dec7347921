"""Splits as declared against the files that are there: counts, gaps, strays, doubles, sizes.

Owns: which files there are. Leaves to others: what is in them (`_check_tensors`, `_check_table`).
"""

from __future__ import annotations

from collections import Counter

from mlstac_hf._errors import MLSTACError
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._spec import decode_name, encode_name, file_in, split_suffix
from mlstac_hf._stores import Entry
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._findings import MOST
from mlstac_hf._validate._scan import CONTAINER, TABLE, Part


def folder_of(source: ContainerFolder) -> str:
    """The folder of its containers in the store, without a slash at the end."""
    if source.rows:
        return source.rows[0].file.rpartition("/")[0]
    for folder in (source.split, f"{source.split}/mls", ""):
        try:
            entries = source.store.list(folder)
        except (FileNotFoundError, MLSTACError):
            continue
        if any(entry.name.endswith(CONTAINER) for entry in entries or ()):
            return folder
    return source.split


def inside(folder: str, name: str) -> str:
    """The path of a file in a folder of a store."""
    return f"{folder}/{name}".lstrip("/")


class FileCheck(Check):
    """See the module."""

    name = "files"

    def split(self, part: Part) -> None:
        """Files are looked at before any of them is opened."""
        if part.folder is not None and part.folder.versions:
            self._samples(part, part.folder)
        if part.containers is not None:
            self._containers(part, part.containers)
        self._count(part)

    def _count(self, part: Part) -> None:
        claimed, place = part.catalog.n_items, part.place(file="main.json")
        if part.catalog.misstated is not None:
            self.say("E203", f"expected a count, found {part.catalog.misstated}", place)
        elif claimed is None:
            if part.folder is not None:
                self.say("W209", f"expected n_items, found none; {len(part.source):,} samples are there", place)
        elif claimed != len(part.source):
            self.say("E204", f"main.json claims {claimed:,}, {len(part.source):,} are there", place)

    def _samples(self, part: Part, source: SampleFolder) -> None:
        found: Counter[int] = Counter()
        for entry in sorted(source.store.list(source.prefix.rstrip("/")) or (), key=lambda entry: entry.name):
            parts = split_suffix(entry.name)
            index = decode_name(parts[0]) if parts else None
            if index is not None:
                found[index] += 1
            elif parts:
                self.say(
                    "W206", "expected a name such as 0000001.safetensors", part.place(file=self._path(part, entry))
                )
        for index, count in found.items():
            if count > 1:
                self.say("W207", "a plain and a compressed file", part.place(file=f"{part.name}/{encode_name(index)}"))
        self._gaps(part, found)
        names = Counter(encode_name(index).lower() for index in found)
        alike = sum(count for count in names.values() if count > 1)
        if alike:
            self.say(
                "W208",
                f"{alike:,} of {len(found):,} samples; on disks of Windows and macOS only {len(names):,} of them stay",
                part.place(),
            )

    def _gaps(self, part: Part, found: Counter[int]) -> None:
        last = max(found, default=-1)
        missing = last + 1 - len(found)
        if not missing:
            return
        # of so many first numbers, no more than len(found) can be there
        first = [index for index in range(min(last, len(found) + MOST)) if index not in found][:MOST]
        for index in first:
            message = f"expected a file for each number up to {encode_name(last)}, found none for this one"
            self.say("E205", message, part.place(file=f"{part.name}/{encode_name(index)}"))
        self.survey.findings.more("E205", missing - len(first))

    def _path(self, part: Part, entry: Entry) -> str:
        return f"{part.name}/{entry.name}"

    def _containers(self, part: Part, source: ContainerFolder) -> None:
        folder = folder_of(source)
        try:
            entries = source.store.list(folder)
        except FileNotFoundError:
            entries = []
        if entries is None:  # it cannot be listed
            present = list(dict.fromkeys(file_in(row.file) for row in source.rows))
        else:
            present = sorted(entry.name for entry in entries if entry.name.endswith(CONTAINER))
        listed = {file_in(file.href): file.nbytes for file in part.catalog.data_files}
        for name in listed:
            if name not in present:
                self.say("E210", "main.json lists it, and it is not there", part.place(file=inside(folder, name)))
        for name in present:
            if listed and name not in listed:
                self.say("W211", "it is there, and main.json does not list it", part.place(file=inside(folder, name)))
        sizes = {name: nbytes for name, nbytes in listed.items() if name in present}
        claimed = getattr(part.catalog, "metadata_checksum", None)
        if source.table is not None:
            sizes[TABLE] = claimed if type(claimed) is int else None
        for name, nbytes in sizes.items():
            path = inside(folder, name)
            is_there = source.store.stat(path).nbytes if nbytes is not None else None
            if is_there is not None and is_there != nbytes:
                self.say("W212", f"main.json claims {nbytes:,} bytes, it has {is_there:,}", part.place(file=path))
