"""What a push did, in words and as JSON."""

import json
from dataclasses import replace

from mlstac_hf._push._result import PushedFile, PushResult


def result(count, there=0, *, deleted=0, dry_run=False):
    return PushResult(
        url="https://hub/datasets/user/demo",
        commit=None if dry_run else "c0ffee",
        files=tuple(
            PushedFile(
                path=f"data/{number}", nbytes=1000, sha256=None if dry_run else "0" * 64, was_there=number < there
            )
            for number in range(count)
        ),
        deleted=tuple(f"data/old-{number}" for number in range(deleted)),
        dry_run=dry_run,
    )


def test_a_push_in_words():
    assert str(result(3, there=1)).splitlines() == [
        "2 of 3 files went up to https://hub/datasets/user/demo, 2.0 kB of 3.0 kB",
        "  data/1  1.0 kB",
        "  data/2  1.0 kB",
        "1 is there already",
        "commit c0ffee",
    ]


def test_a_dry_run_in_words():
    said = str(result(40, there=2, deleted=30, dry_run=True)).splitlines()
    assert said[0] == "38 of 40 files would go up to https://hub/datasets/user/demo, about 38.0 kB of 40.0 kB"
    assert len(said) == 25
    assert said[21:23] == ["  and 18 more", "2 are there already"]
    assert said[23].startswith("30 that are not part of this push would be deleted: data/old-0, data/old-1, ")
    assert said[23].endswith("data/old-19, …")
    assert said[24].startswith("Then the files that are made of these")


def test_as_json():
    facts = json.loads(json.dumps(result(2, there=1, deleted=1).to_dict()))
    assert facts == {
        "url": "https://hub/datasets/user/demo",
        "commit": "c0ffee",
        "dry_run": False,
        "nbytes": 2000,
        "uploaded": 1,
        "skipped": 1,
        "files": [
            {"path": "data/0", "nbytes": 1000, "sha256": "0" * 64, "was_there": True},
            {"path": "data/1", "nbytes": 1000, "sha256": "0" * 64, "was_there": False},
        ],
        "deleted": ["data/old-0"],
        "lacking": [],
        "script": None,
    }


def test_what_a_dry_run_saw_is_lacking_is_said_last():
    told = replace(result(1, dry_run=True), lacking=("no token was found", "push needs Pillow"))
    assert str(told).splitlines()[-2:] == ["Before the push: no token was found", "Before the push: push needs Pillow"]


def test_the_script_is_a_line_more():
    for script, line in (
        (result(2), "went up to"),
        (result(2, there=2), "is at"),
        (result(2, there=1, dry_run=True), "would go up to"),
    ):
        told = str(replace(result(3), script=script)).splitlines()
        assert told[-1] == f"the script for datasets before 4 {line} https://hub/datasets/user/demo"
