"""The label model that a configuration asks for."""

from sparkws.config import LabelModelConfig
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.majority import MajorityVote


def make_label_model(
    config: LabelModelConfig, cardinality: int, *, clamp_gold: bool = False
) -> MajorityVote | DawidSkene:
    """The unfitted model that `config` describes.

    Parameters
    ----------
    config : LabelModelConfig
    cardinality : int
        The number of classes k.
    clamp_gold : bool
        Hold items with a known class at that class while fitting (`gold.use: clamp`).
    """
    if config.kind == "majority":
        return MajorityVote(cardinality)
    return DawidSkene(
        cardinality,
        class_balance=config.class_balance,
        abstain=config.abstain,
        smoothing=config.smoothing,
        max_iter=config.max_iter,
        tol=config.tol,
        clamp_gold=clamp_gold,
    )
