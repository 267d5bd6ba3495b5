"""Snorkel's LabelModel with its defaults, for the benchmark `model_speed`; a program of its own.

Frozen: do not tune. Its arguments are a file of votes `(n, m)` as numpy saves them, and the type of integers that they
get in memory, all that may vary. It says `rival: ready` when they are in memory, and then for every line that it reads
fits the model and says how many seconds that took.
"""

import sys
import time

import numpy as np
from snorkel.labeling.model import LabelModel

L = np.load(sys.argv[1]).astype(sys.argv[2])
LabelModel(cardinality=2, verbose=False).fit(L[:1000], seed=0, progress_bar=False)  # what is loaded late
print("rival: ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    LabelModel(cardinality=2, verbose=False).fit(L, seed=0, progress_bar=False)
    print(f"rival: {time.perf_counter() - start}", flush=True)
