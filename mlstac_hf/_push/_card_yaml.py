"""The YAML at the head of a card: what the Hub and `datasets` read.

Owns: which keys are ours, how they meet those of a card that is there already. Leaves to others: the text
(`_card_text`).

`configs` and `dataset_info` are ours as far as they are of our configs (`default`, `metadata`, `preview`); those of
other names stay. What else we say (licence, tags, …) is noted in a comment of our section: a value that is no longer as
noted was changed by hand, and stays. Tags and task categories are merged one by one. All other keys are the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

CONFIGS, INFO = "configs", "dataset_info"
LICENSE = ("license", "license_name", "license_link")
"""These say one thing together."""
_MERGED = ("tags", "task_categories")
_BLOCK = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")
"""As huggingface_hub finds it."""
_NOTE = re.compile(r"<!-- mlstac-hf:keys (\{.*?\}) -->")

Keys = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FrontMatter:
    """The YAML of a card that is there."""

    text: str
    """As it stands, without the dashes."""
    keys: Keys


def split_readme(text: str) -> tuple[FrontMatter | None, str]:
    """The YAML of a card, if it has any, and the rest.

    Raises:
        ValueError: its YAML cannot be read; the message says where.
    """
    text = text.removeprefix("\ufeff")
    match = _BLOCK.match(text)
    if match is None:
        return None, text
    try:
        keys = yaml.safe_load(match[2])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(
            f"README.md of the repository: expected YAML between its two lines of dashes, and it cannot be read: "
            f"{error}. Mend it, so that nothing in it is lost, and push again."
        ) from None
    if keys is None:
        keys = {}
    if not isinstance(keys, dict):
        return None, text  # a rule, and prose
    return FrontMatter(text=match[2], keys=keys), text[match.end() :]


def merged(there: FrontMatter | None, noted: Keys, ours: Keys, names: Sequence[str]) -> str:
    """The YAML of the new card, with its dashes.

    Args:
        there: that of the card that is there.
        noted: what we said when we wrote it; see `noted_keys`.
        ours: what we say now; `configs` and `dataset_info` as lists.
        names: of all configs that are ours, also of those that are no more.
    """
    old = dict(there.keys) if there else {}
    new = dict(old)
    for key, value in ours.items():
        if key == CONFIGS:
            new[key] = [*value, *_others(old.get(key), names)]
        elif key == INFO:
            entries = [*value, *_others(old.get(key), names)]
            new[key] = entries[0] if len(entries) == 1 else entries
        elif key in _MERGED:
            new[key] = _three_way(_list(old.get(key)), _list(noted.get(key)), _list(value))
        elif key not in old or (key in noted and old[key] == noted[key]):
            new[key] = value
    for key in noted:  # what we said and no longer say
        if key not in ours and old.get(key) == noted[key]:
            new.pop(key, None)
    new = {key: value for key, value in new.items() if value not in ([], None) or (key in old and key not in ours)}
    return f"---\n{_written(there, old, new)}---\n"


def license_by_hand(old: Keys, noted: Keys, ours: Keys) -> str | None:
    """The licence of a card that somebody else set, and that is not the one we say.

    Args:
        old: keys of the card that is there.
        noted: what we said when we wrote it.
        ours: what we say now.
    """
    said = _license(old)
    return None if not said or said in (_license(noted), _license(ours)) else said


def _license(keys: Keys) -> str:
    """One spelling of it, and its name where the Hub has none."""
    names = sorted(str(one).casefold() for one in _list(keys.get(LICENSE[0])))
    return str(keys.get(LICENSE[1]) or "other") if names == ["other"] else ", ".join(names)


def _others(entries: Any, names: Sequence[str]) -> list[Any]:
    """Configs that are none of ours."""
    listed = entries if isinstance(entries, list) else [] if entries is None else [entries]
    return [one for one in listed if not isinstance(one, dict) or one.get("config_name", "default") not in names]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _three_way(old: list[Any], noted: list[Any], ours: list[Any]) -> list[Any]:
    """What a user added stays, what he took out stays out, what we no longer say goes."""
    kept = [one for one in old if one in ours or one not in noted]
    return kept + [one for one in ours if one not in kept and (one not in noted or not old)]


def _written(there: FrontMatter | None, old: Keys, new: Keys) -> str:
    """As YAML. Lines of keys that stay as they are stay as they were typed, with their comments."""
    changed = {key: value for key, value in new.items() if key not in old or old[key] != value}
    if there is not None:
        kept = _without(there.text, {*changed, *(key for key in old if key not in new)})
        if kept is not None:
            text = f"{kept}{_dumped(changed)}"
            if _reads(text) == dict(new):
                return text
    return _dumped(new)


def _dumped(keys: Keys) -> str:
    return str(yaml.safe_dump(dict(keys), sort_keys=False, allow_unicode=True)) if keys else ""


def _reads(text: str) -> Any:
    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _without(text: str, keys: set[str]) -> str | None:
    """The lines of all other keys; None where keys do not begin lines of their own."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return _ended(text)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return None
    lines = text.splitlines(keepends=True)
    starts = [key.start_mark.line for key, _ in root.value] + [len(lines)]
    kept = lines[: starts[0]]
    for number, (key, _) in enumerate(root.value):
        own = lines[starts[number] : starts[number + 1]]
        if key.value in keys:  # comments that follow a key are not its own
            own = own[1 + max(at for at, line in enumerate(own) if line.strip() and not line.startswith("#")) :]
        kept += own
    return _ended("".join(kept))


def _ended(text: str) -> str:
    return text if not text or text.endswith(("\n", "\r")) else f"{text}\n"


def note_of(ours: Keys) -> str:
    """The comment that remembers what we said."""
    said = {key: value for key, value in ours.items() if key not in (CONFIGS, INFO)}
    text = json.dumps(said, sort_keys=True).replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")
    return f"<!-- mlstac-hf:keys {text} -->"


def noted_keys(section: str | None) -> Keys:
    """What the comment remembers; nothing where there is none or it was damaged."""
    match = _NOTE.search(section or "")
    try:
        found = json.loads(match[1]) if match else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
