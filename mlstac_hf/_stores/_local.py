"""Files on this machine's disk, below one folder.

Owns: paths that stay inside, whatever `..` and symbolic links say. Leaves to others: what is in the files.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlstac_hf._errors import LinkRefusedError, StoreError
from mlstac_hf._stores._store import Entry, check_relative


class LocalStore:
    """A folder.

    Args:
        root: the folder that holds `main.json`.
        trust_links: follow symbolic links that leave the folder.
    """

    def __init__(self, root: str | os.PathLike[str], *, trust_links: bool = False) -> None:
        self.root = os.path.abspath(os.fspath(root))
        self._trust_links = trust_links
        self._homes = _homes(self.root)
        self._checked: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"LocalStore({self.root!r})"

    @property
    def url(self) -> str:
        return self.root

    def local_path(self, path: str) -> str:
        """The absolute path, checked to lie inside.

        Raises:
            LinkRefusedError: the path, or a symbolic link on it, leads out of the folder.
        """
        folder, _, name = path.rpartition("/")
        home = self._checked.get(folder)
        if home is None:
            home = os.path.join(self.root, check_relative(folder)) if folder else self.root
            self._check_inside(home)
            self._checked[folder] = home
        check_relative(name)
        full = os.path.join(home, name)
        if os.path.islink(full):
            self._check_inside(full)
        return full

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
        try:
            return Path(self.local_path(path)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except OSError as error:
            raise _failed("read", path, error) from error

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        try:
            with open(self.local_path(path), "rb") as file:
                file.seek(start)
                return file.read(stop - start)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except OSError as error:
            raise _failed("read", path, error) from error

    def stat(self, path: str) -> Entry:
        try:
            status = os.stat(self.local_path(path))
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        return _entry(path.rpartition("/")[2], status)

    def list(self, path: str) -> list[Entry]:
        folder = self.local_path(path)
        self._check_inside(folder)
        entries = []
        try:
            with os.scandir(folder) as items:
                for item in items:
                    try:
                        if item.is_file():
                            entries.append(_entry(item.name, item.stat()))
                    except OSError:  # gone meanwhile, or a link to nowhere
                        continue
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except OSError as error:
            raise _failed("list", path, error) from error
        return entries

    def put(self, path: str, data: bytes) -> None:
        target = self.local_path(path)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=os.path.dirname(target))
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, target)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            raise _failed("write", path, error) from error


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


def _failed(verb: str, path: str, error: OSError) -> StoreError:
    return StoreError(f"could not {verb} {path}: {error.strerror or error}")
