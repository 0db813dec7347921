"""Whatever was there, wherever a push is broken off: what is read is one push or the other, and it ends complete."""

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from hub import Hub  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from misbehaving import Answers  # noqa: E402
from planning import Plan  # noqa: E402

from mlstac_hf import StoreError  # noqa: E402
from mlstac_hf._push import _polite, _upload  # noqa: E402
from mlstac_hf._push._repository import Target  # noqa: E402
from mlstac_hf._push._stale import UNFINISHED  # noqa: E402
from mlstac_hf._push._upload import upload  # noqa: E402

NAMES = st.sampled_from(
    [f"data/{split}-{number}.{kind}" for split in "ab" for number in "012" for kind in ("bin", "txt")]
)
CONTENTS = st.dictionaries(NAMES, st.binary(min_size=1, max_size=3).map(lambda data: data + b"\0"), max_size=8)


@pytest.fixture(autouse=True)
def _small_commits(monkeypatch):
    monkeypatch.setattr(_upload, "MAX_COMMIT", 4)
    monkeypatch.setattr(_polite, "FIRST_WAIT_S", 0.001)


@given(before=CONTENTS, after=CONTENTS, ends=st.lists(st.integers(0, 12), max_size=3), is_heard=st.booleans())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_push_after_another(monkeypatch, tmp_path_factory, before, after, ends, is_heard):
    with Hub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        target = Target(repo_id="user/demo", token=hub.token("user"))
        work = tmp_path_factory.mktemp("work")
        mine = {"mine.txt": b"mine", "dataset/x.bin": b"\0"}

        def push(plan):
            return upload(plan.files, plan.last, target, work=work, owned=("data/",))

        def held():
            return {path: blob.data for path, blob in hub.repositories["user/demo"].at("main").files.items()}

        hub.add_repository("user/demo", mine)
        first, second = Plan(before), Plan(after)
        push(first)
        whole = held()
        assert whole.items() >= (mine | before).items()
        for end in ends:
            hub.behave()
            hub.add(Answers(400, unheard=not is_heard), "*", after_requests(end))
            try:
                push(second)
            except StoreError:
                said = held()["README.md"]
                assert said != UNFINISHED
                if said != whole["README.md"]:  # then it is all there
                    assert held().items() >= (mine | after).items()
        hub.behave()
        result = push(second)
        extra = {"README.md", "main.json", ".gitattributes"}
        assert {path: data for path, data in held().items() if path not in extra} == mine | after
        assert result.commit == hub.repositories["user/demo"].at("main").oid
        assert set(hub.puts.values()) <= {1}
        assert push(second).uploaded == 0


def after_requests(count):
    """All requests but the first so many, whatever their path."""
    left = [count]

    def strikes(request, number):
        left[0] -= 1
        return left[0] < 0

    return strikes
