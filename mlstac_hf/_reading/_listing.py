"""Which files of a folder are samples, and in what order.

Owns: names, gaps, strays and doubles. Leaves to others: what is in the files (`_folder`), which folder it is (`_open`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlstac_hf._errors import warn
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._view import View
from mlstac_hf._spec import PLAIN, decode_name, encode_name, split_suffix
from mlstac_hf._stores import Entry, Store

_SHOWN = 5


class NumberedNames:
    """Sample names 0 to `count` - 1, made when asked for: a server's word costs no memory."""

    def __init__(self, count: int, suffix: str) -> None:
        self._count, self._suffix = count, suffix

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> str:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return encode_name(index) + self._suffix


def list_samples(
    split: str,
    store: Store,
    prefix: str,
    entries: Sequence[Entry],
    *,
    task: tuple[str, ...],
    claimed: int | str | None,
    view: View,
    types: Mapping[str, str],
) -> SampleFolder | None:
    """The samples among the files of a folder, in order; None where there are none.

    Stray files are passed over. A gap, two files for one sample, and a count other than `claimed` are
    warned of, once each.
    """
    found: dict[int, Entry] = {}
    strays, doubles = [], []
    for entry in entries:
        parts = split_suffix(entry.name)
        index = decode_name(parts[0]) if parts else None
        if index is None:
            strays += [entry.name] if parts else []
        elif index in found:  # plain beside compressed: the plain one is quicker
            doubles.append(encode_name(index))
            found[index] = min(entry, found[index], key=lambda item: not item.name.endswith(PLAIN))
        else:
            found[index] = entry
    if not found:
        return None
    folder = f"{store.url.rstrip('/')}/{prefix}"
    if strays:
        warn(f"{folder}: {_some(strays)} left out, as no sample is named so (expected names such as 0000001{PLAIN}).")
    if doubles:
        warn(f"{folder}: {_some(doubles)} exist both plain and compressed; the plain files are read.")
    gap = max(found) + 1 - len(found)
    if gap:
        missing = [encode_name(i) for i in range(min(max(found), len(found) + _SHOWN)) if i not in found]
        warn(f"{folder}: {gap} samples are missing: {_some(missing, gap)}. The others keep their ids.")
    if claimed is not None and claimed != len(found):
        warn(f"{folder}: main.json claims {claimed} samples, the folder holds {len(found)}; the folder decides.")
    ordered = [found[index] for index in sorted(found)]
    return SampleFolder(
        split=split,
        store=store,
        prefix=prefix,
        names=[entry.name for entry in ordered],
        task=task,
        view=view,
        types=types,
        versions={entry.name: entry for entry in ordered},
    )


def _some(names: Sequence[str], total: int | None = None) -> str:
    total = total or len(names)
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown if total <= _SHOWN else f"{shown} and {total - _SHOWN} more"
