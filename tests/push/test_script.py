"""Scripts for `datasets` before 4: what they give there, what they say, and that they harm nobody else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import datasets
import pytest
from hub_process import run_with_hub
from made import plain
from misbehaving import Answers

import mlstac_hf
from mlstac_hf import StoreError
from mlstac_hf._push._repository import Target
from mlstac_hf._push._script import script_branch

RUNS_SCRIPTS = int(datasets.__version__.partition(".")[0]) < 4
runs_scripts = pytest.mark.skipif(not RUNS_SCRIPTS, reason="datasets from 4 on runs no scripts")
SCRIPTS = Path(__file__).parents[2] / "builder_scripts"


@pytest.fixture
def push(hub, tmp_path, monkeypatch):
    """`mlstac_hf.push` as the owner of user/demo."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    token = hub.token("user")

    def call(address, repo="user/demo", **options):
        cache = str(tmp_path / "cache")
        return mlstac_hf.push(address, repo, token=token, cache_dir=cache, **{"preview": False, **options})

    return call


def held(hub, branch="script", repo="user/demo"):
    return {path: blob.data for path, blob in hub.repositories[repo].at(branch).files.items()}


def commits(hub, branch, repo="user/demo"):
    return len(list(hub.repositories[repo].at(branch).history()))


def lines():
    """Of the table in builder_scripts/README.md: the calls, the formats, what comes of it with and without us."""
    first = 2 if RUNS_SCRIPTS else 3
    for line in (SCRIPTS / "README.md").read_text().splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            yield re.findall("`([^`]+)`", cells[0]), cells[1].split(", "), cells[first], cells[first + 2]


_OUTCOMES = """
    import json, sys
    import datasets
    sys.path.insert(0, "")
    if WITHOUT:
        sys.modules["mlstac_hf"] = None
    else:
        import mlstac_hf
    datasets.disable_progress_bars()
    outcomes = []
    for number, (*before, call) in enumerate(CALLS):
        for line in before:
            exec(line)
        for more in ("", ", streaming=True"):
            more += f", cache_dir='cache{number}'"  # datasets falls back on what others left there
            try:
                loaded = eval(call[:-1] + more + ")")
            except Exception as error:
                outcomes.append([type(error).__name__, str(error)])
            else:
                rows = {split: list(rows) for split, rows in loaded.items()}
                kind = "samples" if "input" in rows["train"][0] else "metadata"
                outcomes.append([kind, {split: [row.get("input") for row in rows[split]] for split in rows}])
    print(json.dumps(outcomes))
"""


@pytest.mark.parametrize("without", [False, True], ids=["with us", "without us"])
@pytest.mark.parametrize("form", ["parquet", "arrow", "raw", "bare", "folder"])
def test_each_line_of_the_table_is_so(hub, push, tmp_path, monkeypatch, form, without):
    made = plain(tmp_path / "folder")
    (tmp_path / "builder_scripts").symlink_to(SCRIPTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTS.parent))
    if form == "bare":
        hub.add_repository("user/demo", made.folder)
    elif form != "folder":
        push(made.address, format=form)
    table = [(calls, kinds[without]) for calls, forms, *kinds in lines() if form in forms and kinds[without]]
    assert table or (form == "bare" and without)
    code = _OUTCOMES.replace("CALLS", repr([calls for calls, _ in table])).replace("WITHOUT", repr(without))
    outcomes = run_with_hub(hub, tmp_path / "home", code)
    for (calls, kind), *two in zip(table, outcomes[::2], outcomes[1::2], strict=True):
        for found, value in two:
            assert (found, calls) == (kind, calls), value
            if kind == "ImportError":
                assert "pip install 'mlstac-hf[hf]'" in value
            elif kind == "RuntimeError":
                assert "scripts are no longer supported" in value
            else:
                for split, samples in made.splits.items():
                    inputs = [sample.shown["input"].tolist() if kind == "samples" else None for sample in samples]
                    assert value[split] == inputs


def test_the_branch_holds_the_script_and_nothing_else(hub, push, collection):
    dry = push(collection.address, dry_run=True)
    assert (dry.script.uploaded, hub.repositories) == (2, {})
    assert "the script for datasets before 4 would go up to" in str(dry)
    pushed = push(collection.address)
    assert set(held(hub)) == {"demo.py", "README.md"}
    assert b'repository = "user/demo"\n    branch = "main"' in held(hub)["demo.py"]
    assert commits(hub, "script") == 2
    assert pushed.script.commit == hub.repositories["user/demo"].at("script").oid
    assert "demo.py" not in held(hub, "main")
    assert b'revision="script"' in held(hub, "main")["README.md"]
    again = push(collection.address, message="Again")
    assert (again.script.uploaded, again.script.commit) == (0, pushed.script.commit)
    assert str(again).endswith(f"the script for datasets before 4 is at {hub.url}/datasets/user/demo/tree/script")
    assert json.loads(json.dumps(again.to_dict()))["script"]["skipped"] == 2


def test_a_script_can_be_left_out(hub, push, collection):
    assert push(collection.address, script=False).script is None
    assert set(hub.repositories["user/demo"].branches) == {"main"}
    assert b"before 4" not in held(hub, "main")["README.md"]


def test_the_script_comes_last(hub, push, collection):
    hub.add(Answers(400), "/api/*/preupload/script")
    with pytest.raises(StoreError, match=r"All is up but the script\. Calling push again brings it"):
        push(collection.address)
    assert "main.json" in held(hub, "main")
    assert "demo.py" not in held(hub)  # the branch was made
    hub.behave()
    push(collection.address)
    assert set(held(hub)) == {"demo.py", "README.md"}


def test_what_the_first_commit_holds_is_not_on_the_branch(hub, push, collection):
    repository = hub.add_repository("user/demo", {})
    first = repository.at("main")
    repository.branches["main"] = type(first)(first.oid, {}, "squashed", None)
    repository.commit("main", {f"old/{number}.txt": b"old" for number in range(120)})
    squashed = repository.at("main")
    repository.branches["main"] = type(first)(squashed.oid, squashed.files, "squashed", None)
    assert len(push(collection.address, dry_run=True).script.files) == 2
    push(collection.address)
    assert set(held(hub)) == {"demo.py", "README.md"}
    assert commits(hub, "script") == 2


def test_a_branch_of_somebody_else_is_left_alone(hub, push, collection):
    repository = hub.add_repository("user/demo", {"notes.txt": b"mine"})
    repository.branches["script"] = repository.at("main")
    repository.commit("script", {"README.md": b"my own scripts", "demo.py": b"import os"})
    before = repository.at("script"), repository.at("main")
    with pytest.raises(ValueError, match=r"the branch 'script' of user/demo .* holds something else.*script=False"):
        push(collection.address)
    assert (repository.at("script"), repository.at("main")) == before
    assert push(collection.address, script=False).uploaded


def test_a_repository_that_has_another_name_by_now(hub, push, collection):
    push(collection.address)
    repository = hub.repositories["user/better"] = hub.repositories.pop("user/demo")
    repository.id = "user/better"
    push(collection.address, "user/better")
    assert set(held(hub, repo="user/better")) == {"better.py", "README.md"}


@pytest.mark.parametrize(
    ("repo", "branch", "expected"),
    [
        ("user/demo", None, "script"),
        ("user/my-data_2", "main", "script"),
        ("user/demo", "v2", "script-v2"),
        ("user/demo", "a/b.c", "script-a/b.c"),
        ("user/demo.v1", None, None),
        ("user/demo", "script", None),
        ("user/demo", "script-v2", None),
        ("user/demo", "refs/pr/1", None),
        ("user/demo", 'v2"', None),
    ],
)
def test_where_a_script_goes(repo, branch, expected):
    assert script_branch(Target(repo_id=repo, revision=branch)) == expected


_READ = """
    import datasets, json
    if __name__ == "__main__":
        datasets.disable_progress_bars()
        found = []
        for call in CALLS:
            try:
                rows = eval(f"datasets.load_dataset({call}, trust_remote_code=True)")
                found.append({name: [row["id"] for row in split] for name, split in rows.items()})
            except Exception as error:
                found.append(f"{type(error).__name__}: {error}")
        print(json.dumps(found))
"""


def read(hub, tmp_path, *calls, **environment):
    """Ids by split, or the error, of each call of `datasets.load_dataset`."""
    script = tmp_path / "reads.py"
    environment["PYTHONPATH"] = str(SCRIPTS.parent)
    return run_with_hub(hub, tmp_path / "home", _READ.replace("CALLS", repr(calls)), script=script, **environment)


@runs_scripts
def test_odd_names_and_other_branches(hub, push, collection, tmp_path):
    push(collection.address, "user/my-data_2")
    push(collection.address, "user/demo", split="train", limit=3)
    push(collection.address, "user/demo", split="train", limit=1, revision="v2")
    push(collection.address, "user/demo.v1")
    dashed, main, streamed, other, dotted, plainly = read(
        hub,
        tmp_path,
        '"user/my-data_2", revision="script"',
        '"user/demo", revision="script"',
        '"user/demo", revision="script", streaming=True',
        '"user/demo", revision="script-v2"',
        '"user/demo.v1", revision="script"',
        '"user/demo.v1"',
    )
    assert {name: len(ids) for name, ids in dashed.items()} == {"train": 5, "validation": 3, "test": 2}
    assert main == streamed == {"train": ["0000001", "0000002", "0000003"]}
    assert other == {"train": ["0000001"]}
    assert "Revision 'script' doesn't exist" in dotted  # datasets could not import it
    assert plainly == dashed


@runs_scripts
@pytest.mark.parametrize("form", ["parquet", "raw"])
def test_a_private_repository_takes_a_token(hub, push, collection, tmp_path, form):
    token = push(collection.address, private=True, format=form) and hub.token("user")
    call = '"user/demo", revision="script"'
    calls = [call, f"{call}, token={token!r}", f"{call}, token={token!r}, streaming=True"]
    refused, cached, streamed = read(hub, tmp_path, *calls)
    assert "doesn't exist on the Hub or cannot be accessed" in refused
    assert cached == streamed == read(hub, tmp_path, call, HF_TOKEN=token)[0]
    assert cached["test"] == ["0000001", "0000002"]


@runs_scripts
def test_what_a_script_may_be_asked(hub, push, collection, tmp_path):
    push(collection.address)
    mlstac = f'"{SCRIPTS / "mlstac.py"}"'
    script = '"user/demo", revision="script"'
    some, named, elsewhere, unknown, local, at_the_hub, nothing, files = read(
        hub,
        tmp_path,
        f"{script}, limit=1, bands=[0], num_proc=2",
        f'{script}, name="metadata"',
        f'{script}, data_dir="folder"',
        f'{script}, columns=["nothing"]',
        f'{mlstac}, data_dir="{collection.folder}", name="metadata"',
        f'{mlstac}, data_dir="user/demo"',
        mlstac,
        f'{mlstac}, data_files="{collection.folder}/test/*"',
    )
    assert some == {"train": ["0000001"], "validation": ["0000001"], "test": ["0000001"]}
    assert "ValueError: this script gives samples, its one config is 'default', got 'metadata'" in named
    assert named.endswith('are read without a script: datasets.load_dataset("user/demo", "metadata")')
    assert "this script reads user/demo at main, and takes neither data_dir nor data_files" in elsewhere
    assert unknown.startswith("UnknownNameError")
    assert local.endswith("are read without a script")
    assert {name: len(ids) for name, ids in at_the_hub.items()} == {"train": 5, "validation": 3, "test": 2}
    assert "Pass data_dir=, the folder that holds main.json" in nothing
    assert files == {"train": ["0000001", "0000002"]}


@runs_scripts
def test_workers_read_a_stream(hub, push, collection, tmp_path):
    pytest.importorskip("torch")
    push(collection.address)
    code = """
    import datasets, json, torch.utils.data
    if __name__ == "__main__":
        found = []
        for method in ("fork", "spawn"):
            options = dict(revision="script", split="train", streaming=True, trust_remote_code=True)
            rows = datasets.load_dataset("user/demo", **options).with_format("mlstac_torch")
            loader = torch.utils.data.DataLoader(rows, None, num_workers=2, multiprocessing_context=method)
            found.append(sorted(row["id"] for row in loader))
        print(json.dumps(found))
    """
    names = [f"000000{number}" for number in range(1, 6)]
    more = {"script": tmp_path / "reads.py", "PYTHONPATH": str(SCRIPTS.parent)}
    assert run_with_hub(hub, tmp_path / "home", code, **more) == [names, names]


def test_our_script_is_that_of_repositories_but_for_what_it_reads(hub, push, collection):
    push(collection.address)
    scripts = held(hub)["demo.py"].decode(), (SCRIPTS / "mlstac.py").read_text()
    ours, other = (text[text.index("try:") : text.index("class ")] for text in scripts)
    assert ours == other
