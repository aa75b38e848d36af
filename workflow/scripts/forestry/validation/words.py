"""Sentences of faults: the nearest known word, and lists as a reader expects them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

LONGEST = 60  # characters of a list or mapping that a fault shows


def nearest(word: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> str:
    """The known word that is most like `word`, or "" where none is known.

    `meant` adds words that readers use for a known one (``alpha`` for ``level``).
    """
    known = list(known)
    others = {alias: target for alias, target in (meant or {}).items() if target in known}
    spelled = {name.casefold(): name for name in [*others, *known]}
    close = difflib.get_close_matches(word.casefold(), spelled, n=1, cutoff=0.0)
    return others.get(spelled[close[0]], spelled[close[0]]) if close else ""


def unknown(kind: str, word: str, known: Iterable[str], meant: Mapping | None = None) -> str:
    """Says that a word is not known, which one is nearest, and which ones there are."""
    known = list(known)
    if not known:
        return f"unknown {kind}: there is none"
    near = nearest(word, known, meant)
    return f"unknown {kind}; the nearest known one is {near} (known: {', '.join(known)})"


def one_of(values: Iterable[str]) -> str:
    return f"must be one of {', '.join(values)}"


def either(words: Iterable[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def shown(value: object) -> str:
    """A value of config.yaml as YAML would write it on one line, cut short where it is long."""
    text = _flow(value)
    return text if isinstance(value, str) or len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_flow(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
