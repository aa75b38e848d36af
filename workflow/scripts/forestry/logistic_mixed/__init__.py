"""The random-intercept logistic model for proportions, fitted by maximum likelihood.

Study i has events_i ~ Binomial(total_i, expit(beta + tau u_i)), u_i ~ N(0, 1): Stijnen,
Hamza & Ozdemir 2010 (Stat Med 29:3046); Hamza, van Houwelingen & Stijnen 2008 (J Clin
Epidemiol 61:41). `beta` and `tau` are on the logit (link) scale; tau = 0 is one common
proportion.

The integral over u_i is taken by adaptive Gauss-Hermite quadrature (Liu & Pierce 1994,
Biometrika 81:624; Pinheiro & Bates 1995, J Comput Graph Stat 4:12): nodes u + s z_j about
the posterior mode u, with s = (1 + tau^2 n p (1-p))^-1/2 at the mode. One node is Laplace's
approximation. The mode and s move with (beta, tau); the derivatives of the log-likelihood
here are exact for the chosen number of nodes, that movement included.

B data sets are worked on at once: all Newton iterations advance together, and each data set
stops for itself. A single fit is B = 1.
"""

from forestry.logistic_mixed.counts import NoFiniteMaximum
from forestry.logistic_mixed.fits import (
    LogisticBatch,
    LogisticFit,
    fit_common,
    fit_random,
    fit_random_batch,
    log_likelihood,
)
from forestry.logistic_mixed.profiles import (
    Limits,
    profile_beta_interval,
    profile_common_interval,
    profile_tau2_interval,
)
from forestry.logistic_mixed.q_tests import (
    Test,
    i2_from_tau2,
    likelihood_ratio_q,
    typical_variance,
    wald_q,
)
from forestry.logistic_mixed.summaries import (
    ExactTotal,
    exact_total,
    information_weights,
    study_modes,
)

INTERVALS = ("wald", "t", "profile_likelihood")  # of beta

__all__ = [
    "INTERVALS",
    "ExactTotal",
    "Limits",
    "LogisticBatch",
    "LogisticFit",
    "NoFiniteMaximum",
    "Test",
    "exact_total",
    "fit_common",
    "fit_random",
    "fit_random_batch",
    "i2_from_tau2",
    "information_weights",
    "likelihood_ratio_q",
    "log_likelihood",
    "profile_beta_interval",
    "profile_common_interval",
    "profile_tau2_interval",
    "study_modes",
    "typical_variance",
    "wald_q",
]
