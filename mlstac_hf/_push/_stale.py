"""What of a repository a push takes away.

Owns: that it is of an earlier push. Leaves to others: taking it away (`_upload`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mlstac_hf._push._manifest import Content
from mlstac_hf._push._planned import PlannedFile
from mlstac_hf._push._repository import Repository

CARD = "README.md"
UNFINISHED = b"""---
viewer: false
configs:
- config_name: default
  data_files:
  - split: train
    path: this-push-is-not-finished-yet/*
---
This dataset is being uploaded. What is here so far is not all of it.
"""
"""The card while the first files of a large push go up."""


def check_ours(
    repository: Repository, owned: Sequence[str], known: Mapping[str, Content], is_ours: Callable[[str], bool]
) -> None:
    """Refuse to delete what somebody else put there.

    Args:
        repository: as it was listed.
        owned: how the paths begin under which a push deletes.
        known: what pushes from this machine brought.
        is_ours: whether a card is that of a push.

    Raises:
        FileExistsError: there is such a file.
    """
    brought = [*known.values()]
    foreign = [
        path
        for path in repository.files
        if path.startswith(tuple(owned)) and not any(repository.holds(path, content) for content in brought)
    ]
    if not foreign:
        return
    card = repository.read(CARD)
    if card is None or (card != UNFINISHED and not is_ours(card.decode(errors="replace"))):
        raise FileExistsError(
            f"{repository.url} holds {len(foreign)} files that no push brought there, such as {foreign[0]}, where a "
            f"push keeps its own ({', '.join(owned)}) and deletes what is no part of it. Remove or move them, or push "
            "to another repository. Nothing was changed"
        )


def stale(files: Sequence[PlannedFile], repository: Repository, owned: Sequence[str]) -> list[str]:
    """What is there of an earlier push, and no part of this one."""
    planned = {file.path for file in files}
    return [
        path
        for path in repository.files
        if path not in planned
        and (path.startswith(tuple(owned)) or (path == CARD and repository.holds(CARD, Content.of(UNFINISHED))))
    ]
