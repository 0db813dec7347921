"""A dataset repository of the Hub that is pushed to, by `huggingface_hub`.

Owns: every request of a push, what the repository holds, commits on top of what we know. Leaves to others: asking again
(`_polite`), what goes up and in which order (`_upload`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from mlstac_hf._errors import MissingExtraError, StoreError
from mlstac_hf._push._manifest import Content
from mlstac_hf._push._polite import patiently, refusals_told
from mlstac_hf._stores._hub import open_hub
from mlstac_hf._stores._hub_address import REPOSITORY, HubAddress, hub_endpoint
from mlstac_hf._version import __version__

_CONFLICTS = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
_KIND = {"repo_type": "dataset"}
_IN_URL = re.compile(rf"(?:(?:.*/)?datasets/|\w+://[^/]+/)({REPOSITORY.pattern})", re.ASCII)
MESSAGE = "Push with mlstac-hf"
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a push goes."""

    repo_id: str
    """`user/repo`. Made where it is not there."""
    revision: str | None = None
    """A branch, made from `main` where it is not there. Default: `main`."""
    token: str | None = field(default=None, repr=False)
    """Default: HF_TOKEN, or that of a login."""
    private: bool | None = None
    """Of a repository that is made. Default: as the owner has set it."""
    message: str = MESSAGE
    """Of the last commit."""

    def __post_init__(self) -> None:
        if not isinstance(self.repo_id, str) or not REPOSITORY.fullmatch(self.repo_id):
            meant = _IN_URL.match(self.repo_id) if isinstance(self.repo_id, str) else None
            hint = f': write "{meant[1]}"' if meant else ""
            raise ValueError(f'expected repo_id to be "user/repo", got {self.repo_id!r}{hint}')

    @property
    def host(self) -> str:
        """Where the Hub is."""
        return hub_endpoint()

    @property
    def branch(self) -> str:
        """By its name."""
        return self.revision or "main"


def base_of(target: Target) -> str:
    """The URL of the files of a branch."""
    return f"{target.host}/datasets/{target.repo_id}/resolve/{quote(target.branch, safe='')}"


def lacking_token(target: Target) -> str | None:
    """What is said where there is no token to push with; None where there is one."""
    from huggingface_hub import get_token

    if target.token or get_token():
        return None
    return "no token was found. Log in with: hf auth login, or set HF_TOKEN, or pass token="


@dataclass(frozen=True, kw_only=True)
class Blob:
    """What a repository holds under a path."""

    oid: str
    """The SHA-256 of a file in LFS, git's id of any other."""
    is_lfs: bool
    nbytes: int

    def holds(self, content: Content) -> bool:
        """Whether it is that."""
        return self.oid == (content.sha256 if self.is_lfs else content.blob)


class Repository:
    """One branch of it.

    Args:
        target: which.

    Attributes:
        files: what it held when it was listed, and what was committed since, by path.
        head: the commit that holds these; None where there is no such branch yet.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
    """

    def __init__(self, target: Target) -> None:
        try:
            import huggingface_hub
        except ImportError:
            raise MissingExtraError(
                "push needs huggingface_hub, which is not installed. Install it with: pip install 'mlstac-hf[hf]'"
            ) from None
        self._target = target
        self._api: Any = huggingface_hub.HfApi(
            endpoint=target.host,
            token=target.token,
            library_name="mlstac-hf",
            library_version=__version__,
        )
        self._to = {"repo_id": target.repo_id, **_KIND}
        self.stop = threading.Event()
        self.files: dict[str, Blob] = {}
        self.head: str | None = None

    @property
    def endpoint(self) -> str:
        """Of the Hub."""
        endpoint: str = self._api.endpoint
        return endpoint

    @property
    def url(self) -> str:
        """For a browser."""
        url = f"{self.endpoint}/datasets/{self._target.repo_id}"
        return url if self._target.branch == "main" else f"{url}/tree/{self._target.branch}"

    def look(self) -> None:
        """List what is there, as one commit holds it. Nothing is made.

        Raises:
            StoreError: the Hub refuses, or cannot be reached.
        """
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        with self._asking("looking into") as ask:
            try:
                info = ask(lambda: self._api.repo_info(**self._to, revision=self._target.branch))
            except GatedRepoError:
                raise
            except (RepositoryNotFoundError, RevisionNotFoundError):
                self.head, self.files = None, {}
                return
            tree = ask(lambda: list(self._api.list_repo_tree(**self._to, recursive=True, revision=info.sha)))
        self.head = info.sha
        self.files = {
            item.path: Blob(oid=item.lfs.sha256 if item.lfs else item.blob_id, is_lfs=bool(item.lfs), nbytes=item.size)
            for item in tree
            if hasattr(item, "blob_id")
        }

    def read(self, path: str) -> bytes | None:
        """A file as it was listed; None where there is none.

        Raises:
            StoreError: the Hub refuses, or cannot be reached.
        """
        if path not in self.files:
            return None
        address = HubAddress(repository=self._target.repo_id, revision=None, path="")
        return open_hub(address, commit=self.head, token=self._target.token).passing().read(path)

    def history(self, revision: str) -> list[str]:
        """The commits of a branch or tag of this repository, newest first.

        Raises:
            StoreError: the Hub refuses, or cannot be reached.
        """
        with self._asking("looking into") as ask:
            commits = ask(lambda: self._api.list_repo_commits(**self._to, revision=revision))
        return [commit.commit_id for commit in commits]

    def prepare(self, start: str | None = None) -> None:
        """Make the repository and the branch where they are not there, and see whether we may write.

        Args:
            start: the commit at which a branch starts. Default: the last one of `main`.

        Raises:
            StoreError: the Hub refuses, or cannot be reached.
        """
        from huggingface_hub import CommitOperationAdd

        with self._asking("opening") as ask:
            if self.head is None:
                ask(lambda: self._api.create_repo(**self._to, private=self._target.private, exist_ok=True))
                if self._target.branch != "main":
                    branch = {"branch": self._target.branch, "revision": start}
                    ask(lambda: self._api.create_branch(**self._to, **branch, exist_ok=True))
        if self.head is None:
            self.look()
        if self.head is None:
            raise StoreError(f"{self._target.repo_id} was made, and cannot be seen yet. Call push again in a minute")
        with self._asking("asking for leave to write to") as ask:  # only who may write is told what goes to LFS
            ask(lambda: self._preupload([CommitOperationAdd("main.json", b"{}")]))

    def send(self, additions: Sequence[Any]) -> None:
        """Bring files to LFS, those of them that belong there and are not there.

        Args:
            additions: huggingface_hub's CommitOperationAdd; the content of those in LFS is then no longer needed, and
                their `path_or_fileobj` is empty bytes.

        Raises:
            StoreError: the Hub refuses, or cannot be reached.
        """
        firsts = {one.upload_info.sha256: one for one in reversed(additions)}.values()
        with self._asking(f"uploading {_named([one.path_in_repo for one in additions])} to") as ask:
            for group in (list(firsts), [one for one in additions if one not in firsts]):  # none twice within a call
                if group:
                    ask(lambda: self._preupload(group))  # noqa: B023 - called at once

    def commit(self, additions: Mapping[str, tuple[Any, Content]], deletions: Sequence[str], message: str) -> None:
        """Change files in one commit, on top of the one we know.

        Where somebody else committed since, or our own commit arrived and its answer did not, the repository is listed
        anew, and what is still to be done is tried once more.

        Args:
            additions: what goes where.
            deletions: paths.
            message: its title.

        Raises:
            StoreError: somebody else pushes here too, the Hub refuses, or cannot be reached.
        """
        for _ in range(2):
            operations = self._left(additions, deletions)
            if not operations or self._committed(operations, message):
                break
            self.look()
        else:
            if self._left(additions, deletions):
                raise StoreError(
                    f"committing to {self._target.repo_id}: somebody else commits to {self._target.branch} at the same "
                    "time, and came first twice. Wait for that to end"
                )
        for path, (addition, content) in additions.items():
            is_lfs = in_lfs(addition)
            oid = content.sha256 if is_lfs else content.blob
            self.files[path] = Blob(oid=oid, is_lfs=is_lfs, nbytes=content.nbytes)
        for path in deletions:
            self.files.pop(path, None)

    def holds(self, path: str, content: Content) -> bool:
        """Whether that is there."""
        return path in self.files and self.files[path].holds(content)

    def _left(self, additions: Mapping[str, tuple[Any, Content]], deletions: Sequence[str]) -> list[Any]:
        from huggingface_hub import CommitOperationDelete

        adding = [addition for path, (addition, content) in additions.items() if not self.holds(path, content)]
        return adding + [CommitOperationDelete(path, is_folder=False) for path in deletions if path in self.files]

    def _committed(self, operations: Sequence[Any], message: str) -> bool:
        """Commit; False where the branch is no longer at the commit we know."""
        from huggingface_hub.errors import HfHubHTTPError

        def commit() -> Any:
            return self._api.create_commit(
                **self._to,
                operations=operations,
                commit_message=message,
                revision=self._target.branch,
                parent_commit=self.head,
            )

        with self._asking("committing to") as ask:
            try:
                self.head = ask(commit).oid
            except HfHubHTTPError as error:
                if error.response is None or error.response.status_code not in _CONFLICTS:
                    raise
                return False
        return True

    def _preupload(self, additions: Sequence[Any]) -> None:
        self._api.preupload_lfs_files(
            **self._to,
            additions=additions,
            revision=self._target.branch,
            gitignore_content="",  # all of it is meant to go up
        )

    @contextmanager
    def _asking(self, doing: str) -> Iterator[Callable[[Callable[[], _Answer]], _Answer]]:
        doing = f"{doing} {self._target.repo_id}"
        with refusals_told(doing, self._target.repo_id):
            yield lambda ask: patiently(ask, doing, self.endpoint, self.stop)


def in_lfs(addition: Any) -> bool:
    """Whether a file that was sent lies in LFS, and is no longer needed here."""
    return bool(addition.path_or_fileobj == b"")


def _named(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


@contextmanager
def their_bars_off() -> Iterator[None]:
    """One bar is enough, unless the user's environment says how it is to be."""
    from huggingface_hub import constants, utils

    bars: Any = utils
    if constants.HF_HUB_DISABLE_PROGRESS_BARS is not None or bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()
