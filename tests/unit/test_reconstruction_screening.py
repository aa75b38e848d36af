"""What a screen foretells of a configuration is what pooling it gives, near enough."""

import numpy as np
import pytest
from reconstruction_examples import MIXED, RAW, blanked, pool, printed_of

from forestry.batch import fit_random_batch
from forestry.logistic_mixed import fit_random_batch as fit_mixed_batch
from forestry.reconstruction.screening import NewtonScreen, WeightScreen
from forestry.reconstruction.space import choices
from forestry.reconstruction.windows import windows_of

CELLS = np.array([[3, 9], [5, 8], [15, 21], [12, 17], [2, 9], [9, 33], [19, 20]])


def screened(screen, way, index):
    printed = printed_of("proportion", way, CELLS)
    solved = pool(printed, way, blanked(CELLS, range(len(CELLS))))
    found = choices(solved)
    _, yi, vi = found.take(CELLS[None, :, 0])
    mixed = way["model"] == "logistic_mixed"
    fit = fit_mixed_batch(*CELLS.T) if mixed else fit_random_batch(yi, vi, "REML")
    about = screen(found, windows_of(solved, solved.target), CELLS[:, 0], float(fit.tau2[0]))
    sums = sum(about.parts(i)[:, index[:, i]] for i in range(len(CELLS)))
    return found.take(index), about, sums


@pytest.fixture
def index():
    """The counts themselves, and some with one event more or less here and there."""
    draw = np.random.default_rng(4)
    moved = np.clip(CELLS[:, 0] + draw.integers(-1, 2, (40, len(CELLS))), 0, CELLS[:, 1])
    return np.concatenate([CELLS[None, :, 0], moved])


def test_one_step_of_newtons_method_is_near_the_maximum(index):
    (cells, _, _), about, sums = screened(NewtonScreen, MIXED, index)
    beta, se = about.random(sums[:-1])
    fits = fit_mixed_batch(cells[:, :, 0], cells[:, :, 1])
    assert beta[0] == pytest.approx(fits.beta[0], abs=1e-4)
    # Newton's method errs by the square of the way that it goes.
    away = np.hypot(fits.beta - about.middle, np.sqrt(fits.tau2) - np.sqrt(fits.tau2[0]))
    assert (np.abs(beta - fits.beta) <= 1e-3 + 1.5 * away**2).all()
    assert (np.abs(se - fits.se) <= 1e-3 + 0.5 * away**2).all()
    assert (np.abs(sums[-1] + about.middle - fits.beta) <= 1e-3 + away).all()


def test_the_mean_at_the_printed_width(index):
    (_, yi, vi), about, sums = screened(WeightScreen, RAW, index)
    mean, _ = about.random(sums[:-1])
    fits = fit_random_batch(yi, vi, "REML")
    assert mean == pytest.approx(fits.estimate, abs=0.01)
    assert sums[-1] == pytest.approx(mean - about.middle, abs=0.01)


@pytest.mark.parametrize(("screen", "way"), [(NewtonScreen, MIXED), (WeightScreen, RAW)])
def test_what_was_printed_is_kept(screen, way, index):
    (_, yi, vi), about, sums = screened(screen, way, index)
    w = 1 / vi
    base = np.zeros((6, len(index)))
    q = (w * yi**2).sum(axis=1) - (w * yi).sum(axis=1) ** 2 / w.sum(axis=1)
    kept = about.keep(base, q, sums)
    assert len(kept) < len(index)
    if screen is NewtonScreen:
        assert 0 in kept
