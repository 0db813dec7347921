"""`mlstac-hf info`: what is in a collection, as a page of text or as JSON.

Owns: which facts are printed in which order. Leaves to others: the facts (`_info`), how a table or a number looks
(`_terminal`).
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping
from typing import Any

from mlstac_hf._cli_selection import add_conditions
from mlstac_hf._info import facts_of
from mlstac_hf._reading import Selection, open_collection
from mlstac_hf._stores import hide
from mlstac_hf._terminal import BAD_DATA, DONE, capped, complain, number, printable, size, table

_WIDTH = 80


def add_to(commands: Any) -> None:
    """Its arguments.

    Args:
        commands: argparse's subparsers.
    """
    info = commands.add_parser("info", help="say what is in a collection")
    info.add_argument("address", metavar="ADDRESS", help="a path, a URL of main.json, user/repo, or any fsspec URL")
    info.add_argument("--json", action="store_true", help="print one JSON object")
    info.add_argument("--revision", metavar="REV", help="branch, tag or commit of a Hub repository")
    add_conditions(info)
    info.add_argument("--trust-links", action="store_true", help="follow links that lead out of the collection")
    info.set_defaults(run=_info)


def _info(arguments: argparse.Namespace) -> int:
    collection = open_collection(arguments.address, revision=arguments.revision, trust_links=arguments.trust_links)
    asked = {"filter": arguments.filter, "bbox": arguments.bbox, "datetime": arguments.datetime}
    selection = Selection(**asked) if any(asked.values()) else None
    facts = {"address": hide(arguments.address), **facts_of(collection, selection)}
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        _describe(facts)
    for problem in facts["problems"]:
        complain(f"error: {problem}")
    return BAD_DATA if facts["problems"] else DONE


def _describe(facts: Mapping[str, Any]) -> None:
    print(printable(facts["title"] or facts["id"] or "(no title)"))
    if facts["description"]:
        print(textwrap.fill(printable(facts["description"], 1000), _WIDTH))
    about = {
        "id": facts["id"],
        "task": ", ".join(facts["task"]),
        "licence": facts["license"],
        "sensor": facts["sensor"],
        "size": None if facts["nbytes"] is None else size(facts["nbytes"]),
    }
    print()
    table([(name, printable(value or "-")) for name, value in about.items()])
    if facts["splits"]:
        print("\nSplits")
        columns = ("declared", "found", "nbytes", "selected", "selected_nbytes")
        shown = [name for name in columns if any(name in split for split in facts["splits"].values())]
        counts = [
            (printable(name), *((size if "nbytes" in column else number)(split.get(column)) for column in shown))
            for name, split in facts["splits"].items()
        ]
        table([("", *(name.replace("nbytes", "size").replace("_", " ") for name in shown)), *counts], right=range(1, 6))
    if facts["bands"]:
        print("\nBands" + ("" if facts["band_axis"] is None else f" (axis {facts['band_axis']} of input)"))
        table(capped([_band(band) for band in facts["bands"]]), right=(0,))
    if facts["labels"]:
        print("\nLabels")
        table(capped([(str(value), printable(name)) for name, value in facts["labels"].items()]), right=(0,))
    if facts["first_sample"]:
        sample = facts["first_sample"]
        print(f"\nFirst sample of {printable(sample['split'])}")
        rows = [(name, _tensor(tensor)) for name, tensor in sample["tensors"].items()]
        rows += [(key, _value(value)) for key, value in sample["metadata"].items()]
        table(capped([(printable(key, 30), printable(value, 60)) for key, value in rows]))
        if sample["planes"]:
            _describe_planes(sample["planes"], facts["address"])
    if facts["layout"] == "containers":
        print("\nPlain datasets.load_dataset finds the tables beside containers: rows of")
        print("metadata, no pixels. This gives pixels:")
        print(f"  mlstac_hf.load_dataset({printable(facts['address'])!r})")


def _tensor(tensor: Mapping[str, Any]) -> str:
    return f"{tensor['dtype']} ({', '.join(map(str, tensor['shape']))})" if "shape" in tensor else str(tensor["dtype"])


def _describe_planes(planes: Mapping[str, Any], address: str) -> None:
    """What planes a raster has, and what to type where none of them is the target yet."""
    last = planes["count"] - 1
    if planes["target"]:
        print(f"\nThe raster has planes 0 to {last}; the target is {', '.join(map(str, planes['target']))}.")
    elif last:
        print(f"\nThe raster has planes 0 to {last}, all of them input. If some are the target, say which:")
        print(f"  mlstac_hf.load({address!r}, target=[{last}])")


def _value(value: object) -> str:
    if isinstance(value, list):  # a geotransform
        return ", ".join(f"{part:.9g}" for part in value)
    return "-" if value is None else str(value)


def _band(band: Mapping[str, Any]) -> tuple[str, ...]:
    centre, width = (
        f"{name} {band[key]:g} {band.get('unit', '')}".rstrip() if band.get(key) is not None else ""
        for name, key in (("centre", "center_wavelength"), ("width", "full_width_half_max"))
    )
    return (number(band.get("index")), *map(printable, (band["name"], band.get("common_name", ""), centre, width)))
