"""Runs beside mlstac 0.1.8: what its own readers make of containers.

Arguments: a file of jobs, a file to write the answers to.
"""

import hashlib
import json
import pathlib
import sys

import mlstac
import mlstac.utils

# load() keeps a copy under a name in base64, which now and then holds a slash and is no file name then
mlstac.utils.compress_string = lambda text: hashlib.sha256(text.encode()).hexdigest()


def payloads(metadata, folder, backend):
    """Every datapoint, in a file each; of rasters, what rasterio says of their place."""
    folder.mkdir(parents=True)
    said = []
    found = mlstac.get_data(metadata, backend=backend, save_metadata_datapoint=True, quiet=True)
    for index, (data, about) in enumerate(found):
        if backend == "bytes":
            (folder / f"{index}.bin").write_bytes(data)
        else:
            import numpy as np

            np.save(folder / f"{index}.npy", data)
        crs, transform = about.get("crs"), about.get("transform")
        said.append([crs and crs.to_string(), transform and list(transform.to_gdal())])
    return said


def read(job):
    """A collection, downloaded and over http."""
    out = pathlib.Path(job["out"])
    (out / "copy").mkdir(parents=True)
    mlstac.download(job["main"], out / "copy", quiet=True)
    answer = {}
    for name, address in (("local", str(out / "copy/main.json")), ("remote", job["main"])):
        opened = mlstac.load(address, force=True)
        rows = opened.metadata.drop(columns=["file_path"], errors="ignore")
        answer[name] = {
            "rows": json.loads(rows.to_json(orient="records", date_format="iso")),
            "places": payloads(opened.metadata, out / name, job["backend"]),
        }
        answer["collection"] = json.loads(opened.collection.model_dump_json())
    return answer


def main():
    """All jobs."""
    jobs, answers = map(pathlib.Path, sys.argv[1:])
    answers.write_text(json.dumps({name: read(job) for name, job in json.loads(jobs.read_text()).items()}))


main()
