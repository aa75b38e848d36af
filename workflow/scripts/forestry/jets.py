"""Values with their exact first and second derivatives, carried through arithmetic.

A jet is a function of p parameters truncated after its second-order Taylor term, an array of
such functions at once (forward-mode automatic differentiation; Griewank & Walther 2008,
Evaluating Derivatives, ch. 13). It serves where the derivatives of a computed quantity, such
as a quadrature whose nodes move with the parameters, are longer to write than the quantity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit


@dataclass(frozen=True, eq=False)
class Jet:
    """Values of shape S, gradients of shape (p, *S), Hessians of shape (p, p, *S)."""

    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray

    def __add__(self, other: Jet | np.ndarray | float) -> Jet:
        if not isinstance(other, Jet):
            return self._shifted(other)
        return Jet(
            self.value + other.value, self.gradient + other.gradient, self.hessian + other.hessian
        )

    __radd__ = __add__

    def _shifted(self, by) -> Jet:
        value = self.value + by
        gradient = np.broadcast_to(self.gradient, self.gradient.shape[:1] + value.shape)
        hessian = np.broadcast_to(self.hessian, self.hessian.shape[:2] + value.shape)
        return Jet(value, gradient, hessian)

    def __neg__(self) -> Jet:
        return self * -1.0

    def __sub__(self, other: Jet | np.ndarray | float) -> Jet:
        return self + (-other)

    def __rsub__(self, other: np.ndarray | float) -> Jet:
        return -self + other

    def __mul__(self, other: Jet | np.ndarray | float) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.gradient * other, self.hessian * other)
        cross = self.gradient[:, None] * other.gradient[None]
        return Jet(
            self.value * other.value,
            self.value * other.gradient + other.value * self.gradient,
            self.value * other.hessian + other.value * self.hessian + cross + cross.swapaxes(0, 1),
        )

    __rmul__ = __mul__

    def through(self, value, first, second) -> Jet:
        """f of this jet, by the values of f, f' and f'' at its values."""
        square = self.gradient[:, None] * self.gradient[None]
        return Jet(value, first * self.gradient, first * self.hessian + second * square)


def variables(*values: np.ndarray | float) -> tuple[Jet, ...]:
    """The parameters themselves: the i-th has derivative 1 in place i, and 0 elsewhere.

    The values broadcast to one shape.
    """
    arrays = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in values))
    p, shape = len(arrays), arrays[0].shape
    return tuple(
        Jet(value.copy(), _unit(i, p, shape), np.zeros((p, p, *shape)))
        for i, value in enumerate(arrays)
    )


def _unit(place: int, p: int, shape) -> np.ndarray:
    gradient = np.zeros((p, *shape))
    gradient[place] = 1.0
    return gradient


def inverse(x: Jet) -> Jet:
    r = 1 / x.value
    return x.through(r, -(r**2), 2 * r**3)


def logarithm(x: Jet) -> Jet:
    return x.through(np.log(x.value), 1 / x.value, -1 / x.value**2)


def inverse_root(x: Jet) -> Jet:
    """x^(-1/2)."""
    r = x.value**-0.5
    return x.through(r, -r / (2 * x.value), 3 * r / (4 * x.value**2))


def logistic(x: Jet) -> Jet:
    """1 / (1 + exp(-x))."""
    p, q = expit(x.value), expit(-x.value)
    return x.through(p, p * q, p * q * (q - p))


def softplus(x: Jet) -> Jet:
    """ln(1 + exp(x)): minus the logarithm of a binomial's share of non-events."""
    p, q = expit(x.value), expit(-x.value)
    return x.through(np.logaddexp(0.0, x.value), p, p * q)


def log_sum_exp(x: Jet) -> Jet:
    """The logarithm of the sum of exponentials over the first axis of the values."""
    top = x.value.max(axis=0)
    weights = np.exp(x.value - top)
    total = weights.sum(axis=0)
    weights = weights / total
    gradient = (weights * x.gradient).sum(axis=1)
    square = x.gradient[:, None] * x.gradient[None]
    second = (weights * (x.hessian + square)).sum(axis=2)
    return Jet(top + np.log(total), gradient, second - gradient[:, None] * gradient[None])
