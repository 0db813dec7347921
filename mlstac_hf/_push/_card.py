"""The card of a dataset repository: README.md.

Owns: where our part of it stands, and that all else stays as it is. Leaves to others: the YAML (`_card_yaml`,
`_card_keys`), the text (`_card_text`).
"""

from __future__ import annotations

import re
from dataclasses import replace

from mlstac_hf._errors import warn
from mlstac_hf._push._card_facts import OURS, CardFacts
from mlstac_hf._push._card_keys import keys_of
from mlstac_hf._push._card_text import text_of
from mlstac_hf._push._card_yaml import LICENSE, FrontMatter, license_by_hand, merged, note_of, noted_keys, split_readme

BEGIN, END = "<!-- mlstac-hf:begin -->", "<!-- mlstac-hf:end -->"
_SECTION = re.compile(f"{BEGIN}((?:(?!{BEGIN}).)*?){END}", re.DOTALL)


def make_card(facts: CardFacts, existing: str | None = None) -> str:
    """The card of a repository.

    Our section stands between two comments, and a push replaces what is between them. The rest of an existing card
    stays as it was typed; so do keys of its YAML, but for those that `_card_yaml` says are ours.

    Args:
        facts: what there is to say.
        existing: the card that is there.

    Raises:
        ValueError: the YAML of the existing card cannot be read.
    """
    there, body = split_readme(existing or "")
    found = _SECTION.search(body)
    around = (body[: found.start()], body[found.end() :]) if found else (body, "")
    ours, noted = keys_of(facts), noted_keys(found[1] if found else None)
    old = there.keys if there else {}
    facts = replace(facts, license_by_hand=license_by_hand(old, noted, ours))
    if facts.license_by_hand:
        ours = {key: value for key, value in ours.items() if key not in LICENSE[1:] or key in old}
        _warn_of_licenses(facts)
    if _has_default(there):  # two are refused
        ours["configs"] = [{key: config[key] for key in config if key != "default"} for config in ours["configs"]]
    head = merged(there, noted, ours, OURS)
    has_title = any(re.search(r"^# \S", part, re.MULTILINE) for part in around)
    section = f"{BEGIN}\n{note_of(ours)}\n\n{text_of(facts, with_title=not has_title)}\n\n{END}"
    if found:
        return f"{head}{around[0]}{section}{around[1]}"
    if not body.strip():
        return f"{head}\n{section}\n"
    return f"{head}{body}{'' if body.endswith(chr(10)) else chr(10)}\n{section}\n"


def _warn_of_licenses(facts: CardFacts) -> None:
    if facts.collection.license:
        warn(
            f"the card of {facts.repo_id} has the licence {facts.license_by_hand!r} in its YAML, set by hand, which "
            f"stays; the collection has {facts.collection.license!r}. The card names both. Make them agree, push again"
        )


def _has_default(there: FrontMatter | None) -> bool:
    """Whether a config of the user's own is said to be the default."""
    configs = there.keys.get("configs") if there else None
    return any(
        isinstance(one, dict) and one.get("default") and one.get("config_name") not in OURS
        for one in (configs if isinstance(configs, list) else ())
    )
