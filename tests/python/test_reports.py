"""What the command line measures, at its smallest."""

from __future__ import annotations

import numpy as np
import pytest

from wpg.errors import UsageError
from wpg.exact import double_well, trig
from wpg.reports import (
    PROBLEMS,
    bias_report,
    flow_report,
    gain_report,
    plan_report,
    problem,
    two_inputs,
    usual_target_gap,
)


@pytest.mark.parametrize("name", list(PROBLEMS))
def test_named_problems_and_their_usual_gap(name: str) -> None:
    made = problem(name, temperature=0.4)
    assert made.temperature == 0.4
    assert usual_target_gap(made) == pytest.approx(0.002 / (1.0 - made.discount))
    with pytest.raises(UsageError, match="has no option colour"):
        problem(name, colour="red")


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no problem and no run folder 'nothing'; .*trig"):
        problem("nothing")


@pytest.mark.closed_form
@pytest.mark.parametrize("support", ["torus", "box"])
def test_the_flow_obeys_its_certificates(support: str) -> None:
    """Identities at 1e-11 of 1 + sup |V|; every rate at least the certified one; envelope above the
    gap; the late rate within 2 % of the spectral gap's."""
    report = flow_report(trig(support=support), n=32, steps=80, certificates=9)
    assert max(report.identities.values()) <= 1e-11
    assert report.least_increment > -1e-12
    assert report.least_margin >= 0.0
    assert (report.envelope >= report.gap.max(axis=1) * (1.0 - 1e-9) - 1e-12).all()
    assert report.late_rate == pytest.approx(report.predicted_late_rate, rel=0.02)
    assert len(report.certificates) == len(report.certified_times) == 9
    assert report.densities.shape == (81, 3, 32)
    assert "late rate" in report.table()


@pytest.mark.closed_form
def test_measured_bias_tends_to_the_prediction() -> None:
    report = bias_report(trig(), n=96, step_sizes=[0.04, 0.08])
    ratio = report.measured["langevin"] / report.predicted
    assert ratio == pytest.approx(1.0, rel=0.15)
    assert abs(ratio[0] - 1.0) < abs(ratio[1] - 1.0)
    assert report.slopes["langevin"] == pytest.approx(2.0, abs=0.15)
    assert (report.measured["leimkuhler-matthews"] < report.measured["langevin"] / 5.0).all()
    assert (report.measured["mala"] < 1e-11).all()
    assert report.richardson_steps.tolist() == [0.08]
    assert "Richardson" in report.table()


@pytest.mark.closed_form
def test_the_recursion_contracts_as_predicted() -> None:
    report = gain_report(two_inputs(), steps=200)
    assert report.contraction == pytest.approx(report.predicted_contraction, rel=1e-3)
    assert report.floor_measured == pytest.approx(report.floor_formula, rel=1e-8)
    assert (np.diff(report.gap) <= 1e-11).all()
    assert "contraction" in report.table()


def test_plans_beside_the_exact_answer() -> None:
    for mdp in (trig(), double_well(), two_inputs()):
        report = plan_report(
            mdp,
            n_particles=64,
            iterations=3,
            target_gap=usual_target_gap(mdp),
            entropy="auto",
            seed=5,
        )
        assert report.exact is not None
        assert report.error is not None
        np.testing.assert_allclose(report.error[-1], report.exact - report.plan.value)
        content = report.as_dict()
        assert content["iterations"] == 3
        assert content["n_particles"] == 64
        assert len(content["exact_value"]) == len(content["value"])
        assert "standard error" in report.table()


def test_a_step_too_small_for_a_grid_gets_no_certificate() -> None:
    report = plan_report(
        trig(), n_particles=32, iterations=1, step_size=1e-12, entropy="knn", seed=5
    )
    assert report.certificate is None
    assert report.exact is not None
