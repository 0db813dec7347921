"""Cards: what they say, what they keep, and that all readers read them."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

datasets = pytest.importorskip("datasets")
huggingface_hub = pytest.importorskip("huggingface_hub")

from cards import SPLITS, facts_of, publish  # noqa: E402
from kinds import KINDS  # noqa: E402

import mlstac_hf  # noqa: E402
from mlstac_hf import CollectionWarning  # noqa: E402
from mlstac_hf._push._card import BEGIN, END, make_card  # noqa: E402
from mlstac_hf._push._card_facts import CardFacts, ConfigFacts  # noqa: E402
from mlstac_hf._push._card_keys import keys_of, size_category  # noqa: E402
from mlstac_hf._push._card_yaml import split_readme  # noqa: E402
from mlstac_hf._push._leakage import Leakage  # noqa: E402
from mlstac_hf._push._pictures import CLASSES, MAP, SHEET  # noqa: E402
from mlstac_hf._validate._report import Distance  # noqa: E402


def head_of(card):
    """The YAML as huggingface_hub finds it."""
    return huggingface_hub.DatasetCard(card, ignore_metadata_errors=False).data.to_dict()


class TestKeys:
    @pytest.mark.parametrize(
        ("license_", "found"),
        [
            ("CC-BY-4.0", {"license": "cc-by-4.0"}),
            ("cc-by-4.0", {"license": "cc-by-4.0"}),
            ("ODbL-1.0", {"license": "odbl"}),
            ("C-UDA-1.0", {"license": "c-uda"}),
            ("GPL-3.0-or-later", {"license": "gpl-3.0"}),
            ("MIT AND CC-BY-4.0", {"license": ["mit", "cc-by-4.0"]}),
            ("MIT AND LicenseRef-mine", {"license": "other", "license_name": "mit-and-licenseref-mine"}),
            ("proprietary", {"license": "other", "license_name": "proprietary"}),
            ("Ask <me>, kindly: please", {"license": "other", "license_name": "ask-me-kindly-please"}),
            ("CC BY 4", {"license": "other", "license_name": "cc-by-4"}),  # a guess would be law
            ("NLOD-2.0", {"license": "other", "license_name": "nlod-2.0"}),
            ("???", {"license": "other", "license_name": "other"}),
            ("", {}),
            (None, {}),
        ],
    )
    def test_licences(self, license_, found):
        keys = keys_of(facts_of(collection={"license": license_}))
        assert {key: value for key, value in keys.items() if key.startswith("license")} == found

    def test_where_a_licence_can_be_read(self):
        links = [{"rel": "license", "href": "javascript:x"}, {"rel": "license", "href": "https://a.org/terms"}]
        facts = facts_of(collection={"license": "proprietary", "links": links})
        assert keys_of(facts)["license_link"] == "https://a.org/terms"
        assert "[proprietary](<https://a.org/terms>)." in make_card(facts)

    def test_tasks_and_tags(self):
        keys = keys_of(
            facts_of(
                collection={
                    "task": ["TensorSegmentation", "image-segmentation", "TensorRegression", "my own"],
                    "sensor": "Sentinel-2A",
                    "keywords": ["Land Cover", "x" * 99, "ml-stac", "a: b\n- c", "é"],
                }
            )
        )
        assert keys["task_categories"] == ["image-segmentation"]
        assert keys["tags"][:4] == ["earth-observation", "geospatial", "ml-stac", "remote-sensing"]
        assert keys["tags"][4:] == ["sentinel-2", "sentinel-2a", "msi", "land-cover", "a-b-c"]

    @pytest.mark.parametrize(
        ("count", "category"),
        [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "1M<n<10M"), (10**12, "n>1T")],
    )
    def test_sizes(self, count, category):
        assert size_category(count) == category

    @pytest.mark.parametrize("name", ["demo", "user/a b", "../x", "user/demo/x", 'u/"', "user/é", ""])
    def test_no_repository(self, name):
        with pytest.raises(ValueError, match="name of a repository"):
            facts_of(repo_id=name)


class TestText:
    def facts(self, **more):
        collection = {
            "title": "Ponds",
            "description": "Still *waters*.\n\nSee https://a.org/b_c.",
            "license": "MIT",
            "task": ["TensorSegmentation"],
            "labels": {"water": 0, "reed | rush": 1},
            "sensor": "Sentinel-2",
            "bands": ["B04", "B03", "B02", "B08"],
            "paper": "https://doi.org/10.1234/abc.5",
            "authors": [{"name": "Ada {L}", "organization": "Lab & Co"}],
            "providers": [{"name": "ESA", "roles": ["producer"], "url": "https://esa.int", "description": "x"}],
            "raw_data_url": "https://raw.org",
            "links": [{"rel": "about", "href": "https://about.org"}, {"rel": "self", "href": "https://self.org"}],
            "split_strategy": "by `tile`",
            "annotations": {"statistics": {"input": [{"mean": 1234.5, "std": 10.0}] * 4}},
            "dataset_version": "1.2",
        }
        features = datasets.Features(
            {
                "input": datasets.Array3D((4, 8, 8), "uint16", id="uint16"),
                "target": datasets.Array3D((1, 8, 8), "uint8", id="uint8"),
                "geotransform": datasets.Sequence(datasets.Value("float64"), length=6),
                "boxes": {
                    "data": datasets.Sequence(datasets.Value("float32")),
                    "shape": datasets.Sequence(datasets.Value("int32")),
                },
                "kind": datasets.ClassLabel(names=["a", "b"]),
                "`odd` | <!-- mlstac-hf:end -->": datasets.Value("string"),
            }
        )  # fmt: skip
        leakage = Leakage(
            distances=(
                Distance(splits=("train", "test"), samples=(9, 4), minimum_m=12_345.6, overlapping=0, within_1km=1),
            ),
            shared_ids={("train", "test"): 2},
        )
        fields = {
            "features": features,
            "leakage": leakage,
            "counts": {"train": {"water": 3, "reed | rush": 1}, "test": {"water": 0}},
            "pictures": [SHEET, MAP, CLASSES],
            "bbox": (-4.0, -1.0, 0.0, 1.0),
            "start": datetime(2020, 5, 1, tzinfo=UTC),
            "end": datetime(2021, 5, 1, tzinfo=UTC),
        }
        return facts_of(collection=collection, **{**fields, **more})

    def test_what_it_says(self):
        card = make_card(self.facts())
        for said in (
            "# Ponds\n\nStill \\*waters\\*.\n\nSee <https://a.org/b_c>.",
            "![Samples of this dataset beside their targets](assets/samples.png)",
            "| **Samples** | train 1,200, test 30 |",
            "| **Where** | 1.00° S to 1.00° N, 4.00° W to 0.00° E |",
            "| **When** | 2020-05-01 to 2021-05-01 |",
            "| `input` | uint16 (4, 8, 8) |",
            "| `geotransform` | float64 (6) |",
            "| `boxes` | array whose shape differs by sample |",
            "| `kind` | class, one of 2 |",
            "| 0 | B04 | red | 0.665 | 0.03 | 1234 | 10 |",
            "| 1 | reed \\| rush | 25.0% |",
            "How it was split: by \\`tile\\`",
            "](assets/map.png)",
            "](assets/classes.png)",
            "| test to train | 12.3 km | 0 of 4 | 1 of 4 | 2 |",
            "bbox=(-3, -0.5, -1, 0.5)",
            'datetime="2020-05-01/2021-05-01"',
            'bands=["red", "green", "blue"]',
            "In Keras",
            "  author = {Ada \\{L\\}},\n  doi = {10.1234/abc.5},",
            "[10.1234/abc.5](<https://doi.org/10.1234/abc.5>)",
            "- Raw data: [https://raw.org](<https://raw.org>)",
            "- about: [https://about.org](<https://about.org>)",
            "- [ESA](<https://esa.int>) (producer): x",
            "- Authors: Ada \\{L\\} (Lab &amp; Co)",
        ):
            assert said in card
        assert "self.org" not in card
        assert card.count(END) == 1

    def test_what_is_not_known_is_not_said(self):
        card = make_card(facts_of())
        for word in ("assets/", "## Bands", "## Classes", "### Leakage", "Keras", "Where", "bbox", "## Links", "None"):
            assert word not in card
        assert "names no licence" in card

    def test_code_can_be_run(self):
        for facts in (self.facts(), self.facts(form="raw", script="script")):
            blocks = re.findall(r"```python\n(.*?)\n```", make_card(facts), re.DOTALL)
            assert len(blocks) >= 4
            for block in blocks:
                tree = ast.parse(block)
                used = {
                    n.attr
                    for n in ast.walk(tree)
                    if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "mlstac_hf"
                }
                assert all(hasattr(mlstac_hf, name) for name in used - {"register"})

    def test_raw_repositories_say_how_to_get_pixels(self):
        card = make_card(self.facts(form="raw", script="script"))
        assert '**Plain `datasets.load_dataset("user/demo")` gives metadata rows only, no pixels**' in card
        assert 'mlstac_hf.load_dataset("user/demo", split="train")' in card
        assert "mlstac_hf.register()" in card
        assert 'revision="script", trust_remote_code=True' in card
        assert "No code of this repository" not in card

    def test_names_that_are_no_code(self):
        bands = [{"name": '"]; import os #'}, {"name": "`"}, {"name": "B04"}]
        splits = [SPLITS[0].__class__(name='x"y', n_rows=1, nbytes=1)]
        card = make_card(facts_of(collection={"bands": bands}, splits=splits))
        assert 'bands=["B04"]' in card
        assert 'split="train"' in card

    def test_many_columns_classes_and_bands(self):
        labels = {f"class {number}": number for number in range(200)}
        assert "| and 140 more |" in make_card(facts_of(collection={"labels": labels}))

    @pytest.mark.parametrize(
        "text",
        [
            f"x {END} y",
            f"{BEGIN}",
            "<!-- mlstac-hf:keys {} -->",
            "a\n---\nlicense: mit\n---\n",
            "</table><script>alert(1)</script>",
            "\ud800\x00\u202e",
            "!!python/object/apply:os.system ['x']",
            "'\"{[&*#?|-<>=!%@`",
        ],
    )
    def test_texts_of_a_collection_stay_texts(self, text):
        statistics = {"input": [{"mean": float("nan"), "std": float("inf")}]}
        collection = {
            **dict.fromkeys(("id", "title", "description", "license", "sensor", "paper"), text),
            **dict.fromkeys(("split_strategy", "dataset_version"), text),
            "raw_data_url": f"https://x/{text}",
            "discussion_url": text,
            "keywords": [text],
            "task": [text],
            "labels": {text or "x": 0},
            "bands": [{"name": text, "common_name": text, "description": text, "unit": text, "center_wavelength": 1}],
            "authors": [{"name": text, "organization": text}],
            "providers": [{"name": text, "url": text, "description": text, "roles": [text]}],
            "links": [{"href": text, "rel": "license"}, {"href": f"https://x.org/{text}", "title": text}],
            "annotations": {"statistics": statistics},
        }  # fmt: skip
        facts = facts_of(collection=collection, counts={"train": {text: 3}}, pictures=[SHEET])
        card = make_card(facts)
        card.encode()
        _, body = split_readme(card)
        assert (body.count(BEGIN), body.count(END), body.count("<!-- mlstac-hf:keys")) == (1, 1, 1)
        assert "<script" not in body
        assert head_of(card)["configs"][0]["config_name"] == "default"
        assert make_card(facts, card) == card


PIECES = (
    BEGIN,
    END,
    f"{BEGIN}\nold\n{END}",
    "# My own\n",
    "---",
    "a\r\nb\r\n",
    "\ufeff",
    "```\n",
    '<!-- mlstac-hf:keys {"tags": [1]} -->',
)
WORDS = st.text(max_size=60) | st.sampled_from(PIECES)
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | PLAIN | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3),
    max_leaves=6,
)
OURS = (
    "configs",
    "dataset_info",
    "tags",
    "task_categories",
    "size_categories",
    "pretty_name",
    "license",
    "license_name",
)


class TestExisting:
    @given(st.lists(WORDS, max_size=5).map("".join))
    @example(f"{END}{BEGIN}")
    @example(f"{BEGIN}{BEGIN}x{END}{END}")
    @example("---\nnot a mapping\n---\ntext")
    def test_any_text_survives_two_pushes(self, text):
        assume(not re.match(r"\s*---[\r\n]", text.removeprefix("\ufeff")) or "not a mapping" in text)
        once = make_card(facts_of(), text)
        twice = make_card(facts_of(collection={"title": "Lakes", "license": "MIT"}), once)
        assert make_card(facts_of(collection={"title": "Lakes", "license": "MIT"}), twice) == twice
        expected = re.sub(
            f"{BEGIN}((?:(?!{BEGIN}).)*?){END}", "", text.removeprefix("\ufeff"), count=1, flags=re.DOTALL
        )
        for card in (once, twice):
            body = split_readme(card)[1]
            found = re.sub(f"{BEGIN}\n<!-- mlstac-hf:keys (?:(?!{BEGIN}).)*?{END}", "", body, count=1, flags=re.DOTALL)
            assert found.strip() == expected.strip()

    @given(
        st.dictionaries(PLAIN.filter(lambda key: key not in OURS), VALUES, max_size=4),
        st.sampled_from([None, True, False]),
    )
    def test_any_yaml_survives_two_pushes(self, keys, flow):
        dumped = yaml.safe_dump(keys, allow_unicode=True, default_flow_style=flow, sort_keys=False)
        card = f"---\n{dumped}---\nmine\n"
        for title in ("Ponds", "Lakes"):
            card = make_card(facts_of(collection={"title": title}), card)
            found = yaml.safe_load(
                card.split("---\n")[1] if "---" not in dumped else re.match(r"---\n([\S\s]*?)\n---\n", card)[1]
            )
            assert {key: found.get(key) for key in keys} == keys
            assert found["pretty_name"] == title
        assert "\nmine\n" in card

    def test_lines_stay_as_they_were_typed(self):
        typed = "# about\nlanguage:   [en,   de]\n\n# mine\nextra: >\n  folded\n  text\n"
        typed += "configs:\n- config_name: old\n# end\nz: 'q'\n"
        card = make_card(facts_of(), f"---\n{typed}---\n# Mine\n")
        for line in ("# about", "language:   [en,   de]", "# mine", "  folded", "# end", "z: 'q'"):
            assert f"\n{line}\n" in card
        assert [config["config_name"] for config in head_of(card)["configs"]] == ["default", "old"]
        assert "## ponds" in card  # the page has a title of its own

    def test_what_was_set_by_hand_stays(self):
        card = make_card(facts_of(collection={"license": "MIT", "title": "Ponds", "keywords": ["wet"]}))
        keys = head_of(card)
        edited = card.replace("license: mit", "license: apache-2.0").replace("- wet\n", "- mine\n")
        facts = facts_of(collection={"license": "CC0-1.0", "title": "Lakes", "keywords": ["wet", "new"]})
        with pytest.warns(CollectionWarning, match=r"user/demo has the licence 'apache-2.0' .* has 'CC0-1.0'"):
            again = head_of(make_card(facts, edited))
        assert keys["license"] == "mit"
        assert (again["license"], again["pretty_name"]) == ("apache-2.0", "Lakes")
        assert again["tags"] == ["earth-observation", "geospatial", "ml-stac", "remote-sensing", "mine", "new"]

    @pytest.mark.parametrize(
        ("head", "license_", "kept"),
        [
            ({"license": "apache-2.0"}, "MIT", {"license": "apache-2.0"}),
            ({"license": "apache-2.0"}, "my terms", {"license": "apache-2.0"}),
            ({"license": ["mit", "cc0-1.0"]}, "MIT", {"license": ["mit", "cc0-1.0"]}),
            ({"license": "other", "license_name": "mine"}, "yours", {"license": "other", "license_name": "mine"}),
            ({"license": "other", "license_link": "LICENSE"}, "MIT", {"license": "other", "license_link": "LICENSE"}),
        ],
    )
    def test_two_licences_are_warned_of_and_both_are_named(self, head, license_, kept):
        links = [{"rel": "license", "href": "https://a.org/terms"}]
        facts = facts_of(collection={"license": license_, "links": links})
        card = f"---\n{json.dumps(head)}\n---\n"
        for _ in range(2):  # it says so each time
            with pytest.warns(CollectionWarning, match=f"set by hand, which stays; the collection has '{license_}'"):
                card = make_card(facts, card)
            assert {key: value for key, value in head_of(card).items() if key.startswith("license")} == kept
        [said] = re.findall(r"^## Licence\n\n(.*)$", card, re.MULTILINE)
        name = ", ".join(sorted([head["license"]] if isinstance(head["license"], str) else head["license"]))
        assert said.startswith(
            f"The head of this card names {head.get('license_name', name)}. `main.json` names another"
        )
        assert license_ in said
        assert "**Licence**" not in card

    @pytest.mark.parametrize(
        ("head", "license_", "said"),
        [
            ({"license": "MIT"}, "MIT", "MIT."),
            ({"license": "other", "license_name": "my-terms", "license_link": "LICENSE"}, "my terms", "my terms."),
            ({"license": "mit"}, None, "The head of this card names mit."),
            ({"license": None}, None, "The publisher names no licence. Ask before you use it."),
        ],
    )
    def test_one_licence_is_no_news(self, head, license_, said):
        card = make_card(facts_of(collection={"license": license_}), f"---\n{json.dumps(head)}\n---\n")
        assert head_of(card).get("license") == head["license"]
        assert f"## Licence\n\n{said}\n" in card

    def test_what_we_no_longer_say_goes(self):
        card = make_card(facts_of(collection={"license": "proprietary", "task": ["TensorSegmentation"]}))
        keys = head_of(make_card(facts_of(collection={"license": "MIT"}), card))
        assert keys["license"] == "mit"
        assert not {"license_name", "task_categories"} & set(keys)

    def test_configs_of_the_users_own_stay(self):
        info = datasets.Features({"a": datasets.Value("int64")})
        configs = [ConfigFacts(name="default", splits=SPLITS, pattern="data/{split}-*.arrow", features=info)]
        card = make_card(facts_of(configs=configs))
        keys = head_of(card)
        assert keys["dataset_info"]["config_name"] == "default"  # one is no list
        own = {"config_name": "mine", "data_files": "mine/*", "default": True}
        edited = card.replace("configs:\n", "configs:\n- {config_name: mine, data_files: mine/*, default: true}\n")
        raw = [
            ConfigFacts(
                name="metadata", splits=SPLITS, pattern="metadata/{split}.parquet", features=info, is_default=True
            )
        ]
        keys = head_of(make_card(facts_of(form="raw", configs=raw), edited))
        assert [config["config_name"] for config in keys["configs"]] == ["metadata", "mine"]
        assert keys["configs"][1] == own
        assert "default" not in keys["configs"][0]  # two would be refused
        assert keys["dataset_info"]["config_name"] == "metadata"

    @pytest.mark.parametrize("head", ["a: [1", "a: b: c", "\t- x", "a: &x *y", "? [", "a: !!python/name:os.system"])
    def test_yaml_that_cannot_be_read(self, head):
        with pytest.raises(ValueError, match=r"README.md of the repository.*cannot be read"):
            make_card(facts_of(), f"---\n{head}\n---\ntext")

    def test_a_note_that_was_damaged(self):
        card = make_card(facts_of(collection={"license": "MIT"}))
        for note in ("{oops}", "{}", "{" * 3000 + "}"):
            damaged = re.sub(r"keys \{.*\} -->", lambda _, note=note: f"keys {note} -->", card)
            with pytest.warns(CollectionWarning, match="'mit' .* 'CC0-1.0'"):
                assert head_of(make_card(facts_of(collection={"license": "CC0-1.0"}), damaged))["license"] == "mit"


class TestReaders:
    """huggingface_hub and datasets read it, in the version that runs this."""

    @pytest.mark.parametrize("form", ["parquet", "arrow", "raw"])
    def test_load_dataset(self, form, tmp_path):
        pytest.importorskip("PIL")
        pytest.importorskip("shapely")
        folder = KINDS["segmentation"](tmp_path / "segmentation")
        facts = publish(folder, tmp_path / "repository", form)
        assert isinstance(facts, CardFacts)
        repository, cache = str(tmp_path / "repository"), str(tmp_path / "cache")
        expected = mlstac_hf.load(folder, "numpy")
        loaded = datasets.load_dataset(repository, cache_dir=cache)
        assert {name: part.num_rows for name, part in loaded.items()} == {"train": 7, "validation": 3, "test": 2}
        if form == "raw":
            assert "input" not in loaded["train"].features
        else:
            first = loaded["train"].with_format("numpy")[0]
            assert (first["input"] == expected[0]["input"]).all()
        stream = datasets.load_dataset(repository, "metadata", split="train", streaming=True)
        assert next(iter(stream))["id"] == "sample-0"
        previews = datasets.load_dataset(repository, "preview", split="test", cache_dir=cache)
        assert previews[0]["preview"].size == (48, 40)
        assert previews[0]["target_preview"].size == (48, 40)

    def test_the_hub_takes_it(self, hub, tmp_path):
        from huggingface_hub import HfApi

        card = make_card(TestText().facts())
        path = tmp_path / "README.md"
        path.write_text(card, encoding="utf-8")
        api = HfApi(endpoint=hub.url, token=hub.token("user"))
        api.create_repo("user/demo", repo_type="dataset")
        api.upload_file(path_or_fileobj=path, path_in_repo="README.md", repo_id="user/demo", repo_type="dataset")
        assert len(hub.asked("/api/validate-yaml", "POST")) == 1
        found = huggingface_hub.DatasetCard.load(Path(path))
        assert found.data.license == "mit"
        assert found.data.size_categories == ["1K<n<10K"]
