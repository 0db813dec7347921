"""How long the Hub is given, and what is said when it is not enough."""

import json
import threading
from email.utils import formatdate
from time import time
from types import SimpleNamespace

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from misbehaving import Answers, Having, hang_up  # noqa: E402

from mlstac_hf import StoreError  # noqa: E402
from mlstac_hf._push import _polite  # noqa: E402
from mlstac_hf._push._polite import patiently, wait_after  # noqa: E402


@pytest.fixture
def waits(monkeypatch):
    """What is waited, in place of waiting."""
    found = []

    class Stop(threading.Event):
        def wait(self, seconds):
            found.append(seconds)
            return self.is_set()

    return SimpleNamespace(seconds=found, stop=Stop())


@pytest.fixture
def ask(hub, waits):
    """Ask the Hub what is there, patiently. huggingface_hub asks that once."""
    hub.add_repository("user/demo", {})
    api = huggingface_hub.HfApi(endpoint=hub.url, token=hub.token("user"))
    return lambda: patiently(lambda: api.dataset_info("user/demo"), "asking", hub.url, waits.stop)


@pytest.mark.parametrize("fault", [Answers(500), Answers(502), Answers(503), Answers(408), Answers(429), hang_up])
def test_what_passes_is_asked_again_after_longer_and_longer_waits(hub, ask, waits, fault):
    hub.add(fault, "*", lambda _, number: number < 5)
    assert ask().id == "user/demo"
    assert len(waits.seconds) == 5
    for number, seconds in enumerate(waits.seconds):
        assert 2**number / 2 <= seconds <= 2**number


def test_it_ends(hub, ask, waits):
    hub.add(Answers(503))
    with pytest.raises(
        StoreError, match=r"asking: failed 8 times, \d+ s of waiting between them, last with status 503"
    ):
        ask()
    assert len(hub.requests) == 8


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_does_not_pass_is_asked_once(hub, ask, waits, status):
    hub.add(Answers(status))
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError):
        ask()
    assert (len(hub.requests), waits.seconds) == (1, [])


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_the_hub_says_how_long(hub, ask, waits, status, as_date):
    said = formatdate(time() + 100, usegmt=True) if as_date else "100"
    hub.add(Answers(status, said), "*", lambda _, number: number < 1)
    ask()
    assert 98 <= waits.seconds[0] <= 101


@pytest.mark.parametrize("said", ["soon", "", "-5", "9" * 400, "Wed, 99 Nov 2026"])
def test_what_nobody_can_read_is_passed_over(hub, ask, waits, said):
    hub.add(Answers(503), "*", lambda _, number: number < 1)
    hub.add(Having({"Retry-After": said}), "*", lambda _, number: number < 1)
    if len(said) > 100:
        with pytest.raises(StoreError, match="failed 1 time, 0 s"):
            ask()
        return
    ask()
    assert waits.seconds[0] <= 1


def test_what_the_hub_says_of_its_limits(hub, ask, waits):
    if not hasattr(huggingface_hub.utils, "parse_ratelimit_headers"):
        pytest.skip("this huggingface_hub does not know them")
    hub.add(Answers(429), "*", lambda _, number: number < 1)
    hub.add(Having({"RateLimit": '"api";r=0;t=77'}), "*", lambda _, number: number < 1)
    ask()
    assert 77 <= waits.seconds[0] <= 78


def test_an_hour_is_too_long(hub, ask, waits):
    hub.add(Answers(429, "3600"))
    with pytest.raises(StoreError, match=r"failed 1 time,.*status 429.*It asks to wait 3600 s"):
        ask()
    assert waits.seconds == []


def test_stopped_while_it_waits(hub, ask, waits):
    hub.add(Answers(503))
    waits.stop.set()
    with pytest.raises(StoreError, match="broken off"):
        ask()
    assert len(hub.requests) == 1


def test_answers_that_are_no_json_pass():
    error = json.JSONDecodeError("Expecting value", "no", 0)
    assert _polite.passes(error, "https://hub")
    assert not _polite.passes(ValueError("a name"), "https://hub")


@given(tries=st.integers(1, 40))
def test_waits_grow_to_an_end(tries):
    assert wait_after(ValueError(), tries) <= _polite.LONGEST_WAIT_S
    assert wait_after(ValueError(), tries) >= min(_polite.LONGEST_WAIT_S, 2 ** (tries - 1)) / 2


def test_links_are_not_repeated():
    error = RuntimeError("could not put https://store/abc?X-Amz-Signature=secret\n twice")
    assert _polite.said_by(error) == "RuntimeError: could not put the server twice"


def test_what_hf_xet_says_is_an_error_of_ours():
    with pytest.raises(StoreError, match="uploading: KeyError: 'cas'"), _polite.refusals_told("uploading", "user/demo"):
        raise KeyError("cas")
