"""What a push did, or would do.

Owns: how it is told. Leaves to others: the push (`_upload`), the terminal (`_cli_push`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlstac_hf._terminal import size

_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class PushedFile:
    """One file."""

    path: str
    """In the repository."""
    nbytes: int
    """About, where it was not made: in a dry run."""
    sha256: str | None
    """None where it was not made yet."""
    was_there: bool
    """With this content, before the push."""


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """What a push did, or would do."""

    url: str
    """Of the repository, for a browser."""
    commit: str | None
    """The last one, which holds all of it. None in a dry run."""
    files: tuple[PushedFile, ...]
    """In the order of their going up. A dry run does not know those that are made of what went up, as the card."""
    deleted: tuple[str, ...]
    """Paths of an earlier push that are not part of this one."""
    dry_run: bool
    lacking: tuple[str, ...] = ()
    """What the push will lack, as far as a dry run can see: packages, a token."""
    script: PushResult | None = None
    """Of the branch that holds the script for `datasets` before 4; None where there is none."""

    @property
    def nbytes(self) -> int:
        """Of all files."""
        return sum(file.nbytes for file in self.files)

    @property
    def uploaded(self) -> int:
        """How many files went up, or would."""
        return len(self.files) - self.skipped

    @property
    def skipped(self) -> int:
        """How many files were there already."""
        return sum(file.was_there for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("path", "nbytes", "sha256", "was_there")
        return {
            "url": self.url,
            "commit": self.commit,
            "dry_run": self.dry_run,
            "nbytes": self.nbytes,
            "uploaded": self.uploaded,
            "skipped": self.skipped,
            "files": [{name: getattr(file, name) for name in names} for file in self.files],
            "deleted": list(self.deleted),
            "lacking": list(self.lacking),
            "script": None if self.script is None else self.script.to_dict(),
        }

    def __str__(self) -> str:
        would = "would go" if self.dry_run else "went"
        new = [file for file in self.files if not file.was_there]
        lines = [f"{len(new)} of {len(self.files)} files {would} up to {self.url}, {_about(self)}"]
        lines += [f"  {file.path}  {size(file.nbytes)}" for file in new[:_MOST_NAMED]]
        if len(new) > _MOST_NAMED:
            lines.append(f"  and {len(new) - _MOST_NAMED} more")
        if self.skipped:
            lines.append(f"{self.skipped} {'is' if self.skipped == 1 else 'are'} there already")
        if self.deleted:
            one = len(self.deleted) == 1
            would = "would be" if self.dry_run else "was" if one else "were"
            named = ", ".join(self.deleted[:_MOST_NAMED]) + (", …" if len(self.deleted) > _MOST_NAMED else "")
            lines.append(
                f"{len(self.deleted)} that {'is' if one else 'are'} not part of this push {would} deleted: {named}"
            )
        lines.append(
            "Then the files that are made of these, the last of all." if self.dry_run else f"commit {self.commit}"
        )
        if self.script is not None:
            lines.append(self.script._as_script())  # noqa: SLF001 - of its own kind
        lines += [f"Before the push: {said}" for said in self.lacking]
        return "\n".join(lines)

    def _as_script(self) -> str:
        """In a line."""
        does = "is" if not self.uploaded else "would go" if self.dry_run else "went"
        return f"the script for datasets before 4 {does} {'at' if not self.uploaded else 'up to'} {self.url}"


def _about(result: PushResult) -> str:
    new = sum(file.nbytes for file in result.files if not file.was_there)
    return f"{'about ' if result.dry_run else ''}{size(new)} of {size(result.nbytes)}"
