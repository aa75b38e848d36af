"""Chunks of replicates as files, and put together again.

A chunk is an array of one record a replicate (NumPy's .npy): its index, and a column a
target, kind and quantity. Chunks are put together only where they hold each replicate once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from forestry.atomic import replacing
from forestry.bootstrap.replicates import Plan, replicates
from forestry.bootstrap.targets import Target

INDEX = "index"


class IncompleteReplicates(ValueError):
    """Chunks that do not hold every replicate once."""


def column(target: Target, kind: str, quantity: str) -> str:
    """The name of a column of replicates."""
    return "/".join((kind, target.variant, target.group, target.reference, quantity))


def replicate_chunk(
    outcome: str, targets: Sequence[Target], kinds: Sequence[str], plan: Plan, chunk: str
) -> np.ndarray:
    """The replicates of a chunk, named "<number>-of-<chunks>", as records.

    A target without replicates of a kind has no column of it. Raises ValueError for a chunk
    that is not one of the chunks.
    """
    number, chunks = map(int, chunk.split("-of-"))
    blocks = plan.blocks(number, chunks)
    columns = {INDEX: _indices(plan, blocks)}
    for target in targets:
        for kind in kinds:
            if not target.unfit(kind):
                found = replicates(outcome, target, kind, plan, blocks)
                columns |= {column(target, kind, name): found[name] for name in found}
    records = np.empty(
        columns[INDEX].size, dtype=[(name, values.dtype) for name, values in columns.items()]
    )
    for name, values in columns.items():
        records[name] = values
    return records


def _indices(plan: Plan, blocks: range) -> np.ndarray:
    if not blocks:
        return np.empty(0, dtype=int)
    return np.arange(plan.bounds(blocks[0])[0], plan.bounds(blocks[-1])[1])


def write_chunk(path: str | Path, records: np.ndarray) -> None:
    """Write records whole, or not at all."""
    with replacing(path) as part, open(part, "wb") as file:
        np.save(file, records, allow_pickle=False)


def gather(paths: Iterable[str | Path], plan: Plan) -> np.ndarray:
    """The records of all chunks, in the order of the replicates.

    Raises IncompleteReplicates, naming what is wrong, where a chunk cannot be read or has
    other columns, and where a replicate is missing, twice there or not of the plan.
    """
    chunks = [_read(path) for path in paths]
    if not chunks:
        raise IncompleteReplicates("no chunk of replicates")
    first, *others = (records.dtype for _, records in chunks)
    for (path, _), kind in zip(chunks[1:], others, strict=True):
        if kind != first:
            raise IncompleteReplicates(f"{path}: its columns differ from those of {chunks[0][0]}")
    records = np.concatenate([records for _, records in chunks])
    _check_indices(records[INDEX], plan.replicates)
    return records[np.argsort(records[INDEX])]


def _read(path: str | Path) -> tuple[str | Path, np.ndarray]:
    try:
        records = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise IncompleteReplicates(f"{path}: cannot be read ({error})") from error
    if INDEX not in (records.dtype.names or ()):
        raise IncompleteReplicates(f"{path}: not a chunk of replicates")
    return path, records


def _check_indices(indices: np.ndarray, replicates: int) -> None:
    strange = indices[(indices < 0) | (indices >= replicates)]
    counts = np.bincount(indices[(indices >= 0) & (indices < replicates)], minlength=replicates)
    faults = {
        "missing": np.flatnonzero(counts == 0),
        "there more than once": np.flatnonzero(counts > 1),
        f"not among the {replicates} declared": np.unique(strange),
    }
    said = [f"{_count(which)} {what}" for what, which in faults.items() if which.size]
    if said:
        raise IncompleteReplicates("; ".join(said))


def _count(which: np.ndarray) -> str:
    if which.size == 1:
        return f"replicate {which[0]} is"
    return f"{which.size} replicates ({which[0]} to {which[-1]}) are"
