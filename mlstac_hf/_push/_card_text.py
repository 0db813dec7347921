"""What a person wants to know of a dataset, as the text of its card.

Owns: the sections and their order. Leaves to others: code to paste (`_card_code`), escaping (`_markdown`), the YAML
(`_card_keys`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlstac_hf._pictures._page import one_line
from mlstac_hf._push._card_code import loading
from mlstac_hf._push._card_facts import CardFacts
from mlstac_hf._push._leakage import Leakage
from mlstac_hf._push._markdown import address, beginning, fenced, inline, link, paragraphs, table
from mlstac_hf._push._pictures import CLASSES, MAP, SHEET, counts_pixels
from mlstac_hf._spec import Band, BandStatistics, Collection
from mlstac_hf._spec._parts import MICROMETRES
from mlstac_hf._terminal import size

_MOST_ROWS = 60
_DOI = re.compile(r"10\.\d{4,9}/[A-Za-z0-9._;()/:-]+")


def text_of(facts: CardFacts, *, with_title: bool) -> str:
    """Our section of a card, in Markdown."""
    collection = facts.collection
    name = inline(collection.title or collection.id, 200)
    parts = [
        f"# {name}" if with_title else f"## {name}",
        paragraphs(collection.description or ""),
        _picture(
            facts, SHEET, "Samples of this dataset beside their targets", "Samples from all over the first split."
        ),
        _at_a_glance(facts),
        _section("What a sample holds", _columns(facts.features)),
        _section("Bands", _bands(collection)),
        _section("Classes", _classes(facts)),
        _section("Splits", _splits(facts)),
        _section("How to load it", loading(facts)),
        _section("Citation", _citation(facts)),
        _section("Licence", _licence(facts)),
        _section("Links", _links(collection)),
        _made_with(facts),
    ]
    return "\n\n".join(filter(None, parts))


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _picture(facts: CardFacts, path: str, alt: str, said: str) -> str:
    return f"![{alt}]({path})\n\n*{said}*" if path in facts.pictures else ""


def _at_a_glance(facts: CardFacts) -> str:
    collection = facts.collection
    counts = ", ".join(f"{inline(split.name)} {split.n_rows:,}" for split in facts.splits)
    memory = sum(split.nbytes for split in facts.splits)
    rows = {
        "Task": ", ".join(inline(task, 60) for task in collection.task),
        "Samples": counts,
        "Size": f"{size(facts.stored_nbytes)} to download, {size(memory)} in memory",
        "Where": _where(facts.bbox),
        "When": _when(facts.start, facts.end),
        "Sensor": inline(collection.sensor or "", 100),
        "Version": inline(collection.dataset_version or "", 60),
        "Licence": "" if facts.license_by_hand else inline(collection.license or "", 100),
    }
    return table(("", ""), [(f"**{key}**", value) for key, value in rows.items() if value])


def _where(bbox: tuple[float, float, float, float] | None) -> str:
    if bbox is None:
        return ""
    west, south, east, north = bbox
    latitudes = f"{_degrees(south, 'N', 'S')} to {_degrees(north, 'N', 'S')}"
    return f"{latitudes}, {_degrees(west, 'E', 'W')} to {_degrees(east, 'E', 'W')}"


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):.2f}° {positive if value >= 0 else negative}"


def _when(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return ""
    first, last = f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}"
    return first if first == last else f"{first} to {last}"


def _columns(features: Any) -> str:
    if not features:
        return ""
    rows = [(f"`{_code(name)}`", inline(_kind(feature), 120)) for name, feature in features.items()]
    return table(("column", "type"), _capped(rows))


def _code(text: str) -> str:
    """A name between single ticks."""
    return one_line(text, 80).replace("`", "'").replace("|", "\\|").replace("<", "(").replace(">", ")")


def _kind(feature: Any) -> str:
    """Such as `uint16 (4, 64, 64)`; the stored dtype where it is known."""
    if isinstance(feature, dict):
        return "array whose shape differs by sample"
    if getattr(feature, "names", None):
        return f"class, one of {len(feature.names)}"
    inner = getattr(feature, "feature", feature)
    dtype = getattr(feature, "id", None) or getattr(inner, "id", None) or getattr(inner, "dtype", "")
    shape = getattr(feature, "shape", None)
    if shape is None and inner is not feature:
        length = getattr(feature, "length", -1)
        shape = (length if length > 0 else None,)
    lengths = ", ".join("any" if length is None else str(length) for length in shape or ())
    return f"{'text' if dtype == 'string' else dtype}{f' ({lengths})' if shape else ''}"


def _bands(collection: Collection) -> str:
    if not collection.bands:
        return ""
    statistics = (collection.annotations.statistics or {}).get("input", ())
    head: list[str] = ["#", "band", "common name", "centre, µm", "width, µm", "description", "mean", "std"]
    rows = []
    for position, band in enumerate(collection.bands):
        index = position if band.index is None else band.index
        found = statistics[index] if 0 <= index < len(statistics) else None
        rows.append([str(index), inline(band.name, 60), inline(band.common_name or "", 40), *_wavelengths(band),
                     inline(band.description or "", 200), *_statistics(found)])  # fmt: skip
    kept = [column for column in range(len(head)) if column < 2 or any(row[column] for row in rows)]  # noqa: PLR2004 - number and name
    shown = [tuple(row[column] for column in kept) for row in rows]
    said = "Statistics are over the training split, in stored units." if any(row[-1] for row in rows) else ""
    heads = [head[column] for column in kept]
    right = [at for at, name in enumerate(heads) if name in ("#", "centre, µm", "width, µm", "mean", "std")]
    return "\n\n".join(filter(None, (table(heads, _capped(shown), right), said)))


def _wavelengths(band: Band) -> tuple[str, str]:
    """Centre and width in micrometres, where their unit is known."""
    factor = MICROMETRES.get((band.unit or "").strip().casefold())
    if factor is None:
        return "", ""
    centre, width = (
        "" if value is None else f"{value * factor:.4g}" for value in (band.center_wavelength, band.full_width_half_max)
    )
    return centre, width


def _statistics(found: BandStatistics | None) -> tuple[str, str]:
    return ("", "") if found is None else (f"{found.mean:.4g}", f"{found.std:.4g}")


def _classes(facts: CardFacts) -> str:
    labels, counts = facts.collection.labels, facts.counts or {}
    if not labels:
        return ""
    sums = {split: sum(found.values()) for split, found in counts.items()}
    shown = [split for split in counts if sums[split]]
    rows = [
        (str(value), inline(name, 80), *(f"{counts[split].get(name, 0) / sums[split]:.1%}" for split in shown))
        for name, value in sorted(labels.items(), key=lambda item: item[1])
    ]
    unit = "pixels" if counts_pixels(facts.collection) else "samples"
    said = f"Shares are of {unit}" + ("." if facts.counts_all else ", counted in samples from all over each split.")
    heads = ("value", "class", *map(inline, shown))
    picture = _picture(facts, CLASSES, "Share of each class in each split", said)
    return "\n\n".join(
        filter(None, (table(heads, _capped(rows), [0, *range(2, len(heads))]), picture or (said if shown else "")))
    )


def _splits(facts: CardFacts) -> str:
    rows = [(inline(split.name), f"{split.n_rows:,}", size(split.nbytes)) for split in facts.splits]
    strategy = facts.collection.split_strategy
    parts = [
        table(("split", "samples", "in memory"), rows, (1, 2)),
        f"How it was split: {inline(strategy, 1000)}" if strategy else "",
        _picture(facts, MAP, "Where the samples of each split are", "Where the samples of each split are."),
        _leakage(facts.leakage) if facts.leakage else "",
    ]
    return "\n\n".join(filter(None, parts))


def _leakage(leakage: Leakage) -> str:
    if not leakage.distances and not leakage.shared_ids:
        return ""
    pairs = dict.fromkeys([*(distance.splits for distance in leakage.distances), *leakage.shared_ids])
    by_pair = {distance.splits: distance for distance in leakage.distances}
    rows = []
    for a, b in pairs:
        distance, shared = by_pair.get((a, b)), leakage.shared_ids.get((a, b))
        rows.append(
            (
                f"{inline(b)} to {inline(a)}",
                _metres(distance.minimum_m) if distance else "unknown",
                f"{distance.overlapping:,} of {distance.samples[1]:,}" if distance else "unknown",
                f"{distance.within_1km:,} of {distance.samples[1]:,}" if distance else "unknown",
                "" if shared is None else f"{shared:,}",
            )
        )
    heads = ("from … to", "nearest", "on shared ground", "within 1 km", "same id")[: 4 + bool(leakage.shared_ids)]
    return (
        "### Leakage\n\n"
        "How near samples of one split come to those of another. Where they share ground, a model may have seen the "
        "place it is tested on.\n\n"
        f"{table(heads, [row[: len(heads)] for row in rows], range(1, 5))}\n\n"
        "Computed from the outlines of all samples whose place is known (CRS, geotransform and size of each image), on "
        f"the WGS84 ellipsoid{', and from their ids' if leakage.shared_ids else ''}. Pixels were not compared; "
        "`mlstac-hf validate --deep` does that."
    )


def _metres(value: float) -> str:
    return f"{value / 1000:,.1f} km" if value >= 1000 else f"{value:.0f} m"  # noqa: PLR2004 - a kilometre


def _citation(facts: CardFacts) -> str:
    collection = facts.collection
    paper = collection.paper or ""
    doi = _DOI.search(paper)
    authors = [one_line(person.name, 100) for person in collection.authors]
    fields = {
        "title": one_line(collection.title or collection.id, 300),
        "author": " and ".join(_bibtex(author) for author in authors),
        "doi": doi[0].rstrip(".") if doi else "",
        "url": (address(paper) if not doi else None) or f"https://huggingface.co/datasets/{facts.repo_id}",
        "version": one_line(collection.dataset_version or "", 60),
    }
    lines = [
        f"  {key} = {{{value if key in ('author', 'doi', 'url') else _bibtex(value)}}},"
        for key, value in fields.items()
        if value
    ]
    key = re.sub(r"[^a-z0-9]+", "-", facts.repo_id.partition("/")[2].casefold()).strip("-") or "dataset"
    entry = fenced("\n".join([f"@misc{{{key},", *lines, "}"]), "bibtex")
    said = ""
    if doi:
        said = f"Paper: [{inline(doi[0].rstrip('.'))}](<https://doi.org/{doi[0].rstrip('.')}>)\n\n"
    elif paper:
        said = f"Paper: {link(paper, paper)}\n\n"
    return f"{said}{entry}"


_TEX = {
    "\\": "\\textbackslash{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "{": "\\{",
    "}": "\\}",
    **{c: f"\\{c}" for c in "%&#_$"},
}


def _bibtex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


def _licence(facts: CardFacts) -> str:
    collection = facts.collection
    by_hand = f"The head of this card names {inline(facts.license_by_hand, 100)}." if facts.license_by_hand else ""
    if not collection.license:
        return by_hand or "The publisher names no licence. Ask before you use it."
    where = next((url for one in collection.links if one.rel == "license" and (url := address(one.href))), None)
    said = f"{link(collection.license, where)}."
    return f"{by_hand} `main.json` names another: {said} Ask which one holds." if by_hand else beginning(said)


def _links(collection: Collection) -> str:
    lines = [f"- {beginning(text)}: {link(url, url)}" for text, url in _web(collection)]
    people = [_person(person.name, person.organization) for person in collection.authors]
    lines += [f"- Authors: {', '.join(people)}"] if people else []
    for provider in collection.providers:
        roles = f" ({', '.join(inline(role, 40) for role in provider.roles)})" if provider.roles else ""
        said = f": {inline(provider.description)}" if provider.description else ""
        lines.append(f"- {beginning(link(provider.name, provider.url))}{roles}{said}")
    return "\n".join(lines[:_MOST_ROWS])


def _web(collection: Collection) -> list[tuple[str, str]]:
    known = [("Raw data", collection.raw_data_url), ("Discussion", collection.discussion_url)]
    known += [
        (inline(one.title or one.rel or "Link", 100), one.href)
        for one in collection.links
        if one.rel not in ("self", "root", "parent", "license")
    ]
    return [(text, url) for text, url in known if url and address(url)]


def _person(name: str, organization: str | None) -> str:
    return f"{inline(name, 100)} ({inline(organization, 100)})" if organization else inline(name, 100)


def _made_with(facts: CardFacts) -> str:
    kinds: Mapping[str, str] = {"parquet": "Parquet", "arrow": "Arrow IPC", "raw": "the files of ML-STAC as they are"}
    return (
        f"Published as {kinds[facts.form]} with [mlstac-hf](https://pypi.org/project/mlstac-hf). `main.json` describes "
        "the collection in the terms of [ML-STAC](https://mlstac.readthedocs.io)."
    )


def _capped(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    width = len(rows[0])
    return [*rows[:_MOST_ROWS], (f"and {len(rows) - _MOST_ROWS} more", *[""] * (width - 1))]
