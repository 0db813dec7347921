"""The command line: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from containers import make_containers
from safetensors.numpy import save

import mlstac_hf
from mlstac_hf import MissingExtraError, StoreError
from mlstac_hf._cli import _code, _command, _feature, main
from mlstac_hf._demo import make_collection
from mlstac_hf._spec import encode_name


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_collection(tmp_path_factory.mktemp("demo") / "demo", samples=(3, 2, 1), size=16)


@pytest.fixture
def facts(capsys):
    """What `info --json` says of an address, and how it ends."""

    def read(address, *more):
        code = main(["info", str(address), "--json", *more])
        return json.loads(capsys.readouterr().out), code

    return read


def write(folder, main_json, **samples):
    """A collection by hand: `split=[tensors, …]`."""
    folder.mkdir()
    (folder / "main.json").write_text(json.dumps(main_json))
    for split, tensors in samples.items():
        (folder / split).mkdir()
        for index, sample in enumerate(tensors):
            (folder / split / f"{encode_name(index)}.safetensors").write_bytes(save(sample))
    return folder


class TestInfo:
    def test_text(self, demo, capsys):
        assert main(["info", str(demo)]) == 0
        out, err = capsys.readouterr()
        assert not err
        assert max(map(len, out.splitlines())) <= 80
        for expected in (
            r"^Farmland in four seasons \(synthetic\)$",
            r"^  licence  CC0-1\.0$",
            r"^  train +3 +3 +\d+\.\d kB$",
            r"^  3  B08  nir +centre 0\.842 um  width 0\.145 um$",
            r"^  4  built-up$",
            r"^  input +uint16 \(4, 16, 16\)$",
            r"^  geotransform +629910, 10, 0, 5345570, 0, -10$",
        ):
            assert re.search(expected, out, re.MULTILINE), expected

    def test_json(self, demo, facts):
        found, code = facts(demo)
        assert code == 0
        assert found["splits"]["validation"]["declared"] == found["splits"]["validation"]["found"] == 2
        assert found["nbytes"] == sum(path.stat().st_size for path in demo.glob("*/*.safetensors"))
        assert found["first_sample"]["tensors"]["target"] == {"dtype": "uint8", "shape": [1, 16, 16]}
        assert found["first_sample"]["metadata"]["start_datetime"].endswith("Z")
        assert found["labels"]["water"] == 0
        assert found["bands"][3]["common_name"] == "nir"
        assert found["problems"] == []

    def test_of_containers_the_line_that_gives_pixels(self, tmp_path, demo, capsys):
        pytest.importorskip("rasterio")
        pytest.importorskip("pyarrow")
        make_containers(tmp_path / "made")
        assert main(["info", str(tmp_path / "made"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["layout"] == "containers"
        assert main(["info", str(tmp_path / "made")]) == 0
        out = capsys.readouterr().out
        assert "metadata, no pixels" in out
        assert f"mlstac_hf.load_dataset({str(tmp_path / 'made')!r})" in out
        assert main(["info", str(demo)]) == 0
        assert "no pixels" not in capsys.readouterr().out

    def test_collections_of_upstream(self, real_data, facts):
        found, code = facts(real_data / "genA_s2_lulc")
        assert code == 0
        assert found["splits"]["train"]["found"] == 24
        assert len(found["bands"]) == 13
        assert found["first_sample"]["tensors"]["extra"] == {"dtype": "float32", "shape": [1, 32, 32]}

    def test_the_container_layout_is_described_like_the_other(self, real_data, facts):
        pytest.importorskip("rasterio")
        pytest.importorskip("pyarrow")
        found, code = facts(real_data / "genB_clouds")
        assert code == 0
        assert found["splits"]["train"]["found"] == 22
        assert found["splits"]["train"]["nbytes"] > 100_000
        assert found["first_sample"]["tensors"] == {"input": {"dtype": "uint16", "shape": [5, 64, 64]}}
        assert found["first_sample"]["metadata"]["label_type"] == "high"

    def test_over_http_only_what_is_known(self, demo, facts, server, capsys):
        server.folder = demo
        found, code = facts(f"{server.url}/main.json")
        assert code == 0
        assert found["splits"]["train"] == {"declared": 3, "found": None, "nbytes": None}
        assert found["nbytes"] is None
        assert main(["info", server.url]) == 0
        assert re.search(r"^  train +3 +- +-$", capsys.readouterr().out, re.MULTILINE)

    def test_a_login_is_not_printed(self, demo, facts, server):
        server.folder = demo
        found, code = facts(server.url.replace("http://", "http://me:hush@"))
        assert (found["address"], code) == (server.url, 0)

    def test_a_text_in_a_tensors_place(self, tmp_path, facts, capsys):
        folder = write(tmp_path / "texts", {"id": "texts", "ml:train": {"n_items": 1}, "ml:task": ["TensorToText"]})
        (folder / "train").mkdir()
        image = np.zeros((2, 3), np.float32)
        data = save({"input": image}, metadata={"target": "a river\nand \x1b[31m fields", "isText": "1"})
        (folder / "train" / "0000001.safetensors").write_bytes(data)
        found, _ = facts(folder)
        assert found["first_sample"]["tensors"] == {
            "input": {"dtype": "float32", "shape": [2, 3]},
            "target": {"dtype": "text"},
        }
        assert main(["info", str(folder)]) == 0
        assert re.search(r"^  target +text$", capsys.readouterr().out, re.MULTILINE)

    def test_a_bad_first_sample_hides_nothing_else(self, tmp_path, capsys):
        folder = make_collection(tmp_path / "demo", samples=(2, 1, 0), size=16)
        (folder / "train" / "0000001.safetensors").write_bytes(b"torn")
        assert main(["info", str(folder)]) == 1
        out, err = capsys.readouterr()
        assert re.search(r"^  train +2 +2 ", out, re.MULTILINE)
        assert "First sample of validation" in out
        assert err.startswith("error: train/0000001.safetensors (sample 0)")

    def test_a_count_that_disagrees_is_one_line(self, tmp_path, capsys):
        folder = make_collection(tmp_path / "demo", samples=(3, 0, 0), size=16)
        (folder / "train" / "0000003.safetensors").unlink()
        assert main(["info", str(folder)]) == 0
        err = capsys.readouterr().err
        assert err.startswith("warning: ")
        assert "claims 3 samples, the folder holds 2" in err
        assert err.count("\n") == 1

    def test_a_bare_collection(self, tmp_path, capsys):
        folder = write(tmp_path / "bare", {})
        assert main(["info", str(folder)]) == 0
        out = capsys.readouterr().out
        assert out.startswith("(no title)\n")
        assert "Splits" not in out

    def test_much_is_capped_and_strange_is_shown(self, tmp_path, capsys):
        labels = {f"class {value}": value for value in range(1000)} | {"\x1b[2Jwiped": 1000}
        spectral = {"bands": [{"name": "\x1b]0;mine\x07", "center_wavelength": 4.2}], "axis": None}
        folder = write(
            tmp_path / "odd",
            {"id": "x" * 500, "ml:labels": {"labels": labels}, "ml:spectral": spectral, "ml:train": {"n_items": 0}},
        )
        assert main(["info", str(folder)]) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "and 977 more" in out
        assert "x" * 197 + "...\n" in out
        assert "centre 4.2" in out
        assert "\nBands\n" in out

    def test_trusted_links(self, tmp_path, facts):
        elsewhere = make_collection(tmp_path / "elsewhere", samples=(1, 0, 0), size=16)
        folder = write(tmp_path / "links", {"id": "links", "train": {"n_items": 1, "link": f"{elsewhere}/train"}})
        refused, code = facts(folder)
        assert code == 1
        assert "trust_links=True" in refused["problems"][0]
        followed, code = facts(folder, "--trust-links")
        assert code == 0
        assert followed["splits"]["train"]["found"] == 1


class TestEnds:
    def test_a_selection_is_counted(self, demo, facts, capsys):
        pytest.importorskip("cql2")
        pytest.importorskip("shapely")
        asked = ["--filter", "CAST(cloud_fraction, 'float') < 0.1", "--datetime", "2021/2023"]
        found = facts(demo, *asked)[0]["splits"]["train"]
        expected = mlstac_hf.load(demo, "numpy", filter=asked[1], datetime=asked[3])
        assert found["selected"] == len(expected)
        assert 0 < found["selected_nbytes"] < found["nbytes"]
        assert main(["info", str(demo), "--bbox", "-17,-48,-15,-47"]) == 0  # a west that begins with a minus
        assert "selected size" in capsys.readouterr().out

    def test_a_selection_that_cannot_be_is_a_wrong_call_told_once(self, demo, capsys):
        pytest.importorskip("cql2")
        pytest.importorskip("pyarrow")
        assert main(["info", str(demo), "--filter", "nope = 1"]) == 2
        assert capsys.readouterr().err.count("no column 'nope'") == 1

    def test_the_line_for_planes_works_as_it_is_shown(self, tmp_path, capsys):
        pytest.importorskip("rasterio")
        pytest.importorskip("pyarrow")
        make_containers(tmp_path / "boxes")
        assert main(["info", str(tmp_path / "boxes")]) == 0
        shown = capsys.readouterr().out
        assert "planes 0 to 4, all of them input" in shown
        (line,) = [line.strip() for line in shown.splitlines() if "target=[" in line]
        line = line.replace("load(", "load(framework='numpy', address=")
        assert eval(line)[0]["target"].shape == (1, 16, 16)  # our own line
        document = json.loads((tmp_path / "boxes" / "main.json").read_text())
        (tmp_path / "boxes" / "main.json").write_text(json.dumps({**document, "mlhf:target_planes": [4]}))
        assert main(["info", str(tmp_path / "boxes")]) == 0
        assert "the target is 4" in capsys.readouterr().out

    def test_nothing_there(self, tmp_path, capsys):
        assert main(["info", str(tmp_path / "nothing")]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.startswith("error: nothing at")
        assert "Traceback" not in err

    def test_broken_main_json(self, tmp_path, capsys):
        (tmp_path / "main.json").write_text("{")
        assert main(["info", str(tmp_path)]) == 1
        assert "expected JSON" in capsys.readouterr().err

    def test_network_failed(self, monkeypatch, capsys):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert main(["info", "http://127.0.0.1:9/main.json"]) == 3
        assert "HF_HUB_OFFLINE" in capsys.readouterr().err

    @pytest.mark.parametrize("argv", [[], ["info"], ["publish"], ["info", "x", "--frobnicate"]])
    def test_wrong_call(self, argv, capsys):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("usage: mlstac-hf")

    def test_wrong_address(self, capsys):
        assert main(["info", "http://[broken"]) == 2
        assert capsys.readouterr().err.startswith("error: ")

    def test_version(self, capsys):
        with pytest.raises(SystemExit) as ended:
            main(["--version"])
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"mlstac-hf {mlstac_hf.__version__}\n"

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (StoreError("no"), 3),
            (PermissionError("no"), 3),
            (MissingExtraError("no"), 2),
            (ValueError("no"), 2),
            (FileExistsError("no"), 2),
            (mlstac_hf.InvalidCollectionError("no"), 1),
            (mlstac_hf.CorruptSampleError("no"), 1),
            (mlstac_hf.LinkRefusedError("no"), 1),
        ],
    )
    def test_codes(self, error, code):
        assert _code(error) == code

    def test_a_reader_that_leaves_early(self, demo):
        with subprocess.Popen(
            [sys.executable, "-m", "mlstac_hf", "info", demo],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait() == 0


class TestDemo:
    @pytest.fixture(autouse=True)
    def _extras(self, monkeypatch, tmp_path):
        pytest.importorskip("matplotlib")
        datasets = pytest.importorskip("datasets")
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("bars", [True, False])
    def test_everything(self, capsys, tmp_path, bars):
        import datasets

        (datasets.enable_progress_bars if bars else datasets.disable_progress_bars)()
        try:
            assert main(["demo", "--out", "my demo"]) == 0
            assert datasets.are_progress_bars_disabled() != bars
        finally:
            datasets.enable_progress_bars()
        out, err = capsys.readouterr()
        assert not err
        steps = re.findall(r"^  ([a-z_, ]+?) +\d+\.\d{3} s   \S", out, re.MULTILINE)
        assert steps == [
            "make_collection",
            "open_collection",
            "load, numpy",
            "import datasets",
            "load_dataset",
            "contact sheet",
        ]
        assert re.search(r"^  input +Array3D \(4, 64, 64\) uint16$", out, re.MULTILINE)
        assert "24 samples" in out
        assert "40 rows" in out
        assert max(map(len, out.splitlines()[:-3])) <= 100
        assert (tmp_path / "my demo" / "contact-sheet.png").read_bytes().startswith(b"\x89PNG")
        if bars:
            info, load, _ = [shlex.split(line) for line in out.rstrip().splitlines()[-3:]]
            assert main(info[1:]) == 0
            assert os.path.basename(load[0]) == "python"
            ran = subprocess.run([sys.executable, *load[1:]], capture_output=True, text=True, check=True)
            assert ran.stdout.startswith("[[[")

    def test_a_folder_with_something_else_in_it(self, capsys, tmp_path):
        (tmp_path / "thesis.txt").write_text("years of work")
        assert main(["demo", "--out", str(tmp_path)]) == 2
        assert "thesis.txt" in capsys.readouterr().err
        assert os.listdir(tmp_path) == ["thesis.txt"]

    @pytest.mark.parametrize(
        ("names", "said"),
        [
            (["matplotlib"], "matplotlib, which is not"),
            (["datasets", "matplotlib"], "datasets and matplotlib, which are not"),
        ],
    )
    def test_without_the_extras(self, capsys, tmp_path, monkeypatch, names, said):
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)
        assert main(["demo"]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert "pip install 'mlstac-hf[hf,plot]'" in err
        assert not os.listdir(tmp_path)

    def test_commands_are_those_of_this_environment(self, tmp_path, monkeypatch):
        for environment in ("one", "two words"):
            (tmp_path / environment).mkdir()
            (tmp_path / environment / "python").touch(mode=0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "two words" / "python3"))
        monkeypatch.setenv("PATH", str(tmp_path / "two words"))
        assert _command("python") == _command("absent").replace("absent", "python") == "python"
        monkeypatch.setenv("PATH", str(tmp_path / "one"))
        assert shlex.split(_command("python")) == [os.path.join("two words", "python")]
        monkeypatch.chdir(tmp_path / "one")
        assert shlex.split(_command("python")) == [str(tmp_path / "two words" / "python")]

    def test_features_in_words(self):
        from datasets import Array2D, ClassLabel, Value

        assert _feature(Array2D((2, 3), "uint8")) == "Array2D (2, 3) uint8"
        assert _feature(Value("string")) == "Value string"
        assert _feature(ClassLabel(names=["a"])) == "ClassLabel int64"
