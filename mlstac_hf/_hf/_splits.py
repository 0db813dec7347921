"""Splits as users of `datasets` write them.

Owns: the grammar, and putting together what was asked for. Leaves to others: the datasets of single splits
(`_load_dataset`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import datasets

from mlstac_hf._errors import UnknownNameError

_PART = re.compile(r"([\w-]+)\s*(\[[^\]]*\]\s*(?:\([^)]*\))?)?", re.ASCII)
_ALL = "all"


def names_of(split: Any, known: Sequence[str]) -> list[str]:
    """The splits a request touches, each once, in order.

    Args:
        split: None or `"all"` for every one, a spec such as `"train[:10%]+test"`, or a list of such.
        known: the splits there are.

    Raises:
        UnknownNameError: one that is not among them.
        ValueError: the spec cannot be read.
    """
    if split is None or str(split) == _ALL:
        return list(known)
    if isinstance(split, list | tuple):
        if not split:
            raise ValueError('expected splits such as "train" or ["train", "test"], got an empty list')
        return list(dict.fromkeys(name for one in split for name in names_of(one, known)))
    names = list(dict.fromkeys(name for name, _ in _parts(split)))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownNameError(f"expected splits among {', '.join(known) or '(none)'}, got {', '.join(unknown)}")
    return names


def is_joined(split: Any) -> bool:
    """Whether several splits are to become one dataset, which takes one schema."""
    if isinstance(split, list | tuple):
        return any(is_joined(one) for one in split)
    return split is not None and (str(split) == _ALL or len(_parts(split)) > 1)


def choose(split: Any, names: Iterable[str], dataset: Callable[[str, str], Any], *, streaming: bool) -> Any:
    """What was asked for.

    Args:
        split: see `names_of`.
        names: the splits that are ready.
        dataset: gives a split by its name and its part of the spec, such as `train[:10%]`.
        streaming: whether those are streams.
    """
    if split is None:
        kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
        return kind({name: dataset(name, name) for name in names})
    if isinstance(split, list | tuple):
        return [choose(one, names, dataset, streaming=streaming) for one in split]
    parts = [(name, name) for name in names] if str(split) == _ALL else _parts(split)
    found = [dataset(name, part) for name, part in parts]
    return found[0] if len(found) == 1 else datasets.concatenate_datasets(found)


def _parts(split: Any) -> list[tuple[str, str]]:
    """The names in a spec, each with its part, which `datasets` understands by itself."""
    parts = []
    for part in map(str.strip, str(split).split("+")):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(
                f'expected a split such as "train", "train[:10%]" or "train+validation", got {str(split)!r}'
            )
        parts.append((match[1], part))
    return parts
