"""What a validation found: findings, each with a code and a place, as one report.

Owns: how they look, as text and as JSON. Leaves to others: which codes there are (`_codes`), who finds what (the
checks).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where something was found; what does not apply is None."""

    file: str | None = None
    """Path as the collection has it, such as `train/0000003.safetensors`."""
    split: str | None = None
    sample: int | None = None
    """0-based index in the split, as `load(...)[sample]` has it."""
    span: tuple[int, int] | None = None
    """First byte in the file, and the byte after the last."""

    def __str__(self) -> str:
        """On one line; empty where the collection as a whole is meant."""
        said = [self.file or self.split or ""]
        said += [f"sample {self.sample}"] if self.sample is not None else []
        said += [f"bytes {self.span[0]} to {self.span[1]}"] if self.span is not None else []
        return ", ".join(part for part in said if part)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `file`, `split`, `sample`, `bytes`."""
        span = None if self.span is None else list(self.span)
        return {"file": self.file, "split": self.split, "sample": self.sample, "bytes": span}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: stable, such as `E301`; the table in docs/validate.md lists them all.
        severity: `error`: a reader stops, or gets the wrong bytes, samples or labels. `warning`: it can be read, and
            something in it is untrue or suspicious. `note`: a fact worth knowing.
        message: what was expected, and what was found.
        place: where; file, split, sample and bytes as far as they apply.
        remedy: what to do.
    """

    code: str
    severity: Severity
    message: str
    place: Place = field(default_factory=Place)
    remedy: str = ""

    def __str__(self) -> str:
        """Two lines: code, place and message, then the remedy."""
        where = str(self.place)
        first = f"{self.code} {where}: {self.message}" if where else f"{self.code} {self.message}"
        return f"{first}\n     {self.remedy}" if self.remedy else first

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "place": self.place.to_dict(),
            "remedy": self.remedy,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Distance:
    """How near samples of one split come to those of another: the table in which leakage shows."""

    splits: tuple[str, str]
    samples: tuple[int, int]
    """Samples of each whose place is known."""
    minimum_m: float
    """Between the two nearest footprints, in metres; 0 where they touch."""
    overlapping: int
    """Samples of the second split that show ground that one of the first shows too."""
    within_1km: int
    """Samples of the second split that lie within 1 km of one of the first."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "splits": list(self.splits),
            "samples": list(self.samples),
            "minimum_m": round(self.minimum_m, 1),
            "overlapping": self.overlapping,
            "within_1km": self.within_1km,
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `validate` found.

    Attributes:
        address: what was validated.
        deep: whether pixels were read.
        findings: all of them, errors first; of each code no more than the first 20 are kept.
        left_out: how many more there were, by code.
        distances: between splits, where places are known.
        samples: how many were looked at, by split.
    """

    address: str
    deep: bool
    findings: tuple[Finding, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    distances: tuple[Distance, ...] = ()
    samples: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings and notes may be there."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What stops a reader, or gives wrong bytes, samples or labels."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What can be read and is untrue or suspicious."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Facts worth knowing."""
        return self._of("note")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `address`, `ok`, `deep`, `samples`, `findings`, `left_out`, `distances`."""
        return {
            "address": self.address,
            "ok": self.ok,
            "deep": self.deep,
            "samples": dict(self.samples),
            "findings": [finding.to_dict() for finding in self.findings],
            "left_out": dict(self.left_out),
            "distances": [distance.to_dict() for distance in self.distances],
        }

    def __str__(self) -> str:
        """A page of text: the verdict, then errors, warnings and notes."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        total = sum(self.samples.values())
        looked = "pixels read" if self.deep else "headers only"
        yield f"{self.address}: {'sound' if self.ok else 'NOT sound'} ({total:,} samples, {looked})"
        for title, found in (("errors", self.errors), ("warnings", self.warnings), ("notes", self.notes)):
            if not found:
                continue
            more = sum(self.left_out.get(code, 0) for code in {finding.code for finding in found})
            yield f"\n{len(found) + more:,} {title if len(found) + more > 1 else title[:-1]}"
            for position, finding in enumerate(found):
                following = found[position + 1].code if position + 1 < len(found) else None
                said = str(finding)
                is_repeated = following == finding.code and found[position + 1].remedy == finding.remedy
                yield "  " + (said.partition("\n")[0] if is_repeated else said)
                if following != finding.code and self.left_out.get(finding.code):
                    yield f"  {finding.code} and {self.left_out[finding.code]:,} more"
        if self.distances:
            yield "\ndistances between splits"
            for row in self.distances:
                a, b = row.splits
                yield (
                    f"  {a} to {b}: nearest {row.minimum_m:,.0f} m; of {row.samples[1]:,} in {b}, {row.overlapping:,} "
                    f"overlap one of {a}, {row.within_1km:,} lie within 1 km of one"
                )
