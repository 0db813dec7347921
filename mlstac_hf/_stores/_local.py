"""Files on this machine's disk, below one folder.

Owns: paths that stay inside, whatever `..` and symbolic links say. Leaves to others: what is in the files.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlstac_hf._errors import LinkRefusedError, MLSTACError, StoreError
from mlstac_hf._stores._store import Entry, check_relative, parts_of
from mlstac_hf._stores._whole import putting, write_all

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # or a pipe would keep us waiting


class LocalStore:
    """A folder.

    Args:
        root: the folder that holds `main.json`.
        trust_links: follow symbolic links that leave the folder.
        shown: what to call it in messages, where that is not the folder.
    """

    def __init__(self, root: str | os.PathLike[str], *, trust_links: bool = False, shown: str | None = None) -> None:
        self.root = os.path.abspath(os.fspath(root))
        self._shown = shown or self.root
        self._trust_links = trust_links
        self._homes = _homes(self.root)
        self._checked: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"LocalStore({self.root!r})"

    @property
    def url(self) -> str:
        return self._shown

    def locate(self, path: str) -> str:
        """The absolute path. Its folder is checked to lie inside, once; the file itself is not."""
        folder, _, name = path.rpartition("/")
        home = self._checked.get(folder)
        if home is None:
            home = os.path.join(self.root, check_relative(folder)) if folder else self.root
            self._check_inside(home)
            self._checked[folder] = home
        if name == ".." or "\\" in name or "\0" in name:
            check_relative(name)
        return f"{home}/{name}"

    def open_local(self, path: str) -> int:
        """A descriptor of the file.

        Raises:
            FileNotFoundError: it is not there.
            LinkRefusedError: the path, or a symbolic link on it, leads out of the folder.
            StoreError: it cannot be opened.
        """
        full = self.locate(path)
        try:
            try:
                descriptor = os.open(full, _FLAGS | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                self._check_inside(full)
                descriptor = os.open(full, _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except LinkRefusedError:
            raise
        except OSError as error:
            raise _failed("open", self.root, path, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise StoreError(f"could not open {full}: expected a file, found a folder, pipe or device")
        return descriptor

    def _check_inside(self, path: str) -> None:
        if self._trust_links:
            return
        real = os.path.realpath(path)
        if not any(os.path.commonpath([real, home]) == home for home in self._homes):
            raise LinkRefusedError(
                f"{path} is a symbolic link to {real}, which lies outside the collection in {self.root}. "
                "If you trust it, pass trust_links=True."
            )

    def read(self, path: str) -> bytes:
        return self.read_range(path, 0, None)

    def fetch(self, path: str) -> bytes:
        return self.read(path)

    def read_range(self, path: str, start: int, stop: int | None) -> bytes:
        descriptor = self.open_local(path)
        try:
            with open(descriptor, "rb", closefd=False) as file:
                file.seek(start)
                return file.read(-1 if stop is None else max(0, stop - start))
        except OSError as error:
            raise _failed("read", self.root, path, error) from error
        finally:
            os.close(descriptor)

    def fetch_parts(self, path: str, parts: Sequence[range]) -> list[memoryview]:
        return parts_of(self.read_range(path, parts[0].start, parts[-1].stop), parts)

    def stat(self, path: str) -> Entry:
        descriptor = self.open_local(path)
        try:
            return _entry(path.rpartition("/")[2], os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def list(self, path: str) -> list[Entry]:
        entries = []
        for item in self._files(path):
            try:
                entries.append(_entry(item.name, item.stat()))
            except OSError:  # gone meanwhile
                continue
        return entries

    def names(self, path: str) -> set[str]:
        """The names of the files that `list` lists; their sizes are not asked for."""
        return {item.name for item in self._files(path)}

    def _files(self, path: str) -> Iterator[os.DirEntry[str]]:
        folder = self.locate(path)
        self._check_inside(folder)
        try:
            with os.scandir(folder) as items:
                for item in items:
                    try:
                        is_file = item.is_file()
                    except OSError:  # gone meanwhile, or a link to nowhere
                        continue
                    if is_file:
                        yield item
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except OSError as error:
            raise _failed("list", self.root, path, error) from error

    def put(self, path: str, data: bytes | memoryview) -> None:
        self.put_parts(path, (data,))

    def put_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> None:
        with self.failing_as("write", path), putting(self.locate(path)) as (handle, _):
            write_all(handle, parts)

    @contextmanager
    def filling(self, path: str) -> Iterator[str]:
        with self.failing_as("write", path), putting(self.locate(path)) as (_, temporary):
            yield temporary

    @contextmanager
    def failing_as(self, verb: str, path: str) -> Iterator[None]:
        """What the system says of a file of this folder, as an error of ours."""
        try:
            yield
        except OSError as error:
            if isinstance(error, MLSTACError):
                raise
            raise _failed(verb, self.root, path, error) from error

    def remove(self, path: str) -> None:
        target = self.locate(path)
        try:
            os.unlink(target)
        except FileNotFoundError:
            raise FileNotFoundError(path) from None
        except OSError as error:
            raise _failed("remove", self.root, path, error) from error


def _entry(name: str, status: os.stat_result) -> Entry:
    # ctime changes with every write and cannot be set back, so a file edited in place and dressed in
    # its old times is still seen to be another.
    version = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
    return Entry(name=name, nbytes=status.st_size, version=version)


def _homes(root: str) -> list[str]:
    """The real folders a path may end up in: the root, and the blobs of a Hugging Face cache it lies in."""
    real = Path(os.path.realpath(root))
    blobs = [parent.parent / "blobs" for parent in real.parents if parent.name == "snapshots"]
    return [str(real), *(str(folder) for folder in blobs if folder.is_dir())]


def _failed(verb: str, root: str, path: str, error: OSError) -> StoreError:
    return StoreError(f"could not {verb} {os.path.join(root, path)}: {error.strerror or error}")
