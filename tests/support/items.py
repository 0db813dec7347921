"""STAC Items out of a table of them, by readers that nobody here wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def by_stac_geoparquet(path: str | Path) -> list[dict[str, Any]]:
    """The Items with a geometry, as the package stac-geoparquet reads them: it takes no others."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from stac_geoparquet.arrow import stac_table_to_items

    table = pq.read_table(path)
    return [said(item) for item in stac_table_to_items(table.filter(pc.is_valid(table["geometry"])))]


def by_rustac(path: str | Path) -> list[dict[str, Any]]:
    """The Items as rustac reads them: it panics where one has no geometry."""
    import rustac

    found: list[dict[str, Any]] = json.loads(json.dumps(rustac.read_sync(str(path))))["features"]
    return found


def said(item: dict[str, Any]) -> dict[str, Any]:
    """An Item without the properties that a table has for other Items."""
    properties = item["properties"].items()
    return {**item, "properties": {key: value for key, value in properties if value is not None or key == "datetime"}}


def check_valid(item: dict[str, Any]) -> None:
    """Against STAC's core schema, which pystac carries along."""
    import pystac
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    JsonSchemaSTACValidator().validate_core(item, pystac.STACObjectType.ITEM, "1.1.0")
    assert pystac.Item.from_dict(item).id == item["id"]
