"""A dataset repository of the local Hub: commits, branches, and files as git and LFS keep them. In memory."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_LFS_SUFFIXES = (".arrow", ".bin", ".gz", ".h5", ".jpg", ".mlstac", ".npy", ".parquet", ".png", ".safetensors", ".zip")
_LFS_FROM = 10 << 20  # bytes; the Hub takes no more into git
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Blob:
    """The content of a file."""

    data: bytes = field(repr=False)
    is_lfs: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        """What git holds, and `/raw/` serves, of a file that lies in LFS."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n"
        ).encode()

    @cached_property
    def oid(self) -> str:
        """Of what git holds."""
        held = self.pointer if self.is_lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.oid


def wants_lfs(path: str, nbytes: int, sample: bytes) -> bool:
    """Where the Hub puts a file: text goes to git, all else to LFS."""
    return nbytes > 0 and (path.endswith(_LFS_SUFFIXES) or nbytes >= _LFS_FROM or b"\0" in sample)


@dataclass(frozen=True)
class Commit:
    """All files at one moment."""

    oid: str
    files: Mapping[str, Blob] = field(repr=False)
    title: str
    parent: Commit | None = field(repr=False)

    def history(self) -> Iterator[Commit]:
        """This commit and those before it."""
        commit: Commit | None = self
        while commit is not None:
            yield commit
            commit = commit.parent

    def facts(self) -> dict[str, Any]:
        return {"id": self.oid, "title": self.title, "date": "2026-01-01T00:00:00.000Z"}

    def folder(self, path: str, *, recursive: bool) -> list[dict[str, Any]] | None:
        """What the tree call says of a folder; None where there is none."""
        start = f"{path}/" if path else ""
        within = [name for name in self.files if name.startswith(start)]
        if path and not within:
            return None
        folders = {"/".join(parts[:n]) for name in within for parts in [name.split("/")] for n in range(1, len(parts))}
        shown = sorted({*within, *(folder for folder in folders if folder.startswith(start))})
        return [self.entry(name) for name in shown if recursive or "/" not in name.removeprefix(start)]

    def entry(self, path: str) -> dict[str, Any]:
        """What the tree and paths-info calls say of one file or folder that is there."""
        blob = self.files.get(path)
        if blob is None:
            oid = hashlib.sha1(f"{self.oid}{path}".encode()).hexdigest()
            return {"type": "directory", "oid": oid, "size": 0, "path": path, "lastCommit": self.facts()}
        facts = {"type": "file", "oid": blob.oid, "size": len(blob.data), "path": path, "lastCommit": self.facts()}
        lfs = {"oid": blob.sha256, "size": len(blob.data), "pointerSize": len(blob.pointer)}
        return facts | ({"lfs": lfs} if blob.is_lfs else {})

    def has_folder(self, path: str) -> bool:
        return any(name.startswith(f"{path}/") for name in self.files)


_numbers = itertools.count()


@dataclass
class Repository:
    """One repository. Its owner is the first part of its id."""

    id: str
    private: bool = False
    gated: bool = False
    readers: set[str] = field(default_factory=set)
    """Users who may read it besides its owner, where it is private or gated."""
    branches: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, Commit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"}, title="initial commit")

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, tag or hash names."""
        named = self.branches.get(revision) or self.tags.get(revision)
        if named is not None or not _COMMIT.fullmatch(revision):
            return named
        every = (commit for branch in (*self.branches.values(), *self.tags.values()) for commit in branch.history())
        return next((commit for commit in every if commit.oid == revision), None)

    def commit(self, branch: str, files: Mapping[str, bytes | Blob | None], *, title: str = "push") -> Commit:
        """Put files on a branch; None takes one away, a name that ends in a slash a folder."""
        parent = self.branches.get(branch)
        now = dict(parent.files) if parent else {}
        for path, content in files.items():
            if content is None:
                now = {
                    name: blob
                    for name, blob in now.items()
                    if name != path and not (path[-1] == "/" and name.startswith(path))
                }
            elif isinstance(content, Blob):
                now[path] = content
            else:
                now[path] = Blob(content, is_lfs=wants_lfs(path, len(content), content[:512]))
        text = f"{self.id} {next(_numbers)} {branch} {title}"
        self.branches[branch] = Commit(hashlib.sha1(text.encode()).hexdigest(), now, title, parent)
        return self.branches[branch]
