"""What a format is to `convert()`, and what a format is asked.

Owns: the seam between the call and the formats, one module each. Leaves to others: which formats there are
(`_convert`), what they write (`_stac_geoparquet`, `_croissant`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from mlstac_hf._convert._destination import Destination
from mlstac_hf._errors import MissingExtraError
from mlstac_hf._reading import Selection, Source
from mlstac_hf._spec import Collection


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of `convert()`, checked, its splits open."""

    collection: Collection
    sources: Mapping[str, Source]
    """The samples asked for, by split."""
    skip: bool
    """Leave out samples that cannot be read, and tell which."""
    destination: Destination


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format."""

    name: str
    module: str
    """Of this room, imported when it is asked for; its `write(request)` says where what it wrote lies."""
    suffix: str
    """Of the files it writes."""
    one_file_a_split: bool
    """Else one file for all splits."""
    takes: frozenset[str] = field(default=frozenset())
    """The arguments of `Selection` that mean something to it."""
    takes_new_splits: bool = True
    """Whether splits that `resplit` made can be said in it."""
    packages: tuple[str, ...] = ()
    """What has to be installed."""
    extra: str = ""
    """The extra of this package that brings them."""

    def check(self, selection: Selection, *, new_splits: bool) -> None:
        """Refuse what means nothing to it, and say what is not installed.

        Raises:
            ValueError, MissingExtraError: as said.
        """
        plain = Selection()
        given = [name for name in vars(plain) if getattr(selection, name) != getattr(plain, name)]
        lost = [name for name in given if name not in self.takes]
        if new_splits and not self.takes_new_splits:
            lost.append("splits")
        if lost:
            takes = ", ".join(f"{name}=" for name in sorted(self.takes)) or "none of these"
            raise ValueError(
                f"format={self.name!r} says nothing of {' and '.join(f'{name}=' for name in lost)}: of the arguments "
                f"that choose samples, or what of them, it takes {takes}. Leave out what it does not take"
            )
        lacking = [package for package in self.packages if find_spec(package) is None]
        if lacking:
            raise MissingExtraError(
                f"format={self.name!r} needs {' and '.join(lacking)}, which {'are' if len(lacking) > 1 else 'is'} not "
                f"installed. Install with: pip install 'mlstac-hf[{self.extra}]'"
            )

    def write(self, request: Request) -> list[str]:
        """Write what was asked for; the files that were written."""
        return cast("list[str]", import_module(self.module).write(request))
