"""What a certificate holds, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Certificate", "Claim", "claims_text", "number_text"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Claim:
    """A statement about a number and what it rests on.

    `text` is None where an assumption does not hold or was not checked: then nothing is claimed,
    the number is a diagnostic, and `missing` says what a claim would want.
    """

    quantity: str
    text: str | None
    assumptions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @classmethod
    def resting_on(cls, quantity: str, text: str, assumptions: dict[str, bool]) -> Claim:
        """The claim, if every assumption is True."""
        missing = tuple(name for name, holds in assumptions.items() if not holds)
        return cls(quantity, None if missing else text, tuple(assumptions), missing)

    def resting_also_on(self, further: dict[str, bool]) -> Claim:
        """The same claim with more assumptions; a diagnostic stays one."""
        if not self.assumptions:
            return self
        missing = (*self.missing, *(name for name, holds in further.items() if not holds))
        text = None if missing else self.text
        return Claim(self.quantity, text, (*self.assumptions, *further), missing)

    @classmethod
    def diagnostic(cls, quantity: str, why: str) -> Claim:
        """A number that nothing is claimed of, whatever is checked."""
        return cls(quantity, None, (), (why,))

    def as_dict(self) -> dict[str, Any]:
        return {
            "quantity": self.quantity,
            "claim": self.text,
            "assumptions": list(self.assumptions),
            "missing": list(self.missing),
        }


def claims_text(claims: tuple[Claim, ...]) -> str:
    """The claims with the numbers of what they rest on, and below them those assumptions."""
    numbers: dict[str, int] = {}
    lines = []
    for claim in claims:
        if claim.text is None:
            lines.append(f"- {claim.quantity}: nothing is claimed: {'; '.join(claim.missing)}")
            continue
        cited = sorted(numbers.setdefault(name, len(numbers) + 1) for name in claim.assumptions)
        lines.append(f"- {claim.quantity}: {claim.text} {cited}")
    if numbers:
        lines += ["checked:", *(f"  {number} {name}" for name, number in numbers.items())]
    return "\n".join(lines)


# field: heading of the table, unit
COLUMNS = {
    "value": "V",
    "residual": "TV - V",
    "kl": "KL",
    "relative_fisher": "Fisher",
    "lsi": "I/2KL",
    "lsi_provable": "LSI >=",
    "gap_lower": "gap >=",
    "gap": "gap",
    "gap_upper": "gap <=",
    "rate_bound": "rate >=",
    "value_rate": "dV/dt",
}
MOST_ROWS = 12


@dataclass(frozen=True)
class Certificate:
    """How far a policy pi is from optimal, state by state; every field is (S,).

    value            V^pi [reward]
    residual         T V - V [reward] = temperature KL(pi || G[pi]) >= 0
    kl               KL(pi || G[pi]) [nats]
    relative_fisher  int pi |grad log(pi/G[pi])|^2 [1/action^2]
    lsi              I / (2 KL) [1/action^2], measured at this policy; not a bound for others
    lsi_provable     a log-Sobolev constant that G[pi_t] provably has for all later t of the flow
    gap_lower, gap_upper   bounds on V* - V^pi [reward]
    gap              V* - V^pi itself, where the optimum was solved for; None otherwise
    rate_bound       2 temperature alpha (1 - discount) or better [1/time]: the least over states is
                     a rate at which sup |V* - V| provably falls along the flow
    value_rate       dV/dt = temperature^2 (I - discount P)^-1 I [reward/time] along the flow

    `claims` say what each number is worth; `estimator` how it was got; `standard_error` (S,) of the
    value where it was estimated. str() is the table with its claims.
    """

    problem: str
    estimator: str
    value: Float64
    residual: Float64
    kl: Float64
    relative_fisher: Float64
    lsi: Float64
    lsi_provable: Float64
    gap_lower: Float64
    gap_upper: Float64
    rate_bound: Float64
    value_rate: Float64
    gap: Float64 | None = None
    standard_error: Float64 | None = None
    quadrature_error: float = 0.0
    claims: tuple[Claim, ...] = field(default=())

    def claim(self, quantity: str) -> str | None:
        """What is claimed of a quantity; None if nothing is."""
        return next((c.text for c in self.claims if c.quantity == quantity), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: lists of numbers, null where a number does not exist."""

        def plain(values: Any) -> Any:
            if values is None:
                return None
            return [float(v) if np.isfinite(v) else None for v in values]

        content: dict[str, Any] = {"problem": self.problem, "estimator": self.estimator}
        for name in (*COLUMNS, "standard_error"):
            content[name] = plain(getattr(self, name))
        content["quadrature_error"] = self.quadrature_error
        content["claims"] = [claim.as_dict() for claim in self.claims]
        return content

    def table(self) -> str:
        """One row a state, the worst states first where there are many."""
        names = [name for name in COLUMNS if getattr(self, name) is not None]
        S = len(self.value)
        states = np.arange(S)
        if S > MOST_ROWS:
            states = np.argsort(-self.gap_upper, kind="stable")[:MOST_ROWS]
        rows = [["state", *(COLUMNS[name] for name in names)]]
        for s in states:
            rows.append([str(s), *(number_text(getattr(self, name)[s]) for name in names)])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows
        ]
        if S > MOST_ROWS:
            lines.append(f"({S} states; those with the largest upper bound are shown)")
        return "\n".join(lines)

    def __str__(self) -> str:
        head = f"{self.problem}\n{self.estimator}"
        return "\n".join([head, "", self.table(), "", claims_text(self.claims)])


def number_text(number: float) -> str:
    """Four digits; a dash where there is no number."""
    return "-" if not np.isfinite(number) else f"{number:.4g}"
