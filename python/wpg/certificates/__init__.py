"""How far a policy is from optimal, and why one may believe it.

    certify            a policy given as a density on a grid: exact
    certify_particles  a policy given as particles: estimators are named, their errors stated
    certify_gaussian   a linear-Gaussian policy on an LQR: closed forms
    certify_run        a learned agent of a run folder: residuals on transitions it has not seen

A number comes with a claim and its assumptions. Where an assumption was not checked the claim is
None and the number is a diagnostic.
"""

from wpg.certificates.certificate import Certificate, Claim
from wpg.certificates.density import certify
from wpg.certificates.gaussian import certify_gaussian
from wpg.certificates.particles import certify_particles
from wpg.certificates.run import RunCertificate, certify_agent, certify_run, linear_gain

__all__ = [
    "Certificate",
    "Claim",
    "RunCertificate",
    "certify",
    "certify_agent",
    "certify_gaussian",
    "certify_particles",
    "certify_run",
    "linear_gain",
]
