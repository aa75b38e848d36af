"""Writes bootstrap_samples.json: 200 replicates' data sets, drawn by the library, for R to fit.

Run from this folder: PYTHONPATH=../../workflow/scripts python bootstrap_samples.py
The trials of pritz1997 (proportions) and of bcg (log risk ratios) in R's metadat.
"""

import json
from pathlib import Path

import numpy as np
from scipy.special import expit

from forestry.bootstrap.draws import binomials, multiplicities, normals, stream_key, uniforms

EVENTS = [16, 10, 4, 43, 10, 25, 13, 12, 22, 4, 5, 18, 58, 6]
TOTAL = [17, 12, 8, 58, 10, 42, 14, 12, 41, 5, 6, 23, 68, 10]
TREATED = [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27]
TREATED_TOTAL = [123, 306, 231, 13598, 5069, 1541, 2545, 88391, 7499, 1716, 50634, 2498, 16913]
CONTROL = [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29]
CONTROL_TOTAL = [139, 303, 220, 12867, 5808, 1451, 629, 88391, 7277, 1665, 27338, 2341, 17854]
REPLICATES = 200
SEED = 20220301
# Near the fits; the samples need not be of the very maximum.
BETA, TAU = 1.2, 0.7
MEAN, TAU2 = -0.71, 0.31


def samples() -> dict:
    """Of proportions multiplicities and drawn counts, of ratios multiplicities and effects."""
    total, ratios = np.array(TOTAL), log_risk_ratios()
    counts = _uniforms("counts", 2 * total.size)
    p = expit(BETA + TAU * normals(counts[:, : total.size]))
    drawn = normals(_uniforms("effects", len(TREATED)))
    effects = MEAN + np.sqrt(TAU2 + ratios["vi"]) * drawn
    return {
        "proportions": {
            "events": EVENTS,
            "total": TOTAL,
            "multiplicity": multiplicities(_uniforms("proportions", total.size)).tolist(),
            "drawn_events": binomials(counts[:, total.size :], total, p).astype(int).tolist(),
        },
        "ratios": {
            "yi": ratios["yi"].tolist(),
            "vi": ratios["vi"].tolist(),
            "multiplicity": multiplicities(_uniforms("ratios", len(TREATED))).tolist(),
            "drawn_yi": effects.tolist(),
        },
    }


def log_risk_ratios() -> dict[str, np.ndarray]:
    a, n1, c, n2 = map(np.array, (TREATED, TREATED_TOTAL, CONTROL, CONTROL_TOTAL))
    return {"yi": np.log(a / n1) - np.log(c / n2), "vi": 1 / a - 1 / n1 + 1 / c - 1 / n2}


def _uniforms(name: str, numbers: int) -> np.ndarray:
    return uniforms(stream_key(SEED, name), 0, REPLICATES, numbers)


if __name__ == "__main__":
    text = json.dumps(samples(), separators=(",", ":"))
    Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
