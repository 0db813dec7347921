"""Runs beside mlstac 0.1.8: a collection of containers by its own writers.

Arguments: a file that says what to write, the folder. Payloads lie in files.
"""

import json
import pathlib
import sys

import mlstac
import pandas as pd


def rows(container, said, split):
    """A row a datapoint, as the package has them in its own collections."""
    placed = mlstac.core.load_metadata(container)
    placed["metadata_length"] = placed.attrs["length_dataset"]
    placed.attrs = {}
    placed["url"], placed["split"] = f"https://example.invalid/{split}/{container.name}", split
    return placed.merge(pd.DataFrame(said), on="datapoint_id")


def main():
    """All splits."""
    said, folder = map(pathlib.Path, sys.argv[1:])
    wanted = json.loads(said.read_text())
    catalogs = {}
    for split, containers in wanted["splits"].items():
        (folder / split).mkdir(parents=True)
        tables, files = [], []
        for name, about in containers.items():
            path = folder / split / f"{name}.mlstac"
            mlstac.create_file(about["files"], path)
            tables.append(rows(path, about["rows"], split))
            files.append(path)
        table = folder / split / "metadata.parquet"
        pd.concat(tables).reset_index(drop=True).to_parquet(table)
        catalogs[split] = mlstac.SingleCatalog(
            name=split,
            data_files=[f"https://example.invalid/{split}/{path.name}" for path in files],
            data_descriptions=[path.stem for path in files],
            data_checksum=[path.stat().st_size for path in files],
            metadata_file=f"https://example.invalid/{split}/metadata.parquet",
            metadata_description="rows",
            metadata_checksum=table.stat().st_size,
        )
    collection = mlstac.Collection(
        id=wanted["id"],
        description="Made for a test",
        license="CC-BY-4.0",
        extent={
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]},
        },
        ml_task=["image-segmentation"],
        ml_catalog=mlstac.Catalog(**catalogs),
        ml_dataset_version="1.0.0",
    )
    collection.add_labels(labels=wanted["labels"])
    collection.create_json(folder / "main.json")


main()
