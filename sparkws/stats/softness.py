"""What the cells of soft functions declare beside what known classes say of them, from counters alone."""

from typing import Any

import numpy as np

from sparkws.stats.counters import Counters


def soft_votes(counters: Counters) -> dict[str, dict[str, Any]]:
    """Of each function that votes with a probability, how far its cells hold where the class is known.

    Returns
    -------
    dict of str to dict
        `cells`, each with the declared probability of each class; `votes` and `known`, how often each cell was
        voted, in all and on items with a known class; `observed`, the shares of the classes among these, None for
        cells without; `calibration_error`, how far declared and observed shares lie apart, in total variation
        (for two classes the difference of probabilities), mean over the known votes, None without any.
    """
    told = {}
    for name, cells in counters.grids.of.items():
        j, declared = counters.lf_names.index(name), np.array(cells)
        known = counters.confusion[j, :, 1 : len(cells) + 1].T  # (c, k): known classes of each cell
        n = known.sum(axis=1)
        observed = known / np.maximum(n, 1)[:, None]
        apart = np.abs(observed - declared).sum(axis=1) / 2
        told[name] = {
            "cells": declared.tolist(),
            "votes": counters.votes[j, : len(cells)].tolist(),
            "known": n.tolist(),
            "observed": [row.tolist() if count else None for row, count in zip(observed, n, strict=True)],
            "calibration_error": float(n @ apart / n.sum()) if n.any() else None,
        }
    return told
