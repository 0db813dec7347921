"""What a machine lacks is skipped, listed, and fails where everything is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from required import require

TESTS = Path(__file__).parent


def test_what_is_there_is_not_asked_for():
    require(True, "needs nothing")


@pytest.mark.parametrize(("asked", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_what_is_not_there_is_a_skip_or_a_failure(asked, outcome, monkeypatch):
    monkeypatch.setenv("MLSTAC_HF_REQUIRE_ALL", asked)
    with pytest.raises(outcome, match="needs a moon"):
        require("", "needs a moon")


def test_it_is_listed_at_the_end_and_in_a_file(tmp_path):
    test = tmp_path / "test_one.py"
    test.write_text(
        "import pytest\nfrom required import require\n\n"
        "@pytest.mark.parametrize('n', range(3))\ndef test_one(n):\n    require(n, 'needs a moon')\n\n"
        "def test_other():\n    pytest.skip('of no interest')\n"
    )
    listed = tmp_path / "left-out.txt"
    environment = os.environ | {"MLSTAC_HF_LEFT_OUT": str(listed), "MLSTAC_HF_REQUIRE_ALL": "0"}
    options = ["-q", "-p", "no:cacheprovider", f"--confcutdir={TESTS}", f"--rootdir={TESTS.parent}"]
    command = [sys.executable, "-m", "pytest", "-c", TESTS.parent / "pyproject.toml", *options, "-p", "conftest", test]
    environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS / "support"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left out" in done.stdout
    assert listed.read_text() == "1 tests: needs a moon\n"
