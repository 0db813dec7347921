"""A file that is to be brought: where from, where to, and how to tell that it is whole.

Owns: the seam between the layouts (`_samples`, `_containers`, `_shards`) and those who fetch (`_fetch`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlstac_hf._errors import MLSTACError
from mlstac_hf._spec import Catalog
from mlstac_hf._stores import Store

if TYPE_CHECKING:
    from mlstac_hf._download._staging import Staging

Faults = Mapping[int, MLSTACError]
"""What is wrong with samples, by their number in the selection of their split."""


def _no_faults(path: Path) -> Faults:  # noqa: ARG001 - what is called has the path
    return {}


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedFile:
    """One file to bring."""

    keys: Sequence[int]
    """Of the samples in it: their numbers in the selection of their split."""
    place: str
    """What to call it in a message."""
    store: Store = field(repr=False)
    ways: Sequence[tuple[str, str]]
    """Path in the store and path at the destination; of several the first that is there."""
    nbytes: int | None
    """Of what will lie at the destination; None where nobody says."""
    digest: str | None = None
    """`sha256:…`, or `git:…` as the Hub has it of small files; None where nobody says."""
    head: bytes = field(default=b"", repr=False)
    """Bytes of our own that the file begins with."""
    runs: Sequence[tuple[int, int]] | None = None
    """Which bytes of the published file follow, start and stop; None is the file as it is."""
    check: Callable[[Path], Faults] = field(default=_no_faults, repr=False)
    """Looks at a file that was brought. A HeaderError is a fault of all its samples."""
    drop: Callable[[Path, Faults], None] | None = field(default=None, repr=False)
    """Takes some samples out of a file that was brought; None where a file is one sample, or all are lost with it."""


@dataclass(frozen=True, kw_only=True)
class Landed:
    """A split whose files are in place."""

    catalog: Catalog
    """As `main.json` is to have it."""
    count: int
    checksums: Mapping[str, str]
    """`sha256:<hex>` by path, of files that have one."""
    files: Sequence[str]
    """Paths of the files that hold samples."""
    is_whole: bool
    """Whether these are the files of the split as published, all of them."""


class SplitPlan(Protocol):
    """One split, in the layout it lies in."""

    @property
    def split(self) -> str:
        """Its name."""

    @property
    def count(self) -> int:
        """Samples that were asked for."""

    @property
    def n_files(self) -> int:
        """That hold them."""

    @property
    def nbytes(self) -> int | None:
        """Of these files; None where nobody says."""

    @property
    def about(self) -> int | None:
        """The same, or a guess; None where there is none."""

    @property
    def state(self) -> str:
        """Changes when the published samples do."""

    def place(self, key: int) -> str:
        """What to call a sample in a message."""

    def faults(self) -> Faults:
        """What is known to be wrong before a file is fetched."""

    def files(self, skipped: Mapping[int, str]) -> Iterator[PlannedFile]:
        """The files to bring, without the samples `skipped`."""

    def final(self, file: PlannedFile, path: str, skipped: Sequence[int], /) -> tuple[str, int | None]:
        """Where a file of `ways` will lie in the end, and its size there, if that is known; `skipped` are in order."""

    def beside(self) -> Sequence[str]:
        """Paths of what `land` puts beside the samples, where there is something to put."""

    def land(self, staging: Staging, skipped: Mapping[int, str]) -> Landed:
        """Move what was brought to where it will lie; what lies there already stays."""
