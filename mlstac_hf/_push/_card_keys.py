"""What we say of a collection in the YAML of its card, in the Hub's words.

Owns: licences, tasks, tags and sizes as the Hub calls them; configs and dataset_info. Leaves to others: how this meets
what a card says already (`_card_yaml`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlstac_hf._pictures._page import one_line
from mlstac_hf._push._card_facts import CardFacts, ConfigFacts
from mlstac_hf._push._markdown import address
from mlstac_hf._push._spelling import card_features
from mlstac_hf._spec import Collection, find_sensor, find_task
from mlstac_hf._spec._licenses import KNOWN_LICENSES, license_parts

_HUB_LICENSES = """
    afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc0-1.0
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 gpl-3.0
    isc lgpl lgpl-2.1 lgpl-3.0 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 osl-3.0 pddl postgresql unlicense
    wtfpl zlib
"""
"""Of https://huggingface.co/docs/hub/repositories-licenses, those that are of use for data."""
_HUB_NAMES = {"c-uda-1.0": "c-uda", "odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}
_TAGS = ("earth-observation", "geospatial", "ml-stac", "remote-sensing")
_MOST_TAGS = 20
_UNITS = (("K", 10**3), ("M", 10**6), ("B", 10**9), ("T", 10**12))


def keys_of(facts: CardFacts) -> dict[str, Any]:
    """All that we say, in the order in which cards have it."""
    collection = facts.collection
    tasks = [task.hub for name in collection.task if (task := find_task(name)) and task.hub]
    keys = {
        "pretty_name": one_line(collection.title or collection.id, 200) or None,
        **_license(collection),
        "task_categories": list(dict.fromkeys(tasks)),
        "tags": list(dict.fromkeys(_tags(collection))),
        "size_categories": [size_category(sum(split.n_rows for split in facts.splits))],
        "configs": [_config(config) for config in facts.configs],
        "dataset_info": [_info(config) for config in facts.configs if config.features is not None],
    }
    return {key: value for key, value in keys.items() if value}


def _license(collection: Collection) -> dict[str, Any]:
    """The Hub's identifier, or several; `other` with a name and where to read it, for what the Hub does not know."""
    said = one_line(collection.license or "", 100)
    if not said:
        return {}
    known = {identifier.casefold(): identifier for identifier in KNOWN_LICENSES}
    parts = license_parts(said) or []
    found = [_hub_license(part) for part in parts if part.casefold() in known]
    if parts and len(found) == len(parts) and all(found):
        return {"license": found[0] if len(found) == 1 else found}
    links = (address(link.href) for link in collection.links if link.rel == "license")
    where = next((url for url in links if url), None)
    name = re.sub(r"[^a-z0-9.]+", "-", said.casefold()).strip("-.")
    return {"license": "other", "license_name": name or "other", **({"license_link": where} if where else {})}


def _hub_license(identifier: str) -> str | None:
    name = identifier.casefold().removesuffix("-only").removesuffix("-or-later")
    name = _HUB_NAMES.get(name, name)
    return name if name in _HUB_LICENSES.split() else None


def _tags(collection: Collection) -> Iterator[str]:
    yield from _TAGS
    sensor = find_sensor(collection.sensor) if collection.sensor else None
    words = [*(sensor.stac.values() if sensor else ()), *collection.keywords]
    slugs = (re.sub(r"[^a-z0-9]+", "-", word.casefold()).strip("-") for word in words)
    yield from [slug for slug in slugs if 1 < len(slug) <= 40][:_MOST_TAGS]  # noqa: PLR2004 - a word, not a text


def size_category(count: int) -> str:
    """The Hub's word for so many samples.

    Example:
        >>> size_category(40), size_category(1000), size_category(47_000)
        ('n<1K', '1K<n<10K', '10K<n<100K')
    """
    if count < 10**3:
        return "n<1K"
    if count >= 10**12:
        return "n>1T"
    low = 10 ** (len(str(count)) - 1)
    return f"{_short(low)}<n<{_short(10 * low)}"


def _short(number: int) -> str:
    unit, size = next((unit, size) for unit, size in reversed(_UNITS) if number >= size)
    return f"{number // size}{unit}"


def _config(config: ConfigFacts) -> dict[str, Any]:
    files = [{"split": split.name, "path": config.path_of(split.name)} for split in config.splits]
    return {"config_name": config.name, "data_files": files, **({"default": True} if config.is_default else {})}


def _info(config: ConfigFacts) -> dict[str, Any]:
    splits = [{"name": s.name, "num_bytes": s.nbytes, "num_examples": s.n_rows} for s in config.splits]
    return {
        "config_name": config.name,
        "features": card_features(config.features),
        "splits": splits,
        "download_size": config.stored_nbytes,
        "dataset_size": sum(split.nbytes for split in config.splits),
    }
