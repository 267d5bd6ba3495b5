"""Snorkel's LabelModel with its defaults, for the benchmark `model_quality`; a program of its own.

Frozen: do not tune. Its argument is a folder of `<set>.npz` with votes `L` and the number of classes `k`; for
each it writes the probabilities `(runs, n, k)` of a few seeds, because the seed of the defaults is drawn, to
`<set>.said.npz`.
"""

import sys
from pathlib import Path

import numpy as np
from snorkel.labeling.model import LabelModel

SEEDS = range(3)

for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    with np.load(path) as found:
        L, k = found["L"].astype(np.int64), int(found["k"])
    runs = []
    for seed in SEEDS:
        model = LabelModel(cardinality=k, verbose=False)
        model.fit(L, seed=seed, progress_bar=False)
        runs.append(model.predict_proba(L))
    np.savez(path.with_suffix(".said.npz"), snorkel=np.stack(runs))
