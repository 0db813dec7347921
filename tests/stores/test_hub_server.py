"""The local Hub, by the real clients."""

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from hub_process import run_with_hub  # noqa: E402
from huggingface_hub import errors  # noqa: E402
from misbehaving import Answers, first  # noqa: E402

LARGE = b"\0" * 3_000_000 + b"end"


@pytest.fixture
def api(hub):
    return huggingface_hub.HfApi(endpoint=hub.url, token=hub.token("user"))


@pytest.fixture
def folder(tmp_path):
    """Text at the top, a large file below, and a name that needs quoting."""
    (tmp_path / "up" / "train").mkdir(parents=True)
    (tmp_path / "up" / "main.json").write_text("{}")
    (tmp_path / "up" / "train" / "a.parquet").write_bytes(LARGE)
    (tmp_path / "up" / "train" / "ü 1%.txt").write_text("ü")
    (tmp_path / "up" / "train" / "empty.bin").touch()
    return tmp_path / "up"


@pytest.fixture
def pushed(api, folder):
    api.create_repo("user/demo", repo_type="dataset")
    return api.upload_folder(repo_id="user/demo", repo_type="dataset", folder_path=folder).oid


def test_what_is_pushed_is_downloaded(api, hub, folder, pushed, tmp_path):
    assert sum(hub.puts.values()) == 1  # the large one; text goes with the commit, and so do empty files
    copy = api.snapshot_download("user/demo", repo_type="dataset", local_dir=tmp_path / "down")
    for file in (file for file in folder.rglob("*") if file.is_file()):
        assert (tmp_path / "down" / file.relative_to(folder)).read_bytes() == file.read_bytes(), copy
    assert api.dataset_info("user/demo").sha == pushed
    assert [file for file in hub.asked("/cdn/.*", "GET") if "Authorization" in file.headers] == []


def test_a_push_of_what_is_there_uploads_nothing(api, hub, folder, pushed):
    again = api.upload_folder(repo_id="user/demo", repo_type="dataset", folder_path=folder)
    (folder / "train" / "copy.parquet").write_bytes(LARGE)
    api.upload_folder(repo_id="user/demo", repo_type="dataset", folder_path=folder)
    assert (again.oid, sum(hub.puts.values())) == (pushed, 1)


def test_commits_branches_and_tags_are_revisions(api, pushed):
    def text(revision):
        path = api.hf_hub_download(
            "user/demo", "main.json", repo_type="dataset", revision=revision, force_download=True
        )
        with open(path, encoding="utf-8") as file:
            return file.read()

    api.create_tag("user/demo", tag="v1", repo_type="dataset")
    api.create_branch("user/demo", branch="feature/script", repo_type="dataset")
    for branch in ("feature/script", "main"):
        api.upload_file(
            repo_id="user/demo", repo_type="dataset", path_in_repo="main.json",
            path_or_fileobj=branch.encode(), revision=branch,
        )  # fmt: skip
    assert [text(name) for name in ("main", "v1", "feature/script", pushed)] == ["main", "{}", "feature/script", "{}"]
    refs = api.list_repo_refs("user/demo", repo_type="dataset")
    assert {ref.name for ref in refs.branches} == {"main", "feature/script"}
    assert [ref.target_commit for ref in refs.tags] == [pushed]
    assert len(api.list_repo_commits("user/demo", repo_type="dataset")) == 3
    api.delete_branch("user/demo", branch="feature/script", repo_type="dataset")
    with pytest.raises(errors.RevisionNotFoundError):
        text("feature/script")


def test_folders_are_listed_in_pages(api, hub, pushed):
    hub.page = 2
    tree = list(api.list_repo_tree("user/demo", repo_type="dataset", recursive=True))
    assert [item.path for item in tree] == [
        ".gitattributes", "main.json", "train", "train/a.parquet", "train/empty.bin", "train/ü 1%.txt",
    ]  # fmt: skip
    assert [item.path for item in api.list_repo_tree("user/demo", repo_type="dataset")][2:] == ["train"]
    assert len(api.get_paths_info("user/demo", ["train/a.parquet", "train", "no"], repo_type="dataset")) == 2
    assert tree[3].lfs.size == len(LARGE)
    with pytest.raises(errors.EntryNotFoundError):
        list(api.list_repo_tree("user/demo", "nothing", repo_type="dataset"))


def test_files_are_deleted(api, pushed):
    api.delete_file("main.json", "user/demo", repo_type="dataset")
    api.delete_folder("train", "user/demo", repo_type="dataset")
    assert api.list_repo_files("user/demo", repo_type="dataset") == [".gitattributes"]
    with pytest.raises(errors.EntryNotFoundError):
        api.delete_file("main.json", "user/demo", repo_type="dataset")


def test_a_commit_on_an_old_one_is_refused(api, pushed):
    api.delete_file("main.json", "user/demo", repo_type="dataset")
    with pytest.raises(errors.HfHubHTTPError, match="412"):
        api.delete_file("train/a.parquet", "user/demo", repo_type="dataset", parent_commit=pushed)


def test_the_filesystem_reads_ranges_and_lists(hub, pushed):
    files = huggingface_hub.HfFileSystem(endpoint=hub.url, token=hub.token("user"), skip_instance_cache=True)
    hub.reset_counts()
    assert files.cat_file("datasets/user/demo/train/a.parquet", start=len(LARGE) - 3, end=len(LARGE)) == b"end"
    assert hub.nbytes_sent < 10_000
    assert {path.rpartition("/")[2] for path in files.glob("datasets/user/demo@main/**/*.parquet")} == {"a.parquet"}


def test_raw_gives_the_pointer_of_a_large_file(hub, pushed):
    import urllib3

    raw = urllib3.request("GET", f"{hub.url}/datasets/user/demo/raw/main/train/a.parquet")
    assert raw.data.startswith(b"version https://git-lfs")
    assert f"size {len(LARGE)}".encode() in raw.data
    assert urllib3.request("GET", f"{hub.url}/datasets/user/demo/raw/main/main.json").data == b"{}"


def test_who_may_read_and_write(hub, tmp_path):
    hub.add_repository("user/private", {"main.json": b"1"}, private=True, readers={"friend"})
    hub.add_repository("user/gated", {"main.json": b"1"}, gated=True, readers={"friend"})

    def read(name, token):
        api = huggingface_hub.HfApi(endpoint=hub.url, token=token)
        api.dataset_info(name)
        api.hf_hub_download(name, "main.json", repo_type="dataset", cache_dir=tmp_path / str(token))

    for user in ("user", "friend"):
        read("user/private", hub.token(user))
        read("user/gated", hub.token(user))
    for token in (False, hub.token("stranger")):
        for name in ("user/private", "user/nothing"):
            with pytest.raises(errors.RepositoryNotFoundError) as caught:
                read(name, token)
            assert not isinstance(caught.value, errors.GatedRepoError)
        with pytest.raises(errors.GatedRepoError):
            read("user/gated", token)
    with pytest.raises(errors.HfHubHTTPError, match="Invalid credentials"):
        read("user/gated", "hf_made_up")
    friend = huggingface_hub.HfApi(endpoint=hub.url, token=hub.token("friend"))
    with pytest.raises(errors.HfHubHTTPError, match="403"):
        friend.delete_file("main.json", "user/private", repo_type="dataset")
    with pytest.raises(errors.HfHubHTTPError, match="403"):
        friend.create_repo("user/theirs", repo_type="dataset")
    with pytest.raises(errors.HfHubHTTPError, match="409"):
        huggingface_hub.HfApi(endpoint=hub.url, token=hub.token("user")).create_repo("user/gated", repo_type="dataset")
    assert friend.whoami()["name"] == "friend"


def test_links_to_large_files_expire(hub):
    import urllib3

    hub.add_repository("user/demo", {"a.parquet": b"x" * 10})
    link = urllib3.request("HEAD", f"{hub.url}/datasets/user/demo/resolve/main/a.parquet", redirect=False)
    assert urllib3.request("GET", link.headers["Location"]).data == b"x" * 10
    assert urllib3.request("GET", link.headers["Location"], headers={"Authorization": "x"}).status == 400
    hub.signature = "s2"
    assert urllib3.request("GET", link.headers["Location"]).status == 403


@pytest.mark.parametrize("unheard", [True, False])
def test_a_request_that_fails_was_heard_or_not(api, hub, pushed, unheard):
    hub.add(Answers(500, unheard=unheard), "/api/*/commit/*", first(1))
    with pytest.raises(errors.HfHubHTTPError, match="500"):
        api.delete_file("main.json", "user/demo", repo_type="dataset")
    assert ("main.json" in hub.repositories["user/demo"].at("main").files) is unheard


def test_datasets_push_and_load(hub, tmp_path):
    code = """
    import datasets, json
    rows = {"x": list(range(50)), "s": [str(i) for i in range(50)]}
    datasets.Dataset.from_dict(rows).push_to_hub("user/rows", token=TOKEN)
    found = datasets.load_dataset("user/rows", split="train", token=TOKEN)
    streamed = datasets.load_dataset("user/rows", split="train", streaming=True, token=TOKEN)
    print(json.dumps([found.to_dict() == rows, [row["x"] for row in streamed] == rows["x"]]))
    """
    assert run_with_hub(hub, tmp_path, code.replace("TOKEN", repr(hub.token("user")))) == [True, True]
    assert sum(hub.puts.values()) == 1
