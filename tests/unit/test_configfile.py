import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from sparkws.config import ProjectConfig
from sparkws.configfile import dump_config, load_config, parse_config
from sparkws.errors import ConfigError
from sparkws.sections import Section

BASE = Path(__file__).parents[2] / "conf" / "base.yaml"
SMALL = {
    "project": "p",
    "workspace": "w",
    "source": {"table": "items"},
    "tasks": {"spam": {"classes": ["ham", "spam"], "lfs": {"modules": ["lfs.py"]}}},
}


def _sections(value: object, raw: object, where: str = ""):
    """Every section of a loaded project, with what the file says of it."""
    if isinstance(value, BaseModel):
        yield where, value, raw
        for name in type(value).model_fields:
            if isinstance(raw, dict) and name in raw:
                yield from _sections(getattr(value, name), raw[name], f"{where}.{name}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _sections(inner, raw[key], f"{where}.{key}")
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _sections(inner, raw[index], f"{where}[{index}]")


def test_base_yaml_says_the_defaults_of_the_models():
    raw = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    compared = 0
    for where, section, said in _sections(load_config(BASE), raw):
        for name, field in type(section).model_fields.items():
            default = field.get_default(call_default_factory=True)
            # An option without a value of its own (None, no entries) is shown by an example or in a comment.
            is_option = isinstance(default, str | int | float) and name != "base_dir"
            if not field.is_required() and is_option:
                assert name in said, f"{where}.{name} is missing in conf/base.yaml"
                assert getattr(section, name) == default, f"{where}.{name} is not its default"
                compared += 1
    assert compared > 20


@pytest.mark.parametrize("section", Section.__subclasses__(), ids=lambda section: section.__name__)
def test_base_yaml_names_every_key_of_every_section(section):
    text = BASE.read_text(encoding="utf-8")
    # Keys of a mapping that is written in one line count too.
    missing = [name for name in section.model_fields if not re.search(rf"(^|\s)(# |- )?{name}:", text, re.MULTILINE)]
    assert missing == []


def test_base_yaml_shows_every_section():
    shown = {type(section) for _, section, _ in _sections(load_config(BASE), yaml.safe_load(BASE.read_text()))}
    assert shown == set(Section.__subclasses__())


def test_a_configuration_is_what_its_dump_says():
    config = load_config(BASE)
    assert parse_config(dump_config(config), "dump") == config


_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@settings(max_examples=40)
@given(
    project=_names,
    classes=st.lists(st.text(min_size=1), min_size=2, max_size=5, unique=True),
    lane=st.sampled_from(["auto", "direct", "rows"]),
    rate=st.floats(0, 1),
    balance=st.sampled_from(["estimate", "uniform", "dev", "shares"]),
    spark_settings=st.dictionaries(st.text(), st.text(), max_size=3),
    mapping=st.dictionaries(st.one_of(st.text(max_size=3), st.integers(-1, 9)), st.integers(-1, 1), max_size=3),
)
def test_any_configuration_is_what_its_dump_says(project, classes, lane, rate, balance, spark_settings, mapping):
    shares = [1 / len(classes)] * len(classes) if balance == "shares" else balance
    gold = {"gold": {"column": "g", "use": "dev"}} if balance == "dev" else {}
    model = {"label_model": {"class_balance": shares}}
    raw = {
        **SMALL,
        "project": project,
        "tasks": {
            "a": {"classes": classes, "lfs": {"max_fault_rate": rate}, **model, **gold},
            "b": {"classes": classes, "votes": {"table": "t", "mapping": mapping}},
        },
        "engine": {"lane": lane},
        "spark": {"settings": spark_settings},
    }
    config = parse_config(raw, "generated")
    assert parse_config(dump_config(config), "dump") == config
    assert parse_config(yaml.safe_load(yaml.safe_dump(dump_config(config))), "yaml") == config


def _write(folder: Path, name: str, value: object) -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else yaml.safe_dump(value), encoding="utf-8")
    return path


def test_overlays_hold_only_what_differs(tmp_path):
    base = _write(tmp_path, "base.yaml", SMALL | {"spark": {"settings": {"a": "1", "b": "2"}}})
    first = _write(tmp_path, "first.yaml", {"spark": {"settings": {"b": "3"}}, "engine": {"lane": "rows"}})
    second = _write(tmp_path, "second.yaml", {"tasks": {"spam": {"classes": ["no", "yes", "maybe"]}}})
    config = load_config(base, first, second)
    assert config.spark.settings == {"a": "1", "b": "3"}  # mappings are merged
    assert config.tasks["spam"].classes == ("no", "yes", "maybe")  # lists are replaced
    assert config.tasks["spam"].lfs == parse_config(SMALL, "").tasks["spam"].lfs
    assert config.engine.lane == "rows"
    assert load_config(base, second, first) == config


def test_an_overlay_may_be_plain_values_and_the_last_one_wins(tmp_path):
    base = _write(tmp_path, "base.yaml", SMALL)
    config = load_config(base, {"engine": {"lane": "rows"}}, {"engine": {"lane": "direct"}})
    assert config.engine.lane == "direct"


def _with_model(**label_model):
    return {"tasks": {"spam": {"label_model": label_model}}}


def test_an_overlay_that_takes_another_kind_leaves_out_what_was_set_for_the_one_below(tmp_path, caplog):
    task = SMALL["tasks"]["spam"] | {"label_model": {"kind": "dawid_skene", "one_coin": True, "smoothing": 3.0}}
    base = _write(tmp_path, "base.yaml", SMALL | {"tasks": {"spam": task}})
    config = load_config(base, _with_model(kind="super_lf"))
    model = config.tasks["spam"].label_model
    assert (model.kind, model.one_coin, model.smoothing) == ("super_lf", False, 3.0)
    (told,) = caplog.messages
    assert told == (
        "tasks.spam.label_model.one_coin is left out, because kind: super_lf, set in the given values, does not read it"
    )
    assert parse_config(dump_config(config), "dump") == config
    # What the overlay itself says, or one above it, is meant for its kind.
    beside = _with_model(kind="majority", smoothing=2.0)
    caplog.clear()
    with pytest.raises(ConfigError, match="kind: majority does not read 'smoothing'"):
        load_config(base, beside)
    assert [message.split(" ")[0] for message in caplog.messages] == ["tasks.spam.label_model.one_coin"]
    with pytest.raises(ConfigError, match="kind: majority does not read 'smoothing'"):
        load_config(base, _with_model(kind="majority"), _with_model(smoothing=2.0))
    # The same kind again is no other kind.
    wrong = _write(tmp_path, "wrong.yaml", SMALL | {"tasks": {"spam": task | {"label_model": {"tol": 1, "l2": 2}}}})
    with pytest.raises(ConfigError, match="kind: auto does not read 'l2'"):
        load_config(wrong, _with_model(kind="auto"))


@pytest.mark.parametrize("kind", ["majority", "weighted", "precision", "super_lf", "triplet", "matrix_completion"])
def test_an_overlay_of_the_kind_alone_is_enough_over_the_complete_file(kind, caplog):
    weights = {"weights": {"a": 1.0}} if kind == "weighted" else {}
    assert load_config(BASE, _with_model(kind=kind, **weights)).tasks["spam"].label_model.kind == kind
    assert caplog.messages == []  # base.yaml sets defaults only


@pytest.mark.parametrize("label_model", [3, {"kind": 3}, {"kind": "best"}, {"kind": ["a"]}])
def test_a_kind_that_is_none_is_told_by_its_name_in_an_overlay_too(label_model):
    with pytest.raises(ConfigError, match=r"tasks\.spam\.label_model"):
        load_config(BASE, {"tasks": {"spam": {"label_model": label_model}}})


def test_paths_start_from_the_folder_of_the_first_file(tmp_path):
    (tmp_path / "deep").mkdir()
    base = _write(tmp_path, "base.yaml", SMALL)
    top = _write(tmp_path / "deep", "top.yaml", {"engine": {"lane": "rows"}})
    assert load_config(base, top).base_dir == str(tmp_path)
    assert load_config(base, {"base_dir": "elsewhere"}).base_dir == str(tmp_path / "elsewhere")


def test_loading_changes_neither_the_values_nor_the_file(tmp_path):
    overlay = {"spark": {"settings": {"a": "1"}}}
    load_config(_write(tmp_path, "base.yaml", SMALL), overlay)
    assert overlay == {"spark": {"settings": {"a": "1"}}}


def test_a_configuration_does_not_change():
    config = parse_config(SMALL, "")
    with pytest.raises(ValueError, match="frozen"):
        config.project = "other"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"worksapce": "w"}, "unknown key 'worksapce' in here; did you mean 'workspace'?"),
        ({"spark": {"setings": {}}}, "unknown key 'spark.setings' in here; did you mean 'settings'?"),
        ({"engine": {"zzz": 1}}, "unknown key 'engine.zzz' in here; it takes ['batch_rows', 'key_check', 'lane',"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(change, said):
    _refused(SMALL | change, said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label_model": {"max_iters": 5}}, "'tasks.spam.label_model.max_iters' in here; did you mean 'max_iter'?"),
        ({"lfs": {"modles": []}}, "unknown key 'tasks.spam.lfs.modles' in here; did you mean 'modules'?"),
        (
            {"lfs": {"declarative": [{"name": "a", "regex": {"column": "c", "patern": "x", "label": 1}}]}},
            "'tasks.spam.lfs.declarative.0.regex.patern' in here; did you mean 'pattern'?",
        ),
        ({"gold": {"column": "g", "splits": ["dev"]}}, "'tasks.spam.gold' in here: 'splits' needs 'split_column'."),
        ({"gold": {}}, "give exactly one of 'column' (class names or indices) and 'expression' (Spark SQL)."),
        ({"gold": {"column": "g", "expression": "e"}}, "give exactly one of 'column' (class names or indices)"),
        ({"gold": {"column": "g", "use": "train"}}, "got 'train'."),
        ({"classes": ["ham"]}, "got ['ham']."),
        (
            {
                "lfs": {
                    "declarative": [{"name": "a", "absent": True, "regex": {"column": "c", "pattern": "x", "label": 1}}]
                }
            },
            "LF 'a' says 'absent', which is for a task with multi_label: true.",
        ),
        (
            {"multi_label": True, "lfs": None, "votes": {"table": "t"}},
            "'columns' says on which class each column votes: {ana_1: ham, ana_2: spam}.",
        ),
        ({"lfs": None, "votes": {"table": "t", "columns": {"a": "ham"}}}, "in a task with multi_label: true only."),
        ({"multi_label": True, "label_model": {"class_balance": [0.5]}}, "class_balance has 1 values, expected 2"),
        (
            {"multi_label": True, "label_model": {"class_balance": [0.5, 1.0]}},
            "above 0 and below 1, got {'spam': 1.0}.",
        ),
        (
            {"multi_label": True, "slices": {"long": "x > 1"}},
            "slices ['long'] are of a task where an item has one class",
        ),
        ({"classes": ["ham", "ham"]}, "classes must differ, got ['ham', 'ham']."),
        (
            {"classes": [f"c{i}" for i in range(128)]},
            "'tasks.spam.classes' in here must be a list or mapping of 127 entries or fewer, got ['c0', 'c1', 'c2'] "
            "and 125 more.",
        ),
        ({"lfs": None}, "give exactly one of 'lfs' (functions to run) and 'votes' (votes made elsewhere)."),
        ({"votes": {"table": "v"}}, "give exactly one of 'lfs' (functions to run) and 'votes' (votes made elsewhere)."),
        ({"lfs": {"max_fault_rate": 2}}, "'tasks.spam.lfs.max_fault_rate' in here must be at most 1, got 2."),
        ({"label_model": {"smoothing": -1}}, "'tasks.spam.label_model.smoothing' in here must be at least 0, got -1."),
        (
            {"label_model": {"tol": float("nan")}},
            "'tasks.spam.label_model.tol' in here must be a finite number, got nan.",
        ),
        (
            {"label_model": {"tol": float("inf")}},
            "'tasks.spam.label_model.tol' in here must be a finite number, got inf.",
        ),
        (
            {"label_model": {"smoothing": float("inf")}},
            "label_model.smoothing' in here must be a finite number, got inf.",
        ),
        (
            {"label_model": {"kind": "matrix_completion", "l2": float("inf")}},
            "l2' in here must be a finite number, got",
        ),
        (
            {"label_model": {"kind": "weighted", "weights": {"a": float("nan")}}},
            "'tasks.spam.label_model.weights.a' in here must be a finite number, got nan.",
        ),
        (
            {"label_model": {"kind": "weighted", "weights": [1, 2]}},
            "'tasks.spam.label_model.weights' in here must be a mapping of keys to values, got [1, 2].",
        ),
        ({"label_model": {"kind": "best"}}, "got 'best'."),
        ({"label_model": {"seed": -1}}, "'tasks.spam.label_model.seed' in here must be at least 0, got -1."),
        ({"label_model": {"seed": 1 << 63}}, "must be below 9223372036854775808, got 9223372036854775808."),
        ({"label_model": {"class_balance": "dev"}}, "class_balance: dev needs gold with use: dev or use: clamp."),
        (
            {"label_model": {"calibrate": True}},
            "calibrate: true needs gold with use: dev or use: clamp, to learn from.",
        ),
        (
            {"label_model": {"label_intervals": True, "bootstrap": 0, "leave_one_out": 0}},
            "label_intervals: true needs 'bootstrap' or 'leave_one_out' above 0.",
        ),
        ({"label_model": {"bootstrap": 1}}, "bootstrap: 1 gives no interval; give at least 2, or 0 for none."),
        ({"classes": ["a", "b", "c"], "label_model": {"kind": "triplet"}}, "triplet is for two classes, got 3"),
        ({"classes": ["a", "b", "c"], "label_model": {"kind": "published_triplet"}}, "is for two classes, got 3"),
        (
            {"label_model": {"kind": "dawid_skene", "one_coin": True, "abstain": "outcome"}},
            "one_coin: true takes abstaining for missing; leave out abstain: outcome",
        ),
        (
            {"label_model": {"kind": "weighted"}},
            "label_model.kind: weighted needs weights: a number for each function.",
        ),
        (
            {"label_model": {"weights": {"a": 1}}},
            "'tasks.spam.label_model' in here: kind: auto does not read 'weights' (of weighted); leave it out, or take "
            "another kind.",
        ),
        (
            {"label_model": {"kind": "majority", "l2": 1, "max_group": 3, "polish": 0, "tol": 1}},
            "kind: majority does not read 'max_group' (of auto, super_lf), 'l2' (of matrix_completion), 'tol' (of "
            "auto, dawid_skene, super_lf) and 1 more; leave them out, or take another kind.",
        ),
        (
            {"label_model": {"kind": "weighted", "weights": {"a": 1}, "class_balance": "dev"}},
            "kind: weighted takes class_balance as shares, tensor or uniform, got 'dev'.",
        ),
        ({"label_model": {"class_balance": [1]}}, "class_balance has 1 values, expected 2, one for each class."),
    ],
)
def test_a_wrong_task_is_refused(change, said):
    _refused(SMALL | {"tasks": {"spam": SMALL["tasks"]["spam"] | change}}, said)


@pytest.mark.parametrize(
    ("lf", "said"),
    [
        ({"name": "a b", "expression": {"sql": "x"}}, "got 'a b'."),
        (
            {"name": "a"},
            "LF 'a' needs exactly one of ['keyword', 'regex', 'lookup', 'threshold', 'expression'], got []",
        ),
        (
            {"name": "a", "expression": {"sql": "x"}, "threshold": {"column": "c", "above": 1, "label": 1}},
            "LF 'a' needs exactly one of ['keyword', 'regex', 'lookup', 'threshold', 'expression'], "
            "got ['threshold', 'expression'].",
        ),
        ({"name": "a", "keyword": {"column": "c", "any": [], "label": 1}}, "got []."),
        ({"name": "a", "lookup": {"column": "c"}}, "give exactly one of 'values', 'file' and 'table'."),
        ({"name": "a", "lookup": {"column": "c", "values": {"x": 1}, "file": "f"}}, "one of 'values', 'file' and"),
        ({"name": "a", "lookup": {"column": "c", "table": "t", "file": "f"}}, "one of 'values', 'file' and 'table'"),
        ({"name": "a", "lookup": {"column": "c", "values": {"x": 1}, "key": "k"}}, "'key' is of a lookup in a 'table'"),
        (
            {"name": "a", "lookup": {"column": "c", "file": "f", "join": "shuffle"}},
            "'join' is of a lookup in a 'table'",
        ),
        ({"name": "a", "lookup": {"column": ["c", "d"], "file": "f"}}, "columns ['c', 'd'] are looked up in a 'table'"),
        ({"name": "a", "lookup": {"column": "c", "table": "t"}}, "one of 'label_column' (of the table) and 'label'"),
        ({"name": "a", "lookup": {"column": "c", "table": "t", "label": 1, "label_column": "k"}}, "give exactly one"),
        (
            {"name": "a", "lookup": {"column": ["c", "d"], "key": "k", "table": "t", "label": 1}},
            "'key' names ['k'] for the columns ['c', 'd']; give one for each",
        ),
        (
            {"name": "a", "lookup": {"column": "c", "table": "t", "label": 1, "symmetric": True}},
            "'symmetric' is of a pair of columns, got ['c']",
        ),
        ({"name": "a", "lookup": {"column": "c", "values": {"x": 1}, "normalize": ["nfkc"]}}, "'strip_punctuation' or"),
        (
            {"name": "a", "threshold": {"column": "c", "label": 1}},
            "give at least one of 'above', 'at_least', 'below' and 'at_most'.",
        ),
    ],
)
def test_a_wrong_declarative_lf_is_refused(lf, said):
    _refused(SMALL | {"tasks": {"spam": {"classes": ["a", "b"], "lfs": {"declarative": [lf]}}}}, said)


def test_lf_names_differ_by_more_than_case():
    lfs = [{"name": name, "expression": {"sql": "x"}} for name in ("lf_a", "LF_A", "lf_b")]
    task = {"classes": ["a", "b"], "lfs": {"declarative": lfs}}
    _refused(SMALL | {"tasks": {"spam": task}}, "LF names must differ by more than case: ['lf_a'].")


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ({"format": "long", "lf_column": "lf"}, "a long votes table needs 'lf_column' and 'vote_column'."),
        ({"vote_column": "v"}, "'lf_column' and 'vote_column' are for format: long."),
        (
            {"format": "long", "lf_column": "lf", "vote_column": "v", "columns": ["a"]},
            "'columns' is for format: wide.",
        ),
    ],
)
def test_a_wrong_votes_table_is_refused(votes, said):
    _refused(SMALL | {"tasks": {"t": {"classes": ["a", "b"], "votes": {"table": "v"} | votes}}}, said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({}, "'source' in here: give exactly one of 'table' and 'query'."),
        ({"table": "t", "query": "q"}, "give exactly one of 'table' and 'query'."),
        (
            {"table": "t", "tables": {"a": "b"}},
            "'tables' names the tables of a 'query'; for a single table use 'table'.",
        ),
        ({"query": "q", "version": 3}, "'version' is of a 'table'; in a query write VERSION AS OF behind the table."),
        ({"table": "t", "version": -1}, "got -1."),
        (None, "task 'spam' has LFs to run, so the project needs a 'source'."),
    ],
)
def test_a_wrong_source_is_refused(source, said):
    _refused(SMALL | {"source": source}, said)


def test_gold_without_a_source_needs_a_table():
    task = {"classes": ["a", "b"], "votes": {"table": "v"}, "gold": {"column": "g"}}
    _refused(
        SMALL | {"source": None, "tasks": {"t": task}},
        "the gold of task 't' needs a 'table', because the project has no 'source'.",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"label_model": {"class_balance": "unifrom"}},
            "'tasks.spam.label_model.class_balance' in here must be a list or 'estimate', 'tensor', 'uniform' or "
            "'dev', got 'unifrom'. Did you mean 'uniform'?",
        ),
        (
            {"label_model": {"class_balance": [0.5, "a"]}},
            "label_model.class_balance.1' in here must be a number, got 'a'.",
        ),
        ({"label_model": {"abstain": "outcom"}}, "'missing' or 'published', got 'outcom'. Did you mean 'outcome'?"),
        ({"label_model": {"kind": "dawid_skeen"}}, "got 'dawid_skeen'. Did you mean 'dawid_skene'?"),
        (
            {"label_model": {"kind": "super_lf", "groups": "none"}},
            "groups' in here must be a list or 'auto', got 'none'.",
        ),
        ({"label_model": {"kind": "super_lf", "groups": [["a", 3]]}}, "groups.0.1' in here must be text, got 3."),
        ({"label_model": {"bootstrap": 2.5}}, "bootstrap' in here must be a whole number or 'auto', got 2.5."),
        ({"label_model": {"bootstrap": -1}}, "bootstrap' in here must be at least 0 or 'auto', got -1."),
        (
            {"label_model": {"groups": {name: [name] for name in "abcdef"}}},
            "groups' in here must be a list or 'auto', got {'a': ['a'], 'b': ['b'], 'c': ['c']} and 3 more.",
        ),
        ({"label_model": 3}, "'tasks.spam.label_model' in here must be a section of keys and values, got 3."),
        ({"lfs": {"modules": "lfs.py"}}, "'tasks.spam.lfs.modules' in here must be a list, got 'lfs.py'."),
        (
            {"lfs": {"declarative": [{"name": "a", "keyword": {"column": "c", "any": [3], "label": 1.5}}]}},
            "'tasks.spam.lfs.declarative.0.keyword.any.0' in here must be text, got 3.\n"
            "'tasks.spam.lfs.declarative.0.keyword.label' in here must be text or a whole number, got 1.5.",
        ),
        (
            {
                "lfs": {
                    "declarative": [{"name": "a", "expression": {"sql": "x"}, "examples": [{"row": {}, "vote": 1.5}]}]
                }
            },
            "examples.0.vote' in here must be text, a whole number, a list or a mapping of keys to values, got 1.5.",
        ),
        (
            {"lfs": {"declarative": [{"name": "a", "lookup": {"column": [], "values": {"x": 1}}}]}},
            "lookup.column' in here must be text or a list or mapping of 1 entries or more, got [].",
        ),
        (
            {"lfs": {"declarative": [{"name": "a", "expression": {"sql": "x"}, "valid_from": "soon"}]}},
            "valid_from' in here must be a date as 2026-01-31, got 'soon'.",
        ),
        ({"slices": {"a": {"sql": ["x"]}}}, "'tasks.spam.slices.a.sql' in here must be text, got ['x']."),
        (
            {"lfs": None, "votes": {"table": "v", "columns": {"a": 1.5}}},
            "'tasks.spam.votes.columns.a' in here must be text or a whole number, got 1.5.",
        ),
    ],
)
def test_what_may_be_one_of_several_things_is_told_in_one_sentence(change, said):
    with pytest.raises(ConfigError) as caught:
        parse_config(SMALL | {"tasks": {"spam": SMALL["tasks"]["spam"] | change}}, "here")
    assert str(caught.value).endswith(said)
    assert len(str(caught.value).splitlines()) == len(said.splitlines())


def test_at_most_three_problems_are_told_and_then_a_number():
    with pytest.raises(ConfigError) as caught:
        parse_config({f"k{i}": 1 for i in range(4)}, "here")  # and project, workspace, tasks are missing
    assert str(caught.value).count("\n") == 3
    assert str(caught.value).endswith("and 4 more.")


def test_a_missing_key_is_named():
    _refused({key: value for key, value in SMALL.items() if key != "workspace"}, "'workspace' is missing in here.")


def test_a_file_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no configuration file '.*none\.yaml'\."):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"the configuration file '.*' cannot be read: .*directory"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match=r"bad\.yaml is not valid YAML: .* line 1, column"):
        load_config(_write(tmp_path, "bad.yaml", "a: [1"))
    with pytest.raises(ConfigError, match=r"list\.yaml must be a mapping of keys to values, got list\."):
        load_config(_write(tmp_path, "list.yaml", [1]))


def test_errors_name_all_layers(tmp_path):
    base = _write(tmp_path, "base.yaml", SMALL)
    with pytest.raises(ConfigError, match=r"unknown key 'x' in .*base\.yaml \+ the given values; it takes \["):
        load_config(base, {"x": 1})


def _refused(raw: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse_config(raw, "here")


def test_the_project_is_one_section_of_all():
    assert ProjectConfig in Section.__subclasses__()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"source": {"table": "./it\udc80ems"}}, "source.table"),
        ({"tasks": {"spam": {"classes": ["ham", "sp\ud800am"]}}}, "tasks.spam.classes.1"),
        ({"spark": {"settings": {"a\udfff": "1"}}}, "spark.settings"),
    ],
)
def test_half_a_surrogate_pair_is_refused(change, where):
    with pytest.raises(ConfigError, match=rf"^'{where}' in given: '.*\\ud[0-9a-f]+.*' holds half of a surrogate pair"):
        parse_config(change, "given")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("project: a\nworkspace: ./w\nproject: b\n")
    with pytest.raises(ConfigError, match="key 'project' stands there twice"):
        load_config(path)


def test_an_empty_overlay_changes_nothing(tmp_path):
    base = _write(tmp_path, "base.yaml", SMALL)
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert load_config(base, tmp_path / "empty.yaml") == load_config(base)


@pytest.mark.parametrize("label", ["yes", "1.0"])
def test_a_label_that_yaml_reads_as_something_else_is_refused(tmp_path, label):
    path = tmp_path / "labels.yaml"
    path.write_text(
        "project: a\nworkspace: ./w\nsource: {table: ./t}\ntasks:\n  t:\n    classes: ['yes', 'no']\n"
        f"    lfs: {{declarative: [{{name: lf_a, keyword: {{column: c, any: [gift], label: {label}}}}}]}}\n"
    )
    with pytest.raises(ConfigError, match=r"quote it|must be text or a whole number, got 1\.0"):
        load_config(path)


def test_a_band_without_numbers_and_dates_the_wrong_way_round_are_refused():
    def project(lf):
        task = {"classes": ["a", "b"], "lfs": {"declarative": [{"name": "lf_a", **lf}]}}
        return {"project": "p", "workspace": "./w", "source": {"table": "./t"}, "tasks": {"t": task}}

    band = {"threshold": {"column": "c", "above": 5, "below": 3, "label": "a"}}
    with pytest.raises(ConfigError, match="no number is above 5 and below 3"):
        parse_config(project(band), "here")
    dates = {
        "regex": {"column": "c", "pattern": "x", "label": "a"},
        "valid_from": "2026-02-01",
        "valid_to": "2026-01-01",
    }
    with pytest.raises(ConfigError, match="valid from 2026-02-01, after its end 2026-01-01"):
        parse_config(project(dates), "here")
    two = project(band) | {"tasks": {"t": {"classes": ["a", "b"], "lfs": {}}, "T": {"classes": ["a", "b"], "lfs": {}}}}
    with pytest.raises(ConfigError, match=r"differ by more than case, got .'T', 't'"):
        parse_config(two, "here")


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"tasks": {"kind": {"label_model": {"kind": "super_lf", "tol": 1}}}}, r"label_model has \['kind', 'tol'\]"),
        (
            {"tasks": {"kind": {"label_model": {"bootstrap": 5, "label_intervals": True, "polish": 3}}}},
            r"leave out all keys but .*, and give \['bootstrap', 'label_intervals'\] to the task graph",
        ),
        ({"task_graphs": {"asked": {"bootstrap": 1}}}, "1 gives no interval; give at least 2, or 0 for none"),
        (
            {"task_graphs": {"asked": {"label_intervals": True, "bootstrap": 0, "leave_one_out": 0}}},
            "'label_intervals': true needs 'bootstrap' or 'leave_one_out' above 0",
        ),
        ({"tasks": {"kind": {"gold": {"table": "./x", "column": "c", "use": "dev"}}}}, "set gold.use: evaluate or"),
        ({"task_graphs": {"kind": {"tasks": ["kind", "about"], "feasible": [["a", "b"]]}}}, "is called like a task"),
        ({"task_graphs": {"b": {"tasks": ["kind", "spam"], "feasible": [["a", "b"]]}}}, "graphs 'asked' and 'b'"),
        ({"task_graphs": {"asked": {"tasks": ["kind", "abut"]}}}, "no task 'abut'; .* Did you mean 'about'"),
        ({"task_graphs": {"asked": {"tasks": ["kind", "kind"]}}}, "tasks must differ"),
        ({"task_graphs": {"asked": {"feasible": [["question", "price"]]}}}, "exactly one of 'parents'"),
        ({"tasks": {"topic": {"slices": {"short": "true"}}}}, r"slices \['short'\] are found in the pass"),
        ({"tasks": {"spam": {"slices": {"a-b": "true"}}}}, "slices"),
        ({"tasks": {"spam": {"label_model": {"lfs": []}}}}, "label_model.lfs"),
        (
            {"tasks": {"spam": {"label_model": {"lfs": ["lf_a", "lf_b"], "exclude": ["lf_c", "lf_b", "lf_a"]}}}},
            r"'tasks\.spam\.label_model' in .*: exclude leaves none of lfs: \['lf_a', 'lf_b'\]; at least one",
        ),
    ],
)
def test_graphs_slices_and_subsets_that_make_no_sense_are_refused(over, said):
    with pytest.raises(ConfigError, match=said):
        load_config(BASE, over)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"parents": {"about": ["kind", "qestion"]}},
            "'task_graphs.asked.parents': task 'about' is under class 'qestion' of 'kind', which is not a class of",
        ),
        (
            {"parents": {"about": ["knd", "question"]}},
            "asked.parents': task 'about' is under class 'question' of 'knd'",
        ),
        (
            {"parents": {"kind": ["about", "price"]}, "not_applicable": "statement"},
            "asked.parents': the parents go in a circle: 'kind' under 'about' under 'kind'",
        ),
        (
            {"not_applicable": "none"},
            "asked.parents': the last class of task 'about' must be 'none', for items whose 'kind' is not 'question'",
        ),
        (
            {"feasible": [["question", "cost"]]},
            "'task_graphs.asked.feasible': 'cost' is no class of task 'about', which has ['price', 'delivery', 'not",
        ),
        (
            {"feasible": [["question"]]},
            "asked.feasible': the vector ['question'] has 1 classes, expected one for each of ['kind', 'about']",
        ),
    ],
)
def test_graphs_that_cannot_be_are_refused_where_they_are_read(changed, said):
    raw = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    graph = raw["task_graphs"]["asked"]
    raw["task_graphs"]["asked"] = {**graph, **changed, **({"parents": {}} if "feasible" in changed else {})}
    if set(changed) == {"parents", "not_applicable"}:
        raw["task_graphs"]["asked"]["parents"] = {**graph["parents"], **changed["parents"]}
    with pytest.raises(ConfigError, match=f"^conf/here.yaml: .*{re.escape(said)}"):
        parse_config(raw, "conf/here.yaml")


def test_tasks_of_a_graph_keep_what_is_asked_of_any_label_model():
    kept = {"lfs": ["a"], "exclude": ["b"], "tie_break_policy": "random", "seed": 3}
    config = load_config(BASE, {"tasks": {"kind": {"label_model": kept}}})
    assert parse_config(dump_config(config), "dump") == config
    assert load_config(BASE, {"tasks": {"spam": {"slices": {"a": "true"}}}}).tasks["spam"].slices["a"].sql == "true"
