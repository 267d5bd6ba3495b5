"""The words that all stages share: the abstaining vote, column names, states of a label."""

from typing import Final

VERSION: Final = "0.1.0"

ABSTAIN: Final = -1

# Columns of published tables.
ITEM_ID: Final = "item_id"
CLASS: Final = "class"
SPLIT: Final = "split"
PROBS: Final = "probs"
PRED: Final = "pred"
CONFIDENCE: Final = "confidence"
PROBS_LOW: Final = "probs_low"
PROBS_HIGH: Final = "probs_high"
PROBS_SPREAD: Final = "probs_spread"
CONFIDENCE_LOW: Final = "confidence_low"
CONFIDENCE_HIGH: Final = "confidence_high"
CONFIDENCE_SPREAD: Final = "confidence_spread"
N_VOTES: Final = "n_votes"
LABEL_STATUS: Final = "label_status"
VOTES_VERSION: Final = "votes_version"
MODEL_VERSION: Final = "model_version"
LEVEL: Final = "level"
N_ITEMS: Final = "n_items"
GOLD: Final = "gold"
SLICE: Final = "slice"
LABEL: Final = "label"

# The ledger's table, and what stands behind "<task>_" in the names of the others that a project publishes.
RUNS: Final = "runs"
TASK_TABLES: Final = ("votes", "faults", "gold", "patterns", "slices", "stats", "label_model", "labels")
# In front of the name of a preprocessor: the table of its results, which all tasks share.
PREP_PREFIX: Final = "prep_"

# What is to be decided about each label of a multi-label task, by the index of the vote.
LABEL_CLASSES: Final = ("absent", "present")
ABSENT: Final = 0
PRESENT: Final = 1

# Columns that stand beside those of labeling functions.
RESERVED: Final = frozenset({ITEM_ID, GOLD})

# Values of `label_status`.
LABELED: Final = "labeled"
ABSTAINED: Final = "abstain"
FAULTED: Final = "fault"
GOLD_LABEL: Final = "gold"
LABEL_STATUSES: Final = (LABELED, ABSTAINED, FAULTED, GOLD_LABEL)

# Items whose key hash starts with at least this many zero bits share the last level: a 2^-16 sample.
MAX_LEVEL: Final = 16

# Votes are TINYINT, so a class index has seven bits.
MAX_CLASSES: Final = 127

# What the column of a slice holds of its members.
MEMBER: Final = 1


def slice_column(name: str) -> str:
    """The column of the votes table that tells who is in a slice."""
    return f"slice_{name}"


def vote_column(task: str, lf: str) -> str:
    """The column of a function's votes where those on several tasks stand together."""
    return f"{task}.{lf}"


def gold_column(task: str) -> str:
    """The column of a task's known classes, beside those of votes on several tasks."""
    return f"{task}.{GOLD}"
