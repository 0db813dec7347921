"""What a raw push puts into a repository, the mlstac packages read there, over http, with their own readers."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from publishing import DESCRIBED, samples
from upstream import CONTAINERS, SAMPLES, run_upstream

import mlstac_hf
from mlstac_hf import Collection

pytest.importorskip("datasets")
pytest.importorskip("shapely")

pytestmark = pytest.mark.xdist_group("upstream reads")

COUNTS = {"train": 4, "validation": 2, "test": 1}


@pytest.fixture
def pushed(hub, tmp_path, monkeypatch):
    """Writes and pushes a collection; the address of its `main.json` on the Hub."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)

    def push(**options):
        options["url"] = f"{hub.url}/datasets/user/raw/resolve/main"
        described = Collection(id="scenes", **DESCRIBED)
        for split, count in COUNTS.items():
            mlstac_hf.write(samples(count), tmp_path / "made", described, split=split, **options)
        given = {"token": hub.token("user"), "cache_dir": str(tmp_path / "cache"), "preview": False}
        mlstac_hf.push(tmp_path / "made", "user/raw", format="raw", **given)
        return f"{hub.url}/datasets/user/raw/resolve/main/main.json"

    return push


def asked(script, version, home, jobs):
    """What a version answers."""
    home.mkdir()
    (home / "jobs.json").write_text(json.dumps(jobs))
    more = () if version == CONTAINERS else ("numpy" if version == "0.0.12" else "torch",)
    run_upstream(version, script, home, home / "jobs.json", home / "answers.json", *more)
    return json.loads((home / "answers.json").read_text())


def digests(sample):
    """As the scripts have them."""
    arrays = {name: value for name, value in sample.items() if isinstance(value, np.ndarray)}
    return {
        name: [value.dtype.name, list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
        for name, value in arrays.items()
    }


@pytest.mark.parametrize("version", SAMPLES)
def test_sample_files_are_downloaded_and_streamed(pushed, tmp_path, version):
    main = pushed(compress=True)
    job = {"main": main, "data_dir": str(tmp_path / "home" / "data"), "stream": True}
    jobs = {split: {**job, "split": split} for split in COUNTS}
    answers = asked("read_samples.py", version, tmp_path / "home", jobs)
    for split, count in COUNTS.items():
        expected = [digests(sample) for sample in samples(count)]
        whole = answers[split]["whole"]
        assert [whole[stem] for stem in sorted(whole)] == expected
        assert answers[split]["stream"] == expected
        ids = [answers[split]["metadata"][stem]["id"] for stem in sorted(whole)]
        assert ids == [sample["id"] for sample in samples(count)]


def test_containers_are_downloaded_and_read_in_place(pushed, tmp_path):
    pytest.importorskip("pyarrow")
    main = pushed(layout="container")
    job = {"main": main, "out": str(tmp_path / "out"), "backend": "bytes"}
    answer = asked("read_containers.py", CONTAINERS, tmp_path / "home", {"one": job})["one"]
    expected = [sample for count in COUNTS.values() for sample in samples(count)]
    for where in ("local", "remote"):
        assert [row["datapoint_id"] for row in answer[where]["rows"]] == [sample["id"] for sample in expected]
        for index, sample in enumerate(expected):
            data = (tmp_path / "out" / where / f"{index}.bin").read_bytes()
            assert sample["input"].tobytes() in data
            assert sample["target"].tobytes() in data
