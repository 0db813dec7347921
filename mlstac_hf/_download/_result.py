"""What a download did, or would do.

Owns: how it is told. Leaves to others: the download, the terminal (`_cli_download`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlstac_hf._terminal import size

_MOST_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class DownloadResult:
    """What a download did, or would do."""

    path: str
    """The folder, which `load` opens."""
    samples: Mapping[str, int]
    """How many lie there, by split; in a dry run, how many were asked for."""
    files: int
    """That hold samples."""
    nbytes: int | None
    """Of those files. In a dry run None, or about, where the server does not say how large they are."""
    fetched: int
    """How many of the files this call brought; the others were there. 0 in a dry run."""
    fetched_nbytes: int
    """Bytes this call brought."""
    skipped: tuple[str, ...]
    """What was wrong with each sample that was left out."""
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "samples": dict(self.samples), "skipped": list(self.skipped)}

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count:,}" for name, count in self.samples.items()) or "no split"
        nbytes = "unknown size" if self.nbytes is None else size(self.nbytes)
        what = f"{counts} samples, {self.files:,} files, {nbytes}"
        if self.dry_run:
            return f"would be in {self.path}: {what}"
        lines = [f"in {self.path}: {what}; {self.fetched:,} files, {size(self.fetched_nbytes)}, came now"]
        if self.skipped:
            lines.append(f"{len(self.skipped):,} samples were left out:")
            lines += [f"  {reason}" for reason in self.skipped[:_MOST_NAMED]]
            if len(self.skipped) > _MOST_NAMED:
                lines.append(f"  and {len(self.skipped) - _MOST_NAMED:,} more")
        return "\n".join(lines)
