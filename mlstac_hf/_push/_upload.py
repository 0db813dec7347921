"""Bringing planned files to a repository of the Hub, so that it can be broken off anywhere and gone on with.

Owns: the order of making, uploading and committing. Leaves to others: what the files are (`_planned`), requests
(`_repository`), asking again (`_polite`), what is remembered (`_manifest`).

A file is made, goes to LFS and is deleted here, while the next one is made. Commits of at most 99 files follow in
order. What a push adds to a repository is seen as follows.

* Up to 99 files, the card and `main.json` included: all of it appears in one commit, and what is stale goes with it.
* More than that: shards appear in several commits, the last of which brings the card and `main.json` and takes away
  what is stale. Where there was no card, the first one brings `UNFINISHED`, a card that makes `datasets` refuse rather
  than read the half that is there. Where there was one, of an earlier push, it stays until the end and still names its
  own files; those that bear the name of a new one are replaced one by one. Who needs the earlier push meanwhile reads
  it by the hash of its commit, or by a tag.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mlstac_hf._errors import StoreError
from mlstac_hf._push._limits import MAX_COMMIT, check_limits, check_size
from mlstac_hf._push._manifest import Content, Manifest, git_id, known_in
from mlstac_hf._push._planned import PlannedFile, StoredFile
from mlstac_hf._push._repository import Repository, Target, in_lfs, their_bars_off
from mlstac_hf._push._result import PushedFile, PushResult
from mlstac_hf._push._stale import CARD, UNFINISHED, check_ours, stale

_PARCEL_NBYTES = 64 << 20
_PARCEL_FILES = 32
"""Small files go up together."""
_MAX_GIT_NBYTES = 10 << 20
"""Of a file that the Hub takes into git; larger ones go to LFS."""
_MAX_INLINE_NBYTES = 32 << 20
"""Of such files in one commit, which carries them within."""

Last = Callable[[Mapping[str, StoredFile], str | None], Sequence[PlannedFile]]


def upload(
    files: Sequence[PlannedFile],
    last: Last,
    target: Target,
    *,
    work: Path,
    owned: Sequence[str] = (),
    is_ours: Callable[[str], bool] | None = None,
    dry_run: bool = False,
) -> PushResult:
    """Bring files to a repository; called again, it goes on where it stopped, and changes nothing where all is there.

    Args:
        files: in the order in which they go up. Those that are there are not made.
        last: called when all of these are up, with what is up by path, and the card that was there, if one was; gives
            the files that describe them, the card and `main.json`, which land in the very last commit.
        target: where to.
        work: folder for the manifest and for files while they are made: two at a time, or two groups of small ones of
            64 MiB. See `work_folder`.
        owned: how paths begin that are ours, such as `data/`. What is there and not part of this push is deleted.
        is_ours: whether a card is that of an earlier push; without such a card nothing that somebody else put there is
            deleted. Default: whatever is there may go.
        dry_run: only look at what is there.

    Returns:
        What went up, or would.

    Raises:
        ValueError: the Hub would not take these files.
        FileExistsError: files that no push brought lie under `owned`.
        StoreError: the Hub refuses or fails, somebody else pushes there; the message says what is up.
        Exception: what making a file raises. What was up before is remembered.
    """
    repository = Repository(target)
    repository.look()
    _check(files, repository, owned)
    if is_ours is not None:
        check_ours(repository, owned, known_in(work), is_ours)
    if dry_run:
        return _planned_result(files, repository, owned, known_in(work))
    scratch = work / "made"
    with Manifest(work) as manifest, their_bars_off():
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
        scratch.mkdir()
        push = _Push(repository, manifest, scratch, target.message, owned)
        try:
            return push.run(files, last)
        except StoreError as error:
            text = str(error).rstrip(".")
            raise StoreError(f"{text}. {push.standing(len(files))}") from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A file that was made."""

    file: PlannedFile
    local: Path
    addition: Any = field(repr=False)
    """huggingface_hub's CommitOperationAdd."""
    content: Content
    was_there: bool


class _Push:
    """One push. Requests are made in a thread, one after another; files in the caller's."""

    def __init__(
        self, repository: Repository, manifest: Manifest, scratch: Path, message: str, owned: Sequence[str]
    ) -> None:
        self._repository, self._manifest, self._scratch = repository, manifest, scratch
        self._message, self._owned = message, owned
        self._pending: dict[str, _Made] = {}
        self._done: dict[str, PushedFile] = {}
        self._numbers = itertools.count()
        self._commits = 0

    def run(self, files: Sequence[PlannedFile], last: Last) -> PushResult:
        self._repository.prepare()
        left = [file for file in files if not self._is_there(file)]
        with tqdm(
            total=sum(f.nbytes for f in left), unit="B", unit_scale=True, desc="push", disable=None, delay=2
        ) as bar:
            self._bring(left, bar)
        describing = last({file.path: self._stored(file.path) for file in files}, self._card())
        planned = [*files, *describing]
        if len(describing) > MAX_COMMIT:
            raise ValueError(f"{len(describing)} files describe the push, one commit takes {MAX_COMMIT}")
        _check(planned, self._repository, self._owned)
        made = [self._make(file) for file in describing if not self._is_there(file)]
        self._send(made)
        deleted = stale(planned, self._repository, self._owned)
        self._finish(made, deleted)
        self._manifest.forget_all_but({file.key for file in planned})
        return PushResult(
            url=self._repository.url,
            commit=self._repository.head,
            files=tuple(self._done[file.path] for file in planned),
            deleted=tuple(deleted),
            dry_run=False,
        )

    def standing(self, count: int) -> str:
        """What is up, for an error."""
        up = sum(not done.was_there for done in self._done.values())
        there = len(self._done) - up
        return (
            f"{up} files went up, {there} were there already, {max(0, count - up - there)} are left. "
            "Calling push again goes on from there"
        )

    def _stored(self, path: str) -> StoredFile:
        done = self._done[path]
        assert done.sha256 is not None
        return StoredFile(path=path, sha256=done.sha256, nbytes=done.nbytes)

    def _is_there(self, file: PlannedFile) -> bool:
        """Whether the manifest and the repository agree on it."""
        content = self._manifest.get(file.key)
        if content is None or not self._repository.holds(file.path, content):
            return False
        self._done[file.path] = PushedFile(path=file.path, nbytes=content.nbytes, sha256=content.sha256, was_there=True)
        return True

    def _bring(self, files: Iterable[PlannedFile], bar: Any) -> None:
        """Make files, while those before them go up."""
        with ThreadPoolExecutor(1, "mlstac-hf-push") as thread:
            going: Future[None] | None = None
            try:
                for parcel in self._parcels(files):
                    if going is not None:
                        going.result()
                    going = thread.submit(self._deliver, parcel, bar)
                if going is not None:
                    going.result()
            except BaseException:
                self._repository.stop.set()  # what is on its way may arrive, but is not waited for
                raise

    def _parcels(self, files: Iterable[PlannedFile]) -> Iterator[list[_Made]]:
        parcel: list[_Made] = []
        for file in files:
            parcel.append(self._make(file))
            if sum(made.content.nbytes for made in parcel) >= _PARCEL_NBYTES or len(parcel) == _PARCEL_FILES:
                yield parcel
                parcel = []
        if parcel:
            yield parcel

    def _make(self, file: PlannedFile) -> _Made:
        from huggingface_hub import CommitOperationAdd

        local = self._scratch / f"{next(self._numbers)}-{file.path.rpartition('/')[2]}"
        file.make(local)
        nbytes = local.stat().st_size
        check_size(file.path, nbytes)
        addition = CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=str(local))
        blob = git_id(local.read_bytes()) if nbytes <= _MAX_GIT_NBYTES else ""
        content = Content(sha256=addition.upload_info.sha256.hex(), blob=blob, nbytes=nbytes)
        was_there = self._repository.holds(file.path, content)
        return _Made(file=file, local=local, addition=addition, content=content, was_there=was_there)

    def _deliver(self, parcel: Sequence[_Made], bar: Any) -> None:
        """Bring files up, and commit when there are enough of them."""
        self._send(parcel)
        while len(self._pending) >= MAX_COMMIT or self._inline_nbytes() > _MAX_INLINE_NBYTES:
            self._commit_some()
        bar.update(sum(made.file.nbytes for made in parcel))

    def _send(self, parcel: Sequence[_Made]) -> None:
        new = [made for made in parcel if not made.was_there]
        if new:
            self._repository.send([made.addition for made in new])
        for made in parcel:
            path, content = made.file.path, made.content
            self._manifest.note(made.file.key, content)
            if made.was_there or in_lfs(made.addition):
                made.local.unlink()
            if not made.was_there:
                self._pending[path] = made
            self._done[path] = PushedFile(
                path=path, nbytes=content.nbytes, sha256=content.sha256, was_there=made.was_there
            )

    def _inline_nbytes(self) -> int:
        return sum(made.content.nbytes for made in self._pending.values() if not in_lfs(made.addition))

    def _commit_some(self, without: Container[str] = ()) -> None:
        """A commit that is not the last, of what is pending."""
        from huggingface_hub import CommitOperationAdd

        additions = {}
        if CARD not in self._repository.files:
            card = CommitOperationAdd(path_in_repo=CARD, path_or_fileobj=UNFINISHED)
            additions[CARD] = (card, Content.of(UNFINISHED))
        inline = 0
        for path, made in self._pending.items():
            if path in without:
                continue
            inline += 0 if in_lfs(made.addition) else made.content.nbytes
            if len(additions) >= MAX_COMMIT or (additions and inline > _MAX_INLINE_NBYTES):
                break
            additions[path] = (made.addition, made.content)
        self._commits += 1
        self._commit(additions, [], f"{self._message} (part {self._commits})")

    def _card(self) -> str | None:
        """The card that is there, unless a push that was broken off left it."""
        data = self._repository.read(CARD)
        return None if data is None or data == UNFINISHED else data.decode(errors="replace")

    def _finish(self, made: Sequence[_Made], deleted: Sequence[str]) -> None:
        """The last commit, and what is too many for it before and after."""
        describing = {one.file.path for one in made}
        while len(self._pending) > MAX_COMMIT:
            self._commit_some(without=describing)
        room = MAX_COMMIT - len(self._pending)
        additions = {path: (one.addition, one.content) for path, one in self._pending.items()}
        self._commit(additions, deleted[:room], self._message)
        for start in range(room, len(deleted), MAX_COMMIT):  # nobody reads these any more
            self._commit({}, deleted[start : start + MAX_COMMIT], f"{self._message} (clearing away)")

    def _commit(self, additions: Mapping[str, tuple[Any, Content]], deletions: Sequence[str], message: str) -> None:
        self._repository.commit(additions, deletions, message)
        for path, (addition, _) in additions.items():
            if path in self._pending and self._pending[path].addition is addition:  # and not the card to come
                self._pending.pop(path).local.unlink(missing_ok=True)


def _check(files: Sequence[PlannedFile], repository: Repository, owned: Sequence[str]) -> None:
    check_limits(files, repository.files.keys() - set(stale(files, repository, owned)))


def _planned_result(
    files: Sequence[PlannedFile], repository: Repository, owned: Sequence[str], known: Mapping[str, Content]
) -> PushResult:
    pushed = []
    for file in files:
        content = known.get(file.key)
        was_there = content is not None and repository.holds(file.path, content)
        pushed.append(
            PushedFile(
                path=file.path,
                nbytes=file.nbytes if content is None else content.nbytes,
                sha256=None if content is None else content.sha256,
                was_there=was_there,
            )
        )
    deleted = tuple(stale(files, repository, owned))
    return PushResult(url=repository.url, commit=None, files=tuple(pushed), deleted=deleted, dry_run=True)
