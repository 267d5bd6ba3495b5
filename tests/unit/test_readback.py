"""Which classes are explained: those of a task, or of one label of a multi-label task."""

import pytest

from sparkws.configfile import parse_config
from sparkws.errors import ConfigError
from sparkws.readback import classes_of

TASK = {"lfs": {"declarative": [{"name": "lf_a", "expression": {"sql": "a > 1", "label": 1}}]}}
CONFIG = parse_config(
    {
        "project": "comments",
        "workspace": "./tables",
        "source": {"table": "./comments", "key": "id"},
        "tasks": {
            "spam": {"classes": ["ham", "spam"], **TASK},
            "topics": {"classes": ["news", "sports"], "multi_label": True, **TASK},
        },
    },
    "here",
)


def test_the_classes_are_those_of_the_task_or_whether_a_label_is_there():
    assert classes_of(CONFIG, "spam", None) == ("ham", "spam")
    assert classes_of(CONFIG, "topics", "sports") == ("absent", "present")


@pytest.mark.parametrize(
    ("task", "label", "said"),
    [
        ("spam", "ham", "^task 'spam' has no labels by themselves, got label 'ham'; leave it out.$"),
        ("topics", None, r"name one of \['news', 'sports'\] by 'label' .--label., got None."),
        ("topics", "sport", "got 'sport'. Did you mean 'sports'?"),
        ("spm", None, "there is no task 'spm'; .*Did you mean 'spam'?"),
    ],
)
def test_a_task_or_a_label_that_there_is_not_is_refused(task, label, said):
    with pytest.raises(ConfigError, match=said):
        classes_of(CONFIG, task, label)
