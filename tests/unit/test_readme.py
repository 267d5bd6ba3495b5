"""What README shows of a notebook runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import numpy as np

README = Path(__file__).parents[2] / "README.md"


def test_the_example_of_a_notebook_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    (example,) = (block for block in blocks if "moments_of" in block)
    there: dict[str, Any] = {}
    fitted = []
    # Both models give `probs`: what stands before the moments is run by itself first.
    for part in example.partition("both = ")[::2]:
        exec(part if not fitted else f"both = {part}", there)
        fitted.append(there["probs"])
    L = there["L"]
    for probs in fitted:
        assert probs.shape == (len(L), 2)
        np.testing.assert_allclose(probs.sum(axis=1), 1)
        alike = (L.max(axis=1, keepdims=True) == L) | (L == -1)
        sure = alike.all(axis=1)
        assert (probs.argmax(axis=1) == L.max(axis=1))[sure].all(), "where all votes are one, that is the label"
