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
    """A statement about a number, what it rests on, and what of that was not checked.

    `text` is None if anything was left unchecked: then nothing is claimed.
    """

    quantity: str
    text: str | None
    assumptions: tuple[str, ...]
    unchecked: tuple[str, ...] = ()

    @classmethod
    def resting_on(cls, quantity: str, text: str, assumptions: dict[str, bool]) -> Claim:
        """The claim, if every assumption is True."""
        unchecked = tuple(name for name, checked in assumptions.items() if not checked)
        return cls(quantity, None if unchecked else text, tuple(assumptions), unchecked)

    def __str__(self) -> str:
        if self.text is None:
            return f"{self.quantity}: nothing is claimed; not checked: {'; '.join(self.unchecked)}"
        return f"{self.quantity}: {self.text}"


def claims_text(claims: tuple[Claim, ...]) -> str:
    """The claims, and below them everything they rest on, once."""
    checked = dict.fromkeys(
        assumption for c in claims for assumption in c.assumptions if assumption not in c.unchecked
    )
    lines = [f"- {claim}" for claim in claims]
    if checked:
        lines += ["checked:", *(f"- {assumption}" for assumption in checked)]
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
        content["claims"] = [
            {
                "quantity": c.quantity,
                "claim": c.text,
                "assumptions": list(c.assumptions),
                "not_checked": list(c.unchecked),
            }
            for c in self.claims
        ]
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
