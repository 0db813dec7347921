"""Croissant: what mlcroissant makes of the document, and that it says nothing it cannot know."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from containers import make_containers
from publishing import DESCRIBED, LOOSE, samples
from serving import serve_folder
from writing import numbered, sample, write_main, write_samples

import mlstac_hf
from mlstac_hf import Band, Collection, CollectionWarning, CorruptSampleError, convert

mlcroissant = pytest.importorskip("mlcroissant")
for package in ("pyarrow", "pyproj", "shapely"):
    pytest.importorskip(package)

# mlcroissant's own, which reads with rdflib and pandas
pytestmark = [
    pytest.mark.filterwarnings(LOOSE),
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index is deprecated"),
]

REAL = ["genA_s2_lulc", "genA_plain", "genB_clouds"]


def written(folder, **options):
    """A Croissant beside its collection, as text says and as mlcroissant reads it, which finds no error in it."""
    path = convert(folder, folder, "croissant", **options)
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    dataset = mlcroissant.Dataset(path)
    assert dataset.metadata.ctx.issues.errors == set()
    return document, dataset


def sets_of(document, kind="recordSet"):
    return {item["@id"]: item for item in document[kind]}


def fields_of(document, record):
    return {field["name"]: field for field in sets_of(document)[record]["field"]}


def test_every_trait(trait, tmp_path):
    told = pytest.warns(CollectionWarning, match=trait.warns) if trait.warns else nullcontext()
    with told:
        document, dataset = written(trait.folder, trust_links=trait.refused)
    assert [row["splits/name"] for row in dataset.records("splits")] == list(trait.splits)
    for split, made in trait.splits.items():
        fields = fields_of(document, split)
        shown = {name for one in made for name in one.shown}
        sayable = {name for name in shown if not any(np.iscomplexobj(one.shown.get(name)) for one in made)}
        assert sayable <= set(fields)
        own = {key for one in made for key in one.typed}
        assert {key if key not in shown else f"meta_{key}" for key in own} <= set(fields)
        assert set(fields) <= sayable | own | {f"meta_{key}" for key in own} | {"split"}
        (includes,) = sets_of(document, "distribution")[f"{split}-files"]["includes"]
        suffix = includes.partition("*")[2]
        found = {path.name for path in trait.folder.rglob(f"*{suffix}") if path.parent.name == split}
        assert not found or {one.name + suffix for one in made} <= found


@pytest.mark.parametrize("name", REAL)
def test_real_collections(name, real_data, tmp_path):
    if name == "genB_clouds":
        pytest.importorskip("rasterio")
    shutil.copytree(real_data / name, tmp_path / name)
    document, dataset = written(tmp_path / name)
    for item in document["distribution"]:
        if item["@type"] == "cr:FileObject":
            data = (tmp_path / name / item["contentUrl"]).read_bytes()
            assert item["sha256"] == hashlib.sha256(data).hexdigest()
            assert item["contentSize"] == f"{len(data)} B"
        else:
            assert all(any((tmp_path / name).glob(pattern)) for pattern in item["includes"])
    if name == "genB_clouds":
        import pyarrow.parquet as pq

        rows = list(dataset.records("train_metadata"))
        table = pq.read_table(tmp_path / name / "train" / "metadata.parquet").to_pylist()
        assert [row["train_metadata/id"].decode() for row in rows] == [row["datapoint_id"] for row in table]
        assert [row["train_metadata/proj_shape"] for row in rows] == [row["proj_shape"] for row in table]
        kinds = {key: field["dataType"] for key, field in fields_of(document, "train_metadata").items()}
        assert (kinds["proj_shape"], kinds["clear_percentage"], kinds["label_type"]) == (
            "cr:Int64",
            "cr:Float64",
            "sc:Text",
        )


def full(folder):
    collection = Collection(
        id="ponds",
        title="Tümpel",
        description="Small waters",
        license="CC-BY-4.0",
        keywords=["water", "été"],
        task=["TensorSegmentation"],
        labels={"land": 0, "water": 1, "ice": 2},
        bands=[
            Band(name="B08", index=1, center_wavelength=0.842, full_width_half_max=0.115, unit="um"),
            Band(name="B04", index=0, center_wavelength=665, unit="nm"),
            Band(name="mean", index=2),
        ],
        authors=[
            {"name": "Ana", "organization": "Institut", "emails": [{"value": "ana@example.org"}]},
            {"name": "Bo", "organization": "Institut", "email": "bo@example.org"},
        ],
        providers=[{"name": "ESA", "roles": ["producer"], "url": "https://esa.int"}],
        paper="doi:10.1234/abc",
        dataset_version="1.2.0",
    )
    mlstac_hf.write(samples(5), folder, collection)
    mlstac_hf.write(samples(2), folder, collection, split="test")
    main = json.loads((folder / "main.json").read_text())
    main |= {"published": "2024-05-03T00:00:00Z", "updated": "last week"}
    (folder / "main.json").write_text(json.dumps(main))
    return collection


class TestDocument:
    def test_what_is_known_of_a_collection(self, tmp_path):
        full(tmp_path)
        document, dataset = written(tmp_path)
        said = {key: value for key, value in document.items() if not key.startswith("@")}
        said = {key: said[key] for key in said if key not in ("distribution", "recordSet", "description")}
        assert said == {
            "name": "Tümpel",
            "license": "https://spdx.org/licenses/CC-BY-4.0.html",
            "keywords": ["water", "été"],
            "version": "1.2.0",
            "citeAs": "https://doi.org/10.1234/abc",
            "datePublished": "2024-05-03T00:00:00Z",
            "creator": [
                {
                    "@type": "sc:Person",
                    "name": "Ana",
                    "email": "ana@example.org",
                    "affiliation": {"@type": "sc:Organization", "name": "Institut"},
                },
                {
                    "@type": "sc:Person",
                    "name": "Bo",
                    "email": "bo@example.org",
                    "affiliation": {"@type": "sc:Organization", "name": "Institut"},
                },
            ],
            "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/geo/1.0"],
            "spatialCoverage": said["spatialCoverage"],
            "temporalCoverage": "2020-01-01T10:30:00Z/2020-01-05T10:30:00Z",
            "geocr:coordinateReferenceSystem": "EPSG:32633",
            "geocr:spatialResolution": {"@type": "sc:QuantitativeValue", "value": 10.0, "unitText": "m"},
            "geocr:bandConfiguration": {
                "@type": "geocr:BandConfiguration",
                "geocr:totalBands": 3,
                "geocr:bandNameList": ["B04", "B08", "mean"],
            },
            "geocr:spectralBandMetadata": [
                {
                    "@type": "geocr:SpectralBand",
                    "name": "B04",
                    "geocr:centerWavelength": {"@type": "sc:QuantitativeValue", "value": 665.0, "unitText": "nm"},
                },
                {
                    "@type": "geocr:SpectralBand",
                    "name": "B08",
                    "geocr:centerWavelength": {"@type": "sc:QuantitativeValue", "value": 842.0, "unitText": "nm"},
                    "geocr:bandwidth": {"@type": "sc:QuantitativeValue", "value": 115.0, "unitText": "nm"},
                },
            ],
        }
        south, west, north, east = map(float, document["spatialCoverage"]["geo"]["box"].split())
        extent = mlstac_hf.open_collection(tmp_path).extent.bbox[0]
        assert (west, south, east, north) == pytest.approx(extent)
        assert not dataset.metadata.ctx.issues.warnings

    def test_fields_of_samples(self, tmp_path):
        full(tmp_path)
        document, dataset = written(tmp_path)
        fields = fields_of(document, "train")
        assert {key: field["dataType"] for key, field in fields.items()} == {
            "id": "sc:Text",
            "split": "sc:Text",
            "input": "cr:UInt16",
            "target": "cr:UInt8",
            "crs": "sc:Text",
            "geotransform": "cr:Float64",
            "start_datetime": "sc:Text",
            "end_datetime": "sc:Text",
            "cloud": "cr:Float64",
            "night": "sc:Boolean",
            "note": "sc:Text",
            "orbit": "cr:Int64",
        }
        assert (fields["input"]["isArray"], fields["input"]["arrayShape"]) == (True, "3,12,12")
        assert fields["split"]["value"] == "train"
        labels = [(row["labels/name"], row["labels/value"]) for row in dataset.records("labels")]
        assert labels == [("land", 0), ("water", 1), ("ice", 2)]

    def test_the_same_without_an_error_in_a_container(self, tmp_path):
        mlstac_hf.write(samples(3), tmp_path, Collection(id="ponds", **DESCRIBED), layout="container")
        document, dataset = written(tmp_path)
        assert "labels" not in sets_of(document)
        assert [row["train_metadata/orbit"] for row in dataset.records("train_metadata")] == [0, 1, 2]
        assert set(sets_of(document, "distribution")) == {"main.json", "train-files", "train/metadata.parquet"}

    def test_nothing_is_said_that_is_not_known(self, tmp_path):
        made = numbered(2, lambda i: sample(i, {"input": np.zeros(3, np.uint8)}, located=False))
        write_samples(tmp_path / "train", made)
        write_main(tmp_path, {"ml:train": {"n_items": 2}})
        document, _ = written(tmp_path)
        assert set(document) == {"@context", "@type", "name", "description", "conformsTo", "distribution", "recordSet"}
        assert document["conformsTo"] == "http://mlcommons.org/croissant/1.1"

    def test_a_collection_without_samples(self, tmp_path):
        write_main(tmp_path, {"id": "bare", "ml:train": {"n_items": 0}, "ml_catalog": {"own": {"n_items": 0}}})
        document, dataset = written(tmp_path)
        assert list(dataset.records("splits")) == [{"splits/name": "train"}, {"splits/name": "own"}]
        assert set(fields_of(document, "train")) >= {"id", "split", "crs"}
        write_main(tmp_path, {"id": "barer"})
        document, _ = written(tmp_path)
        assert "recordSet" not in document

    @pytest.mark.parametrize(
        ("licence", "links", "said"),
        [
            ("ODbL-1.0", [], "https://spdx.org/licenses/ODbL-1.0.html"),
            ("other", [{"rel": "license", "href": "https://example.org/terms"}], "https://example.org/terms"),
            ("MIT OR Apache-2.0", [{"rel": "license", "href": "terms.txt"}], "MIT OR Apache-2.0"),
            (None, [], None),
        ],
    )
    def test_licences(self, tmp_path, licence, links, said):
        write_main(tmp_path, {"id": "x", "ml:train": {"n_items": 0}, "license": licence, "links": links})
        assert written(tmp_path)[0].get("license") == said

    def test_producers_stand_in_for_authors(self, tmp_path):
        providers = [
            {"name": "ESA", "roles": ["producer"], "url": "https://esa.int"},
            {"name": "Host", "roles": ["host"]},
        ]
        write_main(tmp_path, {"id": "x", "ml:train": {"n_items": 0}, "providers": providers})
        document, _ = written(tmp_path)
        assert document["creator"] == [{"@type": "sc:Organization", "name": "ESA", "url": "https://esa.int"}]

    def test_keys_that_no_identifier_can_hold(self, tmp_path):
        user = {"a b/c": "1", "été": "2", "split": "3", "meta_split": "4", "x\U0001f600": "5"}
        made = numbered(1, lambda i: sample(i, {"input": np.zeros(3, np.uint8)}, user=user))
        write_samples(tmp_path / "train", made)
        write_main(tmp_path, {"id": "x", "ml:train": {"n_items": 1}})
        document, _ = written(tmp_path)
        fields = fields_of(document, "train")
        assert {"a b/c", "été", "meta_split", "meta_meta_split"} <= set(fields)
        ids = [field["@id"] for field in fields.values()]
        assert len(set(ids)) == len(ids)
        assert "train/a%20b%2Fc" in ids

    def test_splits_called_like_an_enumeration(self, tmp_path):
        names = ["splits", "labels"]
        for name in names:
            image = {"input": np.zeros(3, np.uint8)}
            write_samples(tmp_path / name, numbered(1, lambda i, image=image: sample(i, image)))
        labels = {"ml:labels": {"labels": {"a": 0}}}
        write_main(tmp_path, {"id": "x", "ml_catalog": {name: {"n_items": 1} for name in names}, **labels})
        document, dataset = written(tmp_path)
        assert [row["splits/name"] for row in dataset.records("splits")] == names
        assert set(sets_of(document)) == {"splits_samples", "labels_samples", "splits", "labels"}


class TestSamples:
    def build(self, folder, *tensors, user=({},), **main):
        def one(index):
            return sample(index, tensors[index % len(tensors)], user=user[index % len(user)])

        write_samples(folder / "train", numbered(len(tensors), one))
        write_main(folder, {"id": "x", "ml:train": {"n_items": len(tensors)}, **main})
        return written(folder)

    def test_shapes_and_dtypes_that_differ(self, tmp_path):
        document, _ = self.build(
            tmp_path,
            {"input": np.zeros((3, 4, 5), np.uint8), "target": np.zeros(2, np.int8), "extra": np.zeros((2, 2))},
            {"input": np.zeros((3, 6, 5), np.uint8), "target": np.zeros(2, np.int16), "extra": np.zeros(2)},
            {"input": np.zeros((3, 6, 5), np.uint8), "target": np.zeros(2, np.int8), "extra": np.zeros((), bool)},
        )
        fields = fields_of(document, "train")
        assert fields["input"]["arrayShape"] == "3,-1,5"
        assert not {"target", "extra"} & set(fields)

    def test_a_text_in_some_samples_is_no_field(self, tmp_path):
        tensors = {"input": np.zeros((3, 4, 5), np.uint8), "target": np.zeros(2, np.int8)}
        image = {"input": tensors["input"]}
        document, _ = self.build(tmp_path / "some", tensors, image, user=[{}, {"target": "é"}])
        assert "target" not in fields_of(document, "train")
        document, _ = self.build(tmp_path / "all", tensors, user=[{"target": "wheat"}])
        assert fields_of(document, "train")["target"]["dataType"] == "cr:Int8"
        assert fields_of(document, "train")["meta_target"]["dataType"] == "sc:Text"

    def test_a_label_refers_to_its_name(self, tmp_path):
        tensors = {"input": np.zeros(2, np.uint8), "target": np.array(1)}
        document, _ = self.build(tmp_path, tensors, **{"ml:labels": {"labels": {"a": 0, "b": 1}}})
        assert fields_of(document, "train")["target"]["references"] == {"field": {"@id": "labels/value"}}

    @pytest.mark.parametrize(
        ("places", "crs", "resolution"),
        [
            ([("EPSG:32633", "465180 ,10 ,0 ,5080250 ,0 ,-10")] * 2, True, 10.0),
            (
                [("EPSG:32633", "465180 ,10 ,0 ,5080250 ,0 ,-10"), ("EPSG:32634", "465180 ,10 ,0 ,5080250 ,0 ,-10")],
                False,
                None,
            ),
            (
                [("EPSG:32633", "465180 ,10 ,0 ,5080250 ,0 ,-10"), ("EPSG:32633", "465180 ,20 ,0 ,5080250 ,0 ,-20")],
                True,
                None,
            ),
            ([("EPSG:32633", "465180 ,10 ,0 ,5080250 ,0 ,-30")] * 2, True, None),
            ([("EPSG:999999", "465180 ,10 ,0 ,5080250 ,0 ,-10")] * 2, True, None),
            ([("EPSG:4326", "10 ,0.1 ,0 ,50 ,0 ,-0.1")] * 2, True, "deg"),
        ],
    )
    def test_one_crs_and_one_resolution_or_none(self, tmp_path, places, crs, resolution):
        user = [{"crs": crs, "geotransform": numbers} for crs, numbers in places]
        document, _ = self.build(tmp_path, *[{"input": np.zeros((2, 4, 4), np.uint8)}] * 2, user=user)
        assert ("geocr:coordinateReferenceSystem" in document) == crs
        found = document.get("geocr:spatialResolution")
        assert (found and (found["unitText"] if resolution == "deg" else found["value"])) == resolution

    def test_boxes_across_the_antimeridian_are_two(self, tmp_path):
        user = [{"crs": "EPSG:32601", "geotransform": "166000 ,1000 ,0 ,1000000 ,0 ,-1000"}]
        document, _ = self.build(tmp_path, {"input": np.zeros((2, 40, 40), np.uint8)}, user=user)
        boxes = [[*map(float, place["geo"]["box"].split())] for place in document["spatialCoverage"]]
        assert [(box[1] > 0, box[3]) for box in boxes[:1]] == [(True, 180.0)]
        assert [(box[1], box[3] < 0) for box in boxes[1:]] == [(-180.0, True)]

    def test_a_bad_sample(self, tmp_path):
        full(tmp_path)
        (tmp_path / "train" / "0000002.safetensors").write_bytes(b"\x01" * 40)
        with pytest.raises(CorruptSampleError, match="0000002"):
            convert(tmp_path, tmp_path, "croissant")
        assert not (tmp_path / "croissant.json").exists()
        with pytest.warns(CollectionWarning, match="1 bad samples left out"):
            written(tmp_path, on_error="skip")


class TestElsewhere:
    def test_containers_on_the_web_are_not_fetched(self, tmp_path, monkeypatch):
        pytest.importorskip("rasterio")
        monkeypatch.setattr("mlstac_hf._reading._container_headers._FIRST_FETCH", 256)  # these are small
        make_containers(tmp_path / "c", places=True, counts={"train": (4, 3)})
        with_server = serve_folder(tmp_path)
        try:
            path = convert(f"{with_server.url}/c/main.json", tmp_path / "out.json", "croissant", target=[4])
            asked = [headers["Range"] for _, path, headers in with_server.requests if "Range" in headers]
            document = json.loads(Path(path).read_text())
            url = with_server.url
        finally:
            with_server.stop()
        assert mlcroissant.Metadata.from_json(mlcroissant.Context(), document).ctx.issues.errors == set()
        ranges = [map(int, text.removeprefix("bytes=").split("-")) for text in asked]
        fetched = sum(last - first for first, last in ranges)
        assert fetched < sum(file.stat().st_size for file in tmp_path.rglob("*.mlstac")) / 3
        fields = fields_of(document, "train")
        assert (fields["input"]["arrayShape"], fields["target"]["arrayShape"]) == ("-1,-1,-1", "-1,-1,-1")
        assert document["spatialCoverage"]["geo"]["box"] == "45.87 14.55 45.87 14.55"
        assert document["temporalCoverage"] == "2020-06-01T10:00:31Z/2020-06-07T10:00:31Z"
        assert document["url"] == f"{url}/c/"
        assert {item.get("contentUrl") for item in document["distribution"]} == {
            f"{url}/c/main.json",
            f"{url}/c/train/metadata.parquet",
            None,
        }

    def test_a_table_that_knows_neither_place_nor_time(self, tmp_path, server):
        pytest.importorskip("rasterio")
        make_containers(tmp_path / "c", counts={"train": (2,)}, rename={"s2_date": "day"})
        make_containers(tmp_path / "d", counts={"train": (2,)}, table=False)
        for name in ("c", "d"):
            path = convert(f"{server.url}/{name}/main.json", tmp_path / "out.json", "croissant")
            document = json.loads(Path(path).read_text())
            assert not {"spatialCoverage", "temporalCoverage"} & set(document)
            assert ("train_metadata" in sets_of(document)) == (name == "c")
