"""The tables of groups as JSON: every number exactly, every function by its name."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import first_few
from sparkws.errors import DataError
from sparkws.labelmodels.recoding import Block, Recoding
from sparkws.labelmodels.storedchecks import check_range, stored_numbers
from sparkws.labelmodels.tables import Stored
from sparkws.vocab import ABSTAIN


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
        If the text is not that of groups of these functions, or has tables that no fit gives.
    """
    n_votes, k = cpt.shape[1] - 1, cpt.shape[2]
    where = {name: j for j, name in enumerate(lf_names)}
    try:
        plain = json.loads(text)
        singles = np.array([where[name] for name in plain["alone"]], np.int64)
        blocks = tuple(_block(block, where, n_votes) for block in plain["blocks"])
        groups = tuple(tuple(group) for group in plain["groups"])
        given = [_tables(block, saved, k) for block, saved in zip(blocks, plain["blocks"], strict=True)]
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(f"the groups of the label model cannot be read ({error!r}); fit it again.") from None
    recoding = Recoding(n_votes, singles, blocks)
    if sorted(j for of_variable in {*recoding.columns} for j in of_variable) != list(range(len(lf_names))):
        raise DataError(f"the groups of the label model must have each of {first_few(lf_names)} once; fit it again.")
    tables = np.zeros((recoding.n_variables, recoding.n_outcomes + 1, k))
    tables[: len(singles), : n_votes + 1] = cpt[singles]
    for block, first, (none, of_outcomes) in zip(blocks, recoding.first, given, strict=False):
        tables[first : first + block.n_variables, 0] = none
        variable, outcome = _places(block)
        tables[first + variable, outcome + 1] = of_outcomes
    return recoding, tables, groups


def _tables(block: Block, saved: dict[str, Any], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(none | class) of the variables of a block and P(outcome | class) of its outcomes."""
    shapes = {"none": (block.n_variables, k), "given": (len(_places(block)[0]), k)}
    none, given = (stored_numbers(saved[name], f"{name} of the groups", shape) for name, shape in shapes.items())
    for name, array in (("none", none), ("given", given)):
        check_range(array, f"{name} of the groups", Stored(values="shares"))
    return none, given


def _places(block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Variable and outcome of each table of a block."""
    if block.pooled is None:
        return block.variable, block.outcome
    return np.zeros(1, np.int64), np.array([block.pooled], np.int64)


def _block(plain: dict[str, Any], where: dict[str, int], n_votes: int) -> Block:
    columns = np.array([where[name] for name in plain["lfs"]], np.int64)
    tuples = np.array(plain["votes"], np.int8).reshape(-1, len(columns))
    variable, outcome = np.array(plain["variable"], np.int64), np.array(plain["outcome"], np.int64)
    pooled = plain["pooled"]
    if pooled is None and not (len(tuples) == len(variable) == len(outcome) > 0):
        raise ValueError(f"{len(tuples)} votes, {len(variable)} variables and {len(outcome)} outcomes")
    if pooled is not None and pooled not in range(n_votes):
        raise ValueError(f"pooled votes for {pooled!r}")
    if (tuples < ABSTAIN).any() or (tuples >= n_votes).any() or (variable < 0).any() or (outcome < 0).any():
        raise ValueError(f"votes outside -1..{n_votes - 1}, or variables or outcomes below 0")
    return Block(columns, tuples, variable, outcome, pooled=pooled)
