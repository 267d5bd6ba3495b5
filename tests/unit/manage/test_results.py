"""What a run hands to its caller: values that JSON can hold."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sparkws.manage.results import RunResult, StepResult


def step(name, status="done", **details):
    return StepResult(
        step=name,
        status=status,
        reason="it has not run yet" if status == "done" else "",
        outputs={name.replace(".", "_"): 3, "gone": None},
        seconds=1.23456,
        n_rows=60,
        details=details,
    )


RUN = RunResult(
    project="demo",
    workspace="/data/tables",
    tasks=("spam", "toxic"),
    steps=(
        step("spam.votes", result={"lane": "direct", "faults": {"lf_ä": 2}}, lf_names=["lf_ä"]),
        step("spam.gold", "skipped"),
        step("spam.label_model", result={"kind": "majority", "metrics": {"majority": {"accuracy": None}}}),
        step("spam.labels", result={"statuses": {"labeled": 58}}),
        step("toxic.votes", result={"lane": "rows"}),
    ),
)


def test_as_json():
    plain = RUN.to_plain()
    assert json.loads(json.dumps(plain)) == plain
    assert {name: plain[name] for name in ("project", "workspace", "unchanged")} == {
        "project": "demo",
        "workspace": "/data/tables",
        "unchanged": False,
    }
    assert [found["step"] for found in plain["steps"]] == [found.step for found in RUN.steps]
    assert plain["steps"][1] == {
        "step": "spam.gold",
        "status": "skipped",
        "n_rows": 60,
        "seconds": 1.235,
        "outputs": {"spam_gold": 3, "gone": None},
    }
    assert plain["tasks"] == {
        "spam": {
            "votes": {"lane": "direct", "faults": {"lf_ä": 2}},
            "label_model": {"kind": "majority", "metrics": {"majority": {"accuracy": None}}},
            "labels": {"statuses": {"labeled": 58}},
        },
        "toxic": {"votes": {"lane": "rows"}},
    }


def test_json_holds_no_part_of_the_result():
    plain = RUN.to_plain()
    plain["steps"][0]["outputs"]["spam_votes"] = 99
    plain["tasks"]["spam"]["votes"]["lane"] = "rows"
    assert RUN.step("spam.votes").outputs["spam_votes"] == 3
    assert RUN.step("spam.votes").details["result"]["lane"] == "direct"


@given(st.lists(st.sampled_from(["done", "skipped"]), min_size=1, max_size=5))
def test_unchanged_is_a_run_that_skipped_everything(statuses):
    steps = tuple(step(f"spam.{i}", status) for i, status in enumerate(statuses))
    run = RunResult(project="demo", workspace="w", tasks=(), steps=steps)
    assert run.is_unchanged == ("done" not in statuses)
    assert run.to_plain()["unchanged"] == run.is_unchanged


def test_a_step_by_name():
    assert RUN.step("toxic.votes") is RUN.steps[4]
