"""The loading script of a repository, for `datasets` before 4, on a branch of its own.

Owns: the branch, what it holds, whether it may be changed. Leaves to others: what the script does (`_hf._script`),
requests (`_repository`).

At the root of a branch that people load, a script breaks `datasets` from 4 on. On a branch of its own nobody meets it
who does not ask for it. It goes there after all else, so that it never leads to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mlstac_hf._push._manifest import Content
from mlstac_hf._push._repository import Repository, Target, their_bars_off
from mlstac_hf._push._result import PushedFile, PushResult

SCRIPT = "script"
_PLAIN = re.compile(r"[\w./-]+", re.ASCII)
_NONE = re.compile(rf"refs/|{SCRIPT}(-|$)")
_CARD = "README.md"
_MARK = b"<!-- mlstac-hf:script -->"
"""In the README.md of a branch that we made. Another branch of that name is somebody else's."""
_SCRIPT = '''\
"""The samples of {repo_id} for `datasets` before 4; later ones run no scripts, and need none.

datasets.load_dataset("{repo_id}", revision="{revision}", trust_remote_code=True)
"""

try:  # indented, so that datasets leaves it to us to say what is missing
    from mlstac_hf._hf._script import Script
except ImportError as error:
    raise ImportError("this script reads with mlstac-hf. Install it with: pip install 'mlstac-hf[hf]'") from error


class Samples(Script):
    """Reads the branch below, of the repository below."""

    repository = "{repo_id}"
    branch = "{branch}"
'''
_README = """\
---
viewer: false
---
<!-- mlstac-hf:script -->
# The script of {repo_id}

This branch holds a loading script for [`datasets`](https://huggingface.co/docs/datasets) before 4, and nothing else.
With `pip install 'mlstac-hf[hf]'` these read the samples that are on [{branch}]({url}):

```python
from datasets import load_dataset

dataset = load_dataset("{repo_id}", revision="{revision}", trust_remote_code=True)
```

From `datasets` 4 on, which runs no scripts, leave out `revision` and `trust_remote_code`.
"""


def script_branch(target: Target) -> str | None:
    """Where the script of a pushed branch goes.

    Returns:
        `script` for `main`, `script-x` for a branch x. None where there is none: of a pull request; of what is pushed
        to such a branch itself; where the branch has a strange name; where a dot in the name of the repository keeps
        `datasets` from importing any script.
    """
    branch = target.branch
    if "." in target.repo_id or not _PLAIN.fullmatch(branch) or _NONE.match(branch):
        return None
    return SCRIPT if branch == "main" else f"{SCRIPT}-{branch}"


class ScriptBranch:
    """The branch of a script.

    Args:
        target: of the push that the script reads.
        branch: that of the script; see `script_branch`.

    Raises:
        ValueError: there is a branch of that name, and we did not make it.
        StoreError: the Hub refuses, or cannot be reached.
    """

    def __init__(self, target: Target, branch: str) -> None:
        self._read, self._branch = target, branch
        self._repository = Repository(replace(target, revision=branch))
        self._repository.look()
        if self._repository.head is None or _MARK in (self._repository.read(_CARD) or b""):
            return
        if self._repository.head not in self._repository.history(target.branch):  # of a push that was broken off
            raise ValueError(
                f"the branch {branch!r} of {target.repo_id} is where the script for datasets before 4 goes, and holds "
                f"something else. Rename that branch, or push with script=False (--no-script)"
            )

    def bring(self, *, dry_run: bool) -> PushResult:
        """Make the branch hold the script and a card, and nothing else. Where it does, nothing is changed.

        Raises:
            StoreError: the Hub refuses, or cannot be reached.
        """
        there = self._repository
        files = self._files()
        contents = {path: Content.of(data) for path, data in files.items()}
        was_there = {path: there.holds(path, content) for path, content in contents.items()}
        stale = sorted(there.files.keys() - files.keys())
        if not dry_run and (stale or not all(was_there.values())):
            self._change(files, contents)
        return PushResult(
            url=there.url,
            commit=None if dry_run else there.head,
            files=tuple(
                PushedFile(path=path, nbytes=one.nbytes, sha256=one.sha256, was_there=was_there[path])
                for path, one in contents.items()
            ),
            deleted=tuple(stale),
            dry_run=dry_run,
        )

    def _change(self, files: Mapping[str, bytes], contents: Mapping[str, Content]) -> None:
        from huggingface_hub import CommitOperationAdd

        there = self._repository
        with their_bars_off():
            start = there.history(self._read.branch)[-1] if there.head is None else None  # which holds the least
            there.prepare(start=start)
            additions = {
                path: CommitOperationAdd(path_in_repo=path, path_or_fileobj=data) for path, data in files.items()
            }
            there.send(list(additions.values()))
            there.commit(
                {path: (addition, contents[path]) for path, addition in additions.items()},
                sorted(there.files.keys() - files.keys()),
                self._read.message,
            )

    def _files(self) -> dict[str, bytes]:
        repo_id = self._read.repo_id
        facts = {
            "repo_id": repo_id,
            "branch": self._read.branch,
            "revision": self._branch,
            "url": f"{self._read.host}/datasets/{repo_id}/tree/{self._read.branch}",
        }
        name = repo_id.partition("/")[2]
        return {f"{name}.py": _SCRIPT.format(**facts).encode(), _CARD: _README.format(**facts).encode()}
