"""The tables of groups as JSON: every number exactly, every function by its name."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import DataError
from sparkws.labelmodels.recoding import Block, Recoding


def groups_to_json(
    recoding: Recoding, tables: NDArray[np.float64], lf_names: Sequence[str], groups: Sequence[Sequence[str]]
) -> str:
    """Blocks with their tables `(n_variables, s + 1, k)`; those of functions by themselves are left out."""
    blocks = []
    for block, first in zip(recoding.blocks, recoding.first, strict=False):
        end = first + block.n_variables
        variable, outcome = _places(block)
        given = tables[first + variable, outcome + 1]
        blocks.append(
            {
                "lfs": [lf_names[j] for j in block.columns],
                "pooled": block.pooled,
                "votes": block.tuples.tolist(),
                "variable": block.variable.tolist(),
                "outcome": block.outcome.tolist(),
                "none": tables[first:end, 0].tolist(),
                "given": given.tolist(),
            }
        )
    singles = [lf_names[j] for j in recoding.singles]
    return json.dumps({"groups": [list(group) for group in groups], "alone": singles, "blocks": blocks})


def groups_from_json(
    text: str, cpt: NDArray[np.float64], lf_names: Sequence[str]
) -> tuple[Recoding, NDArray[np.float64], tuple[tuple[str, ...], ...]]:
    """Recoding, tables and groups that `groups_to_json` wrote.

    Parameters
    ----------
    text : str
    cpt : (m, s + 1, k) float64 array
        Of the functions by themselves.
    lf_names : sequence of m str

    Raises
    ------
    DataError
        If the text is not that of groups of these functions.
    """
    n_votes, k = cpt.shape[1] - 1, cpt.shape[2]
    where = {name: j for j, name in enumerate(lf_names)}
    try:
        plain = json.loads(text)
        singles = np.array([where[name] for name in plain["alone"]], np.int64)
        blocks = tuple(_block(block, where) for block in plain["blocks"])
        groups = tuple(tuple(group) for group in plain["groups"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the groups of the label model cannot be read ({error!r}); fit it again.") from None
    recoding = Recoding(n_votes, singles, blocks)
    tables = np.zeros((recoding.n_variables, recoding.n_outcomes + 1, k))
    tables[: len(singles), : n_votes + 1] = cpt[singles]
    for block, first, saved in zip(blocks, recoding.first, plain["blocks"], strict=False):
        tables[first : first + block.n_variables, 0] = saved["none"]
        variable, outcome = _places(block)
        tables[first + variable, outcome + 1] = saved["given"]
    return recoding, tables, groups


def _places(block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Variable and outcome of each table of a block."""
    if block.pooled is None:
        return block.variable, block.outcome
    return np.zeros(1, np.int64), np.array([block.pooled], np.int64)


def _block(plain: dict[str, Any], where: dict[str, int]) -> Block:
    columns = np.array([where[name] for name in plain["lfs"]], np.int64)
    return Block(
        columns,
        np.array(plain["votes"], np.int8).reshape(-1, len(columns)),
        np.array(plain["variable"], np.int64),
        np.array(plain["outcome"], np.int64),
        pooled=plain["pooled"],
    )
