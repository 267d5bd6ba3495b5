"""Aggregators of crowd-kit with their defaults, for the benchmark `model_quality`; a program of its own.

Frozen: do not tune. Its argument is a folder of `<set>.npz` with votes `L`, the number of classes `k`, and whether
the votes are a crowd's; for each it writes the probabilities `(n, k)` of each aggregator to `<set>.said.npz`, NaN
for items without an answer. GLAD takes minutes on other votes and gets crowds only.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from crowdkit.aggregation import GLAD, DawidSkene, OneCoinDawidSkene

for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    with np.load(path) as found:
        L, k, is_crowd = found["L"], int(found["k"]), bool(found["is_crowd"])
    item, worker = np.nonzero(L >= 0)
    answers = pd.DataFrame({"task": item, "worker": worker, "label": L[item, worker].astype(int)})
    aggregators = {"crowdkit_ds": DawidSkene(), "crowdkit_one_coin": OneCoinDawidSkene()}
    if is_crowd:
        aggregators["crowdkit_glad"] = GLAD()
    said = {}
    for name, aggregator in aggregators.items():
        found = aggregator.fit_predict_proba(answers)
        probs = np.full((len(L), k), np.nan)
        # A class that nobody answered has no column.
        probs[found.index.to_numpy()] = found.reindex(columns=range(k)).fillna(0.0).to_numpy()
        said[name] = probs
    np.savez(path.with_suffix(".said.npz"), **said)
