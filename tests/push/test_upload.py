"""Pushing to the local Hub by the real client: complete, in order, once, and never half-readable."""

import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from textwrap import dedent

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from hub_process import hub_environment, run_with_hub  # noqa: E402
from misbehaving import Answers, chance, first, hang_up  # noqa: E402
from planning import Plan, shards  # noqa: E402

from mlstac_hf import StoreError  # noqa: E402
from mlstac_hf._push import _polite, _upload  # noqa: E402
from mlstac_hf._push._repository import Target  # noqa: E402
from mlstac_hf._push._stale import UNFINISHED  # noqa: E402
from mlstac_hf._push._upload import upload  # noqa: E402

OWNED = ("data/", "metadata/", "preview/")


@pytest.fixture
def push(hub, tmp_path, monkeypatch):
    """Push a plan as the owner of user/demo."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)  # 0.30 parses its answers by this one
    token = hub.token("user")

    def call(plan, work="work", **options):
        facts = {"repo_id": "user/demo", "token": token, **options.pop("target", {})}
        return upload(plan.files, plan.last, Target(**facts), work=tmp_path / work, owned=OWNED, **options)

    return call


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    slept = time.sleep
    monkeypatch.setattr(_polite, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(time, "sleep", lambda seconds: slept(seconds / 1000))  # huggingface_hub's own pauses


class PlanOf:
    """Planned files that are not those of a `Plan`."""

    def __init__(self, files, last):
        self.files, self.last = files, last


def held(hub, revision="main", repo="user/demo"):
    return {path: blob.data for path, blob in hub.repositories[repo].at(revision).files.items()}


def is_complete(hub, plan, revision="main"):
    files = held(hub, revision)
    return all(files.get(path) == data for path, data in plan.contents.items()) and {"README.md", "main.json"} <= {
        *files
    }


def changes(hub, revision="main"):
    """Of each commit, oldest first: its title, and the paths that it added or replaced, and took away."""
    found = []
    for commit in hub.repositories["user/demo"].at(revision).history():
        before = commit.parent.files if commit.parent else {}
        added = [path for path, blob in commit.files.items() if before.get(path) != blob]
        found.append((commit.title, added, [path for path in before if path not in commit.files]))
    return found[::-1][1:]


def test_a_small_push_is_one_commit(hub, push):
    plan = shards(5)
    result = push(plan)
    assert is_complete(hub, plan)
    [(title, added, gone)] = changes(hub)
    assert (title, set(added), gone) == ("Push with mlstac-hf", {*plan.contents, "README.md", "main.json"}, [])
    assert result.commit == hub.repositories["user/demo"].at("main").oid
    assert [file.path for file in result.files] == [*plan.contents, "README.md", "main.json"]
    assert (result.uploaded, result.skipped, result.deleted, result.dry_run) == (9, 0, (), False)
    assert result.nbytes == sum(len(held(hub)[file.path]) for file in result.files)
    assert result.url == f"{hub.url}/datasets/user/demo"
    assert str(result).startswith(f"9 of 9 files went up to {hub.url}/datasets/user/demo")


def test_what_the_card_is_made_of_is_what_went_up(hub, push):
    plan = shards(3)
    result = push(plan)
    card = held(hub)["README.md"].decode()
    for file in result.files[:-2]:
        assert f"{file.path} {file.sha256} {file.nbytes}\n" in card


def test_a_large_push_is_commits_of_fewer_than_100_files_and_the_card_comes_last(hub, push):
    plan = shards(230)
    push(plan)
    assert is_complete(hub, plan)
    commits = changes(hub)
    assert [len(added) for _, added, _ in commits] == [99, 99, 37]  # the first also brings the card that says so
    order = [path for _, added, _ in commits for path in added if path in plan.contents]
    assert order == list(plan.contents)
    assert all("main.json" not in added for _, added, _ in commits[:-1])
    assert {"README.md", "main.json"} <= {*commits[-1][1]}
    assert [title for title, *_ in commits] == [f"Push with mlstac-hf{part}" for part in (" (part 1)", " (part 2)", "")]
    assert hub.repositories["user/demo"].at("main").parent.files["README.md"].data == UNFINISHED


def test_the_last_commit_has_room_for_the_card(hub, push):
    plan = shards(96)  # and two texts: 98
    push(plan)
    assert [len(added) for _, added, _ in changes(hub)] == [99, 2]  # 98 and the card that says so
    assert {*changes(hub)[-1][1]} == {"README.md", "main.json"}


def test_few_files_are_on_disk_at_a_time(hub, push, tmp_path, monkeypatch):
    monkeypatch.setattr(_upload, "_PARCEL_NBYTES", 1)
    plan = Plan(dict(list(shards(20).contents.items())[:20]))
    push(plan)
    assert max(plan.on_disk[:20]) <= 1
    assert not (tmp_path / "work" / "made").exists()


def test_a_file_is_made_while_the_one_before_it_goes_up(hub, push, monkeypatch):
    monkeypatch.setattr(_upload, "_PARCEL_NBYTES", 1)
    next_begun = threading.Event()
    in_time = []

    def slow(request, reply):
        in_time.append(next_begun.wait(30))
        return reply

    plan = shards(2)
    one, two, *rest = plan.files

    def make(path):
        next_begun.set()
        two.make(path)

    hub.add(slow, "/cdn/*", first(1), "PUT")
    push(PlanOf([one, replace(two, make=make), *rest], plan.last))
    assert in_time[0]
    assert is_complete(hub, plan)


def test_a_second_push_makes_and_commits_nothing(hub, push):
    first_one, second = shards(120), shards(120)
    before = push(first_one)
    hub.reset_counts()
    after = push(second)
    assert second.made == []
    assert (after.commit, after.uploaded, after.skipped) == (before.commit, 0, 124)
    assert hub.asked(".*/commit/.*") == []
    assert len(hub.asked(".*/tree/.*")) == 1
    assert max(hub.puts.values()) == 1


def test_another_machine_makes_anew_and_uploads_nothing(hub, push):
    push(shards(120))
    hub.reset_counts()
    other = shards(120)
    result = push(other, work="elsewhere")
    assert len(other.made) == 124
    assert result.skipped == 124
    assert max(hub.puts.values()) == 1
    assert hub.asked(".*/commit/.*") == []


def test_what_changed_goes_up_and_what_is_stale_goes_away(hub, push):
    push(shards(4))
    hub.repositories["user/demo"].commit("main", {"mine/notes.txt": b"mine", "data.csv": b"mine"})
    plan = shards(3, seed=1)
    result = push(plan)
    assert is_complete(hub, plan)
    _, added, gone = changes(hub)[-1]
    assert {*gone} == {*result.deleted} == {f"data/train-{number:05d}-of-00004.parquet" for number in range(4)}
    assert "metadata/note.txt" not in added  # as it was
    assert held(hub)["mine/notes.txt"] == held(hub)["data.csv"] == b"mine"
    assert "4 that are not part of this push were deleted: data/train-00000-of-00004.parquet" in str(result)


def test_many_stale_files_go_after_the_card(hub, push):
    push(shards(150))
    push(shards(2))
    *_, with_card, after = changes(hub)
    assert {"README.md", "main.json"} <= {*with_card[1]}
    assert (len(with_card[1]) + len(with_card[2]), after[1], len(after[2])) == (99, [], 55)
    assert len([path for path in held(hub) if path.startswith("data/")]) == 2


def test_a_dry_run_only_looks(hub, push, tmp_path):
    result = push(shards(3), dry_run=True)
    assert {(request.method, request.path) for request in hub.requests} == {
        ("GET", "/api/datasets/user/demo/revision/main")
    }
    assert hub.repositories == {}
    assert (result.commit, result.uploaded, result.dry_run, result.nbytes) == (None, 5, True, 3011)
    assert not (tmp_path / "work").exists()
    push(shards(4))
    hub.reset_counts()
    plan = shards(4)
    plan.contents["data/new.parquet"] = b"\0new"
    del plan.contents["metadata/note.txt"]
    result = push(plan, dry_run=True)
    assert {request.method for request in hub.requests} == {"GET"}
    assert len(hub.requests) == 2
    assert plan.made == []
    assert [file.path for file in result.files if not file.was_there] == ["data/new.parquet"]
    assert result.deleted == ("metadata/note.txt",)
    assert "1 of 6 files would go up" in str(result)
    assert "would be deleted: metadata/note.txt" in str(result)


def test_a_branch_is_made_from_main(hub, push):
    hub.add_repository("user/demo", {"notes.txt": b"mine"})
    plan = shards(2)
    result = push(plan, target={"revision": "v2/next"})
    assert is_complete(hub, plan, "v2/next")
    assert held(hub, "v2/next")["notes.txt"] == b"mine"
    assert "main.json" not in held(hub)
    assert result.url.endswith("/tree/v2/next")
    again = push(shards(2), target={"revision": "v2/next"})
    assert again.commit == result.commit


def test_private_is_what_was_asked_for(hub, push):
    push(shards(1), target={"private": True})
    assert hub.repositories["user/demo"].private


def test_files_of_the_user_that_git_ignores_go_up_all_the_same(hub, push):
    hub.add_repository("user/demo", {".gitignore": b"data/\n"})
    plan = shards(2)
    push(plan)
    assert is_complete(hub, plan)


# Failures


def test_a_third_of_all_requests_fail(hub, push):
    hub.add(Answers(503, unheard=True), "*", chance(0.15, seed=1))
    hub.add(Answers(500), "/api/*", chance(0.15, seed=2))  # heard, and the answer is lost
    plan = shards(210)
    calls = 1
    while not is_complete_after(push, plan):
        calls += 1
        assert calls < 10
    assert is_complete(hub, plan)
    assert max(hub.puts.values()) == 1


def is_complete_after(push, plan):
    try:
        push(plan)
    except StoreError:
        return False
    return True


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub, push):
    hub.add(Answers(500), "/api/*/commit/*", first(1))
    plan = shards(3)
    result = push(plan)
    assert len(changes(hub)) == 1
    assert result.commit == hub.repositories["user/demo"].at("main").oid
    assert len(hub.asked(".*/commit/.*")) == 2


def test_dropped_connections_are_made_anew(hub, push):
    hub.add(hang_up, "/api/*/commit/*", first(2))
    hub.add(hang_up, "/api/repos/create", first(1))
    plan = shards(3)
    push(plan)
    assert is_complete(hub, plan)


def test_killed_three_times_it_ends_complete(hub, tmp_path):
    hub.add(Answers(503, unheard=True), "*", chance(0.3, seed=3))
    code = f"""
    import time
    slept = time.sleep
    time.sleep = lambda seconds: slept(seconds / 100)
    from pathlib import Path
    from mlstac_hf import StoreError
    from mlstac_hf._push import _polite
    from mlstac_hf._push._repository import Target
    from mlstac_hf._push._upload import upload
    from planning import shards
    _polite.FIRST_WAIT_S = 0.01
    plan = shards(210)
    target = Target(repo_id="user/demo", token={hub.token("user")!r})
    while True:
        try:
            result = upload(plan.files, plan.last, target, work=Path({str(tmp_path / "work")!r}))
            break
        except StoreError as error:
            assert "goes on" in str(error), error
    print(result.skipped)
    """
    support = ":".join(path for path in sys.path if path)
    environment = hub_environment(hub, tmp_path / "home", PYTHONPATH=support)
    command = [sys.executable, "-W", "ignore", "-c", dedent(code)]
    for enough in (40, 110, 190):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while len(hub.puts) < enough and process.poll() is None:
            hub.stopping.wait(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert "main.json" not in held(hub)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    plan = shards(210)
    assert is_complete(hub, plan)
    assert int(done.stdout) >= 98  # the first commit was not made anew
    assert set(hub.puts.values()) == {1}
    assert len(hub.puts) == 210


def test_somebody_else_commits_meanwhile(hub, push, monkeypatch):
    """Once is nothing; whoever comes first twice is named."""
    plan, repository = shards(3), hub.add_repository("user/demo", {"README.md": b"mine"})
    times = [1]

    answer = type(hub).reply

    def reply(self, request):
        if "/commit/" in request.path and times[0]:
            times[0] -= 1
            repository.commit("main", {"theirs.txt": f"{times}".encode()})
        return answer(self, request)

    monkeypatch.setattr(type(hub), "reply", reply)
    push(plan)
    assert is_complete(hub, plan)
    assert "theirs.txt" in held(hub)
    times[0] = 2
    with pytest.raises(StoreError, match=r"somebody else commits to main at the same time.*Calling push again"):
        push(shards(3, seed=5))
    push(shards(3, seed=5))
    assert is_complete(hub, shards(3, seed=5))


def test_a_file_that_cannot_be_made(hub, push):
    def broken(path):
        raise OSError("no such sample")

    plan = shards(150)
    files = [replace(file, make=broken) if number == 140 else file for number, file in enumerate(plan.files)]
    with pytest.raises(OSError, match="no such sample"):
        push(PlanOf(files, plan.last))
    assert "main.json" not in held(hub)
    again = shards(150)
    result = push(again)
    assert is_complete(hub, again)
    assert set(hub.puts.values()) == {1}
    assert result.skipped >= 98


@pytest.mark.parametrize(
    ("user", "repo", "said"),
    [
        ("stranger", "user/demo", "status 403.*This token may not write to user/demo"),
        ("stranger", "user/new", "status 403.*This token may not write to user/new"),
        (None, "user/demo", "status 401.*token with write permission.*hf auth login"),
        (None, "user/private", "status 401.*token with write permission"),
        ("friend", "user/gated", "status 403.*may not write"),
        ("stranger", "user/private", "may not write"),
    ],
)
def test_who_may_not_write_is_told_before_anything_is_made(hub, push, user, repo, said):
    hub.add_repository("user/demo", {})
    hub.add_repository("user/private", {}, private=True)
    hub.add_repository("user/gated", {}, gated=True, readers={"friend"})
    token = hub.token(user) if user else False
    plan = shards(2)
    with pytest.raises(StoreError, match=said) as caught:
        push(plan, target={"repo_id": repo, "token": token})
    assert plan.made == []
    assert "Secret" not in str(caught.value)


def test_a_token_that_nobody_knows(hub, push):
    hub.add_repository("user/demo", {})
    with pytest.raises(StoreError, match=r"status 401.*Invalid credentials.*token=…") as caught:
        push(shards(1), target={"token": "hf_made_up"})
    assert "made_up" not in str(caught.value)
    assert "made_up" not in repr(Target(repo_id="user/demo", token="hf_made_up"))


def test_a_token_that_ends_half_way(hub, push):
    plan = shards(150)
    tokens = dict(hub.tokens)
    hub.add(Answers(401), "/api/*/commit/*")
    with pytest.raises(
        StoreError, match=r"status 401.*may have expired.*(99|1\d\d) files went up, 0 were there already"
    ):
        push(plan)
    assert hub.tokens == tokens
    hub.behave()
    push(plan)
    assert set(hub.puts.values()) == {1}


def test_links_to_storage_that_expired_are_asked_for_anew(hub, push):
    hub.add(Answers(403, unheard=True), "/cdn/*", first(1), "PUT")
    plan = shards(3)
    push(plan)
    assert is_complete(hub, plan)


def test_another_process_pushes_there(hub, push, tmp_path):
    from mlstac_hf._push._manifest import Manifest

    with Manifest(tmp_path / "work"), pytest.raises(StoreError, match="another process pushes to this branch now"):
        push(shards(1))


def test_what_the_hub_would_not_take_is_refused_before_anything_goes_up(hub, push, monkeypatch):
    from mlstac_hf._push import _limits

    monkeypatch.setattr(_limits, "MAX_FILE_NBYTES", 2000)
    plan = shards(2)
    plan.contents["data/large.parquet"] = bytes(2001)
    with pytest.raises(
        ValueError, match=r"data/large.parquet would have 2,001 bytes, the Hub takes files of up to 2,000"
    ):
        push(plan)
    assert hub.repositories == {}
    monkeypatch.setattr(_limits, "MAX_ENTRIES", 2)
    with pytest.raises(ValueError, match="folder 'data' would have 3 entries"):
        push(shards(3))
    twice = PlanOf([*shards(1).files, *shards(1).files], None)
    with pytest.raises(ValueError, match="is planned twice"):
        push(twice)


def test_a_card_that_is_made_of_too_much(hub, push):
    plan = shards(1)
    many = PlanOf(plan.files, lambda *_: Plan({f"preview/{n}.png": b"\0%d" % n for n in range(100)}).files)
    with pytest.raises(ValueError, match="100 files describe the push, one commit takes 99"):
        push(many)


def test_offline(hub, tmp_path):
    code = f"""
    import json
    from pathlib import Path
    from mlstac_hf import StoreError
    from mlstac_hf._push._repository import Target
    from mlstac_hf._push._upload import upload
    try:
        upload([], lambda stored, card: [], Target(repo_id="user/demo"), work=Path({str(tmp_path / "work")!r}))
    except StoreError as error:
        print(json.dumps(str(error)))
    """
    said = run_with_hub(hub, tmp_path, code, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in said
    assert hub.requests == []


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_refuses_what_is_half_there(hub, tmp_path, streaming):
    pytest.importorskip("datasets")
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({"x": [1, 2]}), buffer)
    shard = {"data/train-00000-of-00002.parquet": buffer.getvalue()}
    hub.add_repository("user/without", shard)
    hub.add_repository("user/demo", {**shard, "README.md": UNFINISHED})
    code = f"""
    import datasets, json
    def load(name):
        try:
            return len(list(datasets.load_dataset(name, split="train", streaming={streaming})))
        except Exception as error:
            return type(error).__name__ + str(error)
    print(json.dumps([load("user/without"), load("user/demo")]))
    """
    without, told = run_with_hub(hub, tmp_path, code)
    assert without == 2
    assert told.startswith(("DataFilesNotFoundError", "FileNotFoundError", "EmptyDatasetError"))
