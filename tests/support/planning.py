"""Files to push, made for tests: which were made, when, and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mlstac_hf._push._planned import PlannedFile, StoredFile


@dataclass
class Plan:
    """Contents by path, as planned files that note when they are made."""

    contents: Mapping[str, bytes]
    made: list[str] = field(default_factory=list)
    on_disk: list[int] = field(default_factory=list)
    """How many other files of the push were on disk when one was made."""

    @property
    def files(self) -> list[PlannedFile]:
        return [self.file(path, data) for path, data in self.contents.items()]

    def file(self, path: str, data: bytes) -> PlannedFile:
        def make(local: Path) -> None:
            assert not local.exists()
            self.on_disk.append(len(list(local.parent.iterdir())))
            self.made.append(path)
            local.write_bytes(data)

        return PlannedFile(path=path, key=sha256(b"from" + data).hexdigest(), nbytes=len(data), make=make)

    def last(self, stored: Mapping[str, StoredFile], card: str | None = None) -> Sequence[PlannedFile]:
        """A card and main.json that say what went up."""
        lines = "".join(f"{file.path} {file.sha256} {file.nbytes}\n" for file in stored.values())
        card = f"---\nlicense: cc0-1.0\n---\n{lines}".encode()
        return [self.file("README.md", card), self.file("main.json", f'"{lines!r}"'.encode())]


def shards(count: int, seed: int = 0, nbytes: int = 1000) -> Plan:
    """Shards that go to LFS, and two small texts that do not."""
    contents = {
        f"data/train-{number:05d}-of-{count:05d}.parquet": f"{seed} {number} ".encode().ljust(nbytes, b"\0")
        for number in range(count)
    }
    return Plan({**contents, "metadata/about.txt": f"about {seed}".encode(), "metadata/note.txt": b"note"})
