"""STAC-GeoParquet: what a table says of samples, and that others read it."""

from __future__ import annotations

import json
import os
import warnings
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
from containers import encode, make_containers, pack
from hypothesis import given, settings
from hypothesis import strategies as st
from items import by_rustac, by_stac_geoparquet, check_valid
from layouts import KINDS, images, write_kind
from publishing import DESCRIBED, LOOSE, samples
from safetensors.numpy import save
from writing import numbered, sample, write_main, write_samples

import mlstac_hf
from mlstac_hf import Collection, CollectionWarning, CorruptSampleError, SchemaMismatchError, convert

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
shapely = pytest.importorskip("shapely")
pytest.importorskip("pyproj")

REAL = ["genA_s2_lulc", "genA_plain", "genB_clouds"]
pytestmark = pytest.mark.filterwarnings(LOOSE)

PONDS = Collection(id="ponds", **DESCRIBED, labels={"land": 0})


def rows_of(path):
    return pq.read_table(path).to_pylist()


def opened(href, folder):
    """The file that a href in a table of a folder points to."""
    if "://" in href:
        with urlopen(href) as answer:
            return answer.read()
    return (Path(folder) / unquote(href)).read_bytes()


def check_oracles(path):
    """What others read is a valid Item for each sample with place and time."""
    rows = rows_of(path)
    placed = [row for row in rows if row["geometry"] is not None]
    readers = [("stac_geoparquet", by_stac_geoparquet)] if placed else []
    readers += [("rustac", by_rustac)] if rows and len(placed) == len(rows) else []
    for package, read in readers:
        pytest.importorskip(package)
        items = read(path)
        assert [item["id"] for item in items] == [row["id"] for row in placed]
        for item, row in zip(items, placed, strict=True):
            if row["datetime"] is not None or row.get("start_datetime") is not None:
                check_valid(item)
            if row["bbox"]["xmin"] <= row["bbox"]["xmax"]:
                assert item["bbox"] == list(shapely.from_wkb(row["geometry"]).bounds)


class TestMadeCollections:
    def test_every_trait(self, trait, tmp_path):
        out = tmp_path / "out put"
        told = pytest.warns(CollectionWarning, match=trait.warns) if trait.warns else nullcontext()
        with told:
            written = convert(trait.address, out, trust_links=trait.refused)
        assert [Path(path).stem for path in written] == list(trait.splits)
        for path, made in zip(written, trait.splits.values(), strict=True):
            rows = rows_of(path)
            assert [row["id"] for row in rows] == [one.typed["id"] for one in made]
            for row, one in zip(rows, made, strict=True):
                self.check(row, one, out)
            check_oracles(path)

    def check(self, row, one, folder):
        typed = one.typed
        start, end = typed["start_datetime"], typed["end_datetime"]
        assert row["datetime"] == (start if end in (None, start) else None)
        assert (row.get("start_datetime"), row.get("end_datetime")) == ((start, end) if end else (None, None))
        assert row.get("proj:code") == typed["crs"]
        if typed["geotransform"]:
            x, width, _, y, _, height = typed["geotransform"]
            assert row["proj:transform"] == [width, 0, x, 0, height, y]
        assert (row["geometry"] is None) == (row["bbox"] is None) == (typed["crs"] is None)
        own = {key: value for key, value in typed.items() if key not in ("id", "crs", "geotransform")}
        own = {key: value for key, value in own.items() if key not in ("start_datetime", "end_datetime")}
        assert {key: row[key] for key in own} == own
        href = row["assets"]["data"]["href"]
        assert unquote(urlsplit(href).path).rpartition("/")[2].partition(".")[0] == one.name
        assert len(opened(href, folder)) > 100
        assert row["mlhf:split"] == Path(unquote(href)).parent.name

    @pytest.mark.parametrize("kind", KINDS)
    def test_both_layouts_say_the_same(self, kind, tmp_path):
        folder = write_kind(kind, tmp_path / "made", {"train": images(3, (2, 8, 6))}, id="one")
        (row, *_) = rows_of(convert(folder, tmp_path / "train.parquet", split="train"))
        assert row["proj:code"] in (None, "EPSG:32633")
        assert row["proj:shape"] == [8, 6]
        if row["geometry"] is not None:
            west, south, east, north = by_rasterio((465180.0, 10.0, 0.0, 5080250.0, 0.0, -10.0), (8, 6))
            assert list(row["bbox"].values()) == pytest.approx([west, south, east, north], abs=2e-7)


def by_rasterio(transform, size, crs="EPSG:32633"):
    """The box of a raster in degrees, by rasterio."""
    warp = pytest.importorskip("rasterio.warp")
    x, width, _, y, _, height = transform
    return warp.transform_bounds(crs, "OGC:CRS84", x, y + height * size[0], x + width * size[1], y, densify_pts=21)


class TestRealCollections:
    @pytest.mark.parametrize("name", REAL)
    def test_every_sample_is_an_item(self, name, real_data, tmp_path):
        if name == "genB_clouds":
            pytest.importorskip("rasterio")
        expected = json.loads((real_data / f"{name}.expected.json").read_text())
        written = convert(real_data / name, tmp_path)
        for path, (split, known) in zip(written, expected["splits"].items(), strict=True):
            rows = rows_of(path)
            assert Path(path) == tmp_path / f"{split}.parquet"
            assert len(rows) == len(known) == expected["n_samples"][split]
            check_oracles(path)
            for row in rows:
                if row["geometry"] is not None:
                    width, _, x, _, height, y = row["proj:transform"]
                    box = by_rasterio((x, width, 0, y, 0, height), row["proj:shape"], row["proj:code"])
                    assert list(row["bbox"].values()) == pytest.approx(box, abs=2e-7)

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    def test_a_range_of_a_container_is_the_payload(self, real_data, tmp_path):
        memory = pytest.importorskip("rasterio.io")
        written = convert(real_data / "genB_clouds", tmp_path, split=["train", "test"])
        for path in written:
            for row in rows_of(path):
                asset = row["assets"]["data"]
                data = opened(asset["href"], tmp_path)
                start = asset["mlhf:byte_offset"]
                payload = data[start : start + asset["mlhf:byte_length"]]
                with memory.MemoryFile(payload) as file, file.open() as raster:
                    assert list(raster.shape) == row["proj:shape"]

    def test_geopandas_reads_it(self, real_data, tmp_path):
        geopandas = pytest.importorskip("geopandas")
        path = convert(real_data / "genA_s2_lulc", tmp_path, split="train")
        frame = geopandas.read_parquet(path)
        assert frame.crs == "OGC:CRS84"
        assert frame.geometry.is_valid.all()
        west, south, east, north = frame.total_bounds
        middle = ((west + east) / 2, (south + north) / 2)
        part = geopandas.read_parquet(path, bbox=(west, south, *middle))
        meets = frame.intersects(shapely.box(west, south, *middle))
        assert 0 < len(part) < len(frame)
        assert set(part["id"]) == set(frame["id"][meets])


class TestFile:
    def test_its_metadata(self, collection, tmp_path):
        path = convert(collection.address, tmp_path / "t.parquet", split="train")
        metadata = pq.read_schema(path).metadata
        assert json.loads(metadata[b"geo"]) == {
            "version": "1.1.0",
            "primary_column": "geometry",
            "columns": {
                "geometry": {
                    "encoding": "WKB",
                    "geometry_types": ["Polygon"],
                    "covering": {"bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}},
                }
            },
        }
        opened = mlstac_hf.open_collection(collection.address)
        said = json.loads(metadata[b"stac-geoparquet"])
        assert said == {"version": "1.1.0", "collections": {opened.id: opened.to_stac()}}

    def test_its_types(self, collection, tmp_path):
        schema = pq.read_schema(convert(collection.address, tmp_path / "t.parquet", split="train"))
        times = pa.timestamp("us", "UTC")
        assert [schema.field(name).type for name in ("datetime", "start_datetime", "end_datetime")] == [times] * 3
        assert schema.field("geometry").type == pa.binary()
        assert len(set(schema.names)) == len(schema.names)

    def test_nothing_is_left_behind_and_a_second_call_replaces_it(self, collection, tmp_path):
        out = tmp_path / "out"
        for _ in range(2):
            convert(collection.address, out)
            assert sorted(os.listdir(out)) == ["test.parquet", "train.parquet", "validation.parquet"]
        assert (out / "train.parquet").stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o22))

    def test_a_bad_sample_leaves_what_was_there(self, collection, tmp_path):
        path = Path(convert(collection.address, tmp_path / "t.parquet", split="train"))
        before = path.read_bytes()
        next(collection.folder.glob("train/0000002*")).write_bytes(b"\x01" * 40)
        with pytest.raises(CorruptSampleError, match="0000002"):
            convert(collection.address, path, split="train")
        assert path.read_bytes() == before
        assert sorted(os.listdir(tmp_path)) == ["plain", "t.parquet"]
        with pytest.warns(CollectionWarning, match="1 bad samples left out"):
            convert(collection.address, path, split="train", on_error="skip")
        assert [row["id"] for row in rows_of(path)] == ["0000001", "0000003", "0000004", "0000005"]

    def test_a_bucket_holds_what_a_folder_does(self, collection, tmp_path):
        (written,) = convert(collection.address, "memory://out/tables", split=["test"])
        assert written == "memory://out/tables/test.parquet" or written.endswith("/out/tables/test.parquet")
        import fsspec

        file = tmp_path / "copy.parquet"
        file.write_bytes(fsspec.filesystem("memory").cat_file("/out/tables/test.parquet"))
        (first, *_) = rows_of(file)
        assert first["assets"]["data"]["href"] == (collection.folder / "test/0000001.safetensors").as_uri()

    def test_a_collection_on_the_web(self, collection, server, tmp_path):
        path = convert(f"{server.url}/plain/main.json", tmp_path / "t.parquet", split="train")
        for row, one in zip(rows_of(path), collection.splits["train"], strict=True):
            assert row["assets"]["data"]["href"] == f"{server.url}/plain/train/{one.name}.safetensors"
            assert row["links"][0]["href"] == f"{server.url}/plain/main.json"
        check_oracles(path)

    def test_columns_of_late_samples_and_many_row_groups(self, tmp_path, monkeypatch):
        monkeypatch.setattr("mlstac_hf._convert._stac_geoparquet._ROW_GROUP", 300)
        made = numbered(
            700, lambda i: sample(i, {"input": np.zeros(1, np.uint8)}, user={"late": "é"} if i > 600 else {})
        )
        write_samples(tmp_path / "c" / "train", made)
        write_main(tmp_path / "c", {"id": "late", "ml:train": {"n_items": 700}})
        path = convert(tmp_path / "c", tmp_path / "t.parquet", split="train")
        assert [row["late"] for row in rows_of(path)] == [None] * 601 + ["é"] * 99
        sizes = [pq.read_metadata(path).row_group(n).num_rows for n in range(pq.read_metadata(path).num_row_groups)]
        assert sizes == [512, 188]


class TestEdges:
    def made(self, folder, user=None, build=None, count=2, **main):
        build = build or (lambda i: sample(i, {"input": np.zeros((2, 4, 4), np.uint8)}, user=user))
        made = numbered(count, build)
        write_samples(folder / "train", made)
        write_main(folder, {"id": "edge", "ml:train": {"n_items": count}, **main})
        return folder

    def row(self, folder, **options):
        path = convert(folder, folder / "t.parquet", split="train", **options)
        check_oracles(path)
        return rows_of(path)[0]

    def test_names_that_stac_has_another_meaning_for(self, tmp_path):
        user = {
            **dict.fromkeys(("datetime", "geometry", "collection", "bbox", "assets", "gsd", "properties", "type"), "x"),
            "proj:epsg": "32633",
            "meta_datetime": "y",
            "title": "t",
            "Ünï cöde": "ü",
            "id": "named",
        }
        row = self.row(self.made(tmp_path, user))
        assert row["id"] == "named"
        assert {key: row[key] for key in row if key.startswith("meta_")} == {
            **{f"meta_{key}": "x" for key in ("geometry", "collection", "bbox", "assets", "gsd", "properties", "type")},
            "meta_meta_datetime": "x",
            "meta_datetime": "y",
            "meta_proj:epsg": "32633",
        }
        assert (row["title"], row["Ünï cöde"]) == ("t", "ü")
        assert isinstance(row["datetime"], datetime)

    def test_types_that_the_collection_declares(self, tmp_path):
        user = {"cloud": "0.5", "orbit": "7", "night": "true", "title": "3", "huge": str(10**30)}
        types = {"cloud": "double", "orbit": "int64", "night": "bool", "title": "int64", "huge": "int64"}
        row = self.row(self.made(tmp_path, user, **{"mlhf:types": types}))
        assert (row["cloud"], row["orbit"], row["night"]) == (0.5, 7, True)
        assert row["meta_title"] == 3  # STAC's is a text
        assert row["huge"] is None

    @pytest.mark.parametrize(
        ("start", "end", "said"),
        [
            ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "both"),
            ("1600-05-03T10:15:30.000001", None, "start"),
            (None, "2020-01-01T00:00:00", "nothing"),
            (None, None, "nothing"),
        ],
    )
    def test_times_beyond_nanoseconds_and_those_that_are_half_known(self, tmp_path, start, end, said):
        user = {key: value for key, value in (("start_datetime", start), ("end_datetime", end)) if value}
        build = lambda i: sample(i, {"input": np.zeros((2, 4, 4), np.uint8)}, user=user, located=False)
        row = self.row(self.made(tmp_path, build=build))
        times = [text and datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)]
        if said == "both":
            assert [row["datetime"], row["start_datetime"], row["end_datetime"]] == [None, *times]
        else:
            assert row["datetime"] == (times[0] if said == "start" else None)
            assert "start_datetime" not in row
            assert "end_datetime" not in row

    @pytest.mark.parametrize(
        ("crs", "transform", "kind"),
        [
            ("EPSG:32601", (166000, 1000, 0, 1000000, 0, -1000), "MultiPolygon"),  # over the antimeridian
            ("EPSG:3413", (-20000, 1000, 0, 20000, 0, -1000), "Polygon"),  # around the north pole
            ("EPSG:4326", (10, 0.1, 0.02, 50, 0.02, -0.1), "Polygon"),  # rotated
            ("EPSG:999999", (0, 1, 0, 0, 0, -1), None),
            ("EPSG:32633", (0, 0, 0, 0, 0, 0), None),
        ],
    )
    def test_places(self, tmp_path, crs, transform, kind):
        user = {"crs": crs, "geotransform": " ,".join(map(str, transform))}
        folder = self.made(tmp_path, build=lambda i: sample(i, {"input": np.zeros((2, 40, 40), np.uint8)}, user=user))
        row = self.row(folder)
        assert row["proj:code"] == crs
        if kind is None:
            assert row["geometry"] is row["bbox"] is None
            return
        geometry = shapely.from_wkb(row["geometry"])
        assert geometry.geom_type == kind
        west, south, east, north = row["bbox"].values()
        if kind == "MultiPolygon":
            assert west > 170 > -170 > east
            assert geometry.bounds == (-180, south, 180, north)
        else:
            assert geometry.bounds == (west, south, east, north)
        if crs == "EPSG:3413":
            assert (west, east, north) == (-180, 180, 90)

    def test_a_split_without_samples_has_all_columns(self, tmp_path):
        write_main(tmp_path, {"id": "bare", "ml:train": {"n_items": 0}})
        (path,) = convert(tmp_path, tmp_path / "out")
        table = pq.read_table(path)
        assert table.num_rows == 0
        assert {"id", "geometry", "bbox", "datetime", "links", "assets", "collection"} <= set(table.column_names)
        assert json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["geometry_types"] == []

    def test_a_collection_without_an_id_has_no_link(self, tmp_path):
        folder = self.made(tmp_path, id="")
        row = self.row(folder)
        assert "collection" not in row
        assert row["links"] == []
        assert json.loads(pq.read_schema(folder / "t.parquet").metadata[b"stac-geoparquet"]) == {"version": "1.1.0"}

    @settings(max_examples=40)
    @given(
        user=st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            max_size=4,
        )
    )
    def test_any_text_survives(self, tmp_path_factory, user):
        folder = tmp_path_factory.mktemp("any")
        self.made(folder, build=lambda i: sample(i, {"input": np.zeros(1, np.uint8)}, user=user), count=1)
        metadata = mlstac_hf.load(folder, "numpy").metadata[0]
        (row,) = rows_of(convert(folder, folder / "t.parquet", split="train"))
        standard = ("id", "crs", "geotransform", "start_datetime", "end_datetime")
        own = [metadata[key] for key in metadata if key not in standard]
        shown = [value for key, value in row.items() if isinstance(value, str) and key not in ("type", "stac_version")]
        assert row["id"] == metadata["id"]
        for text in own:
            shown.remove(text)


class TestContainers:
    def test_columns_keep_their_types_and_null_is_text(self, tmp_path):
        pytest.importorskip("rasterio")
        made = make_containers(tmp_path / "c", places=True)
        table = tmp_path / "c" / "train" / "metadata.parquet"
        known = pq.read_table(table)
        pq.write_table(known.append_column("nothing", pa.nulls(known.num_rows)), table)
        path = convert(made.folder, tmp_path / "t.parquet", split="train")
        rows, schema = rows_of(path), pq.read_schema(path)
        assert [row["id"] for row in rows] == made.names["train"]
        assert schema.field("cloud").type == pa.float64()
        assert schema.field("file").type == pa.int64()
        assert schema.field("nothing").type == pa.string()
        assert rows[1]["datetime"] == datetime(2020, 6, 2, 10, 0, 31, tzinfo=UTC)
        check_oracles(path)

    @pytest.mark.parametrize("column", ["proj_centroid", "geometry", "footprint", "mlhf:footprint"])
    def test_a_place_that_only_the_table_knows(self, tmp_path, column):
        shape = shapely.Point(14.55, 45.87) if column == "proj_centroid" else shapely.box(14, 45, 15, 46)
        payloads = {
            "a": save({"input": np.zeros((2, 4, 4), np.uint8)}),
            "b": save({"input": np.zeros((2, 4, 4), np.uint8)}),
        }
        folder = tmp_path / "c" / "train"
        folder.mkdir(parents=True)
        (folder / "train.mlstac").write_bytes(pack(payloads))
        stored = shapely.to_wkb(shape) if column == "geometry" else shape.wkt
        pq.write_table(pa.table({"datapoint_id": ["a", "b"], column: [stored, None]}), folder / "metadata.parquet")
        catalog = {"train": {"name": "train", "data_files": ["train/train.mlstac"]}}
        write_main(tmp_path / "c", {"id": "c", "ml_catalog": catalog})
        first, second = rows_of(convert(tmp_path / "c", tmp_path / "t.parquet", split="train"))
        assert shapely.from_wkb(first["geometry"]).equals(shape)
        assert second["geometry"] is None

    def test_joined_splits_with_one_name_for_two_types(self, tmp_path):
        pytest.importorskip("rasterio")
        made = make_containers(tmp_path / "c", counts={"train": (2,), "test": (2,)})
        table = made.folder / "test" / "metadata.parquet"
        known = pq.read_table(table)
        pq.write_table(known.set_column(known.column_names.index("file"), "file", [["a", "b"]]), table)
        mlstac_hf.resplit(made.folder, tmp_path / "new", {"all": 1.0})
        with pytest.raises(SchemaMismatchError, match="split 'all': expected 'file' to be int64 in all samples"):
            convert(made.folder, tmp_path / "out", splits=tmp_path / "new")
        assert os.listdir(tmp_path / "out") == []

    def test_padding_is_cut_from_the_footprint_where_that_is_asked_for(self, tmp_path):
        pytest.importorskip("rasterio")
        folder = tmp_path / "c" / "train"
        folder.mkdir(parents=True)
        payload = encode(np.zeros((2, 16, 16), np.uint16))
        (folder / "train.mlstac").write_bytes(pack({"a": payload}))
        table = pa.table({"datapoint_id": ["a"], "proj_shape": [13]})
        pq.write_table(table, folder / "metadata.parquet")
        catalog = {"train": {"name": "train", "data_files": ["train/train.mlstac"]}}
        write_main(tmp_path / "c", {"id": "c", "ml_catalog": catalog})
        (whole,) = rows_of(convert(tmp_path / "c", tmp_path / "t.parquet", split="train"))
        (cut,) = rows_of(convert(tmp_path / "c", tmp_path / "t.parquet", split="train", crop=True))
        assert (whole["proj:shape"], cut["proj:shape"]) == ([16, 16], [13, 13])
        assert cut["proj:transform"][2] == whole["proj:transform"][2] + 30
        whole, cut = (shapely.from_wkb(row["geometry"]) for row in (whole, cut))
        assert cut.area / whole.area == pytest.approx((13 / 16) ** 2, rel=1e-3)


class TestWritten:
    @pytest.mark.parametrize("options", [{}, {"compress": True}, {"layout": "container"}])
    def test_what_write_wrote(self, tmp_path, options):
        mlstac_hf.write(samples(12), tmp_path / "c", PONDS, **options)
        path = convert(tmp_path / "c", tmp_path / "t.parquet", split="train")
        rows = rows_of(path)
        for row, one in zip(rows, samples(12), strict=True):
            assert {key: row[key] for key in ("id", "cloud", "orbit", "night", "note")} == {
                key: one[key] for key in ("id", "cloud", "orbit", "night", "note")
            }
            box = by_rasterio(one["geotransform"], (12, 12))
            assert list(row["bbox"].values()) == pytest.approx(box, abs=2e-7)
        check_oracles(path)

    def test_selections(self, tmp_path):
        pytest.importorskip("cql2")
        mlstac_hf.write(samples(12), tmp_path / "c", PONDS)

        def ids(**selection):
            found = rows_of(convert(tmp_path / "c", tmp_path / "t.parquet", split="train", **selection))
            return [int(row["id"].partition("-")[2]) for row in found]

        assert ids(filter="orbit > 3 AND night = TRUE") == [6, 9]
        assert ids(filter="cast(note, 'text') LIKE '%5 %'", limit=1) == [5]
        assert ids(datetime="2020-01-02/2020-01-04") == [1, 2, 3]
        assert ids(limit=0) == []
        west = by_rasterio(samples_of(3)["geotransform"], (12, 12))
        assert ids(bbox=west)[:2] == [2, 3]
        assert ids(intersects=shapely.Point(west[0] + 1e-4, west[1] + 1e-4)) == [3]

    def test_splits_of_resplit(self, tmp_path):
        mlstac_hf.write(samples(12), tmp_path / "c", PONDS)
        mlstac_hf.write(samples(4), tmp_path / "c", PONDS, split="test")
        mlstac_hf.resplit(tmp_path / "c", tmp_path / "new", {"a": 0.5, "b": 0.5})
        written = convert(tmp_path / "c", tmp_path / "out", splits=tmp_path / "new")
        rows = [row for path in written for row in rows_of(path)]
        assert [Path(path).stem for path in written] == ["a", "b"]
        assert len(rows) == len({row["assets"]["data"]["href"] for row in rows}) == 16

    def test_no_warning_of_others_reaches_the_user(self, collection, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            convert(collection.address, tmp_path)


def samples_of(index):
    return list(samples(index + 1))[index]
