"""A project's configuration from its file: one YAML file, and overlays that hold only what differs."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from sparkws.config import LabelModelConfig, ProjectConfig
from sparkws.configerrors import explain
from sparkws.errors import ConfigError
from sparkws.modeloptions import OPTIONS, not_read

logger = logging.getLogger(__name__)

_SURROGATE: Final = re.compile("[\\ud800-\\udfff]")


def load_config(path: str | Path, *overlays: str | Path | Mapping[str, Any]) -> ProjectConfig:
    """The project described by a file, with overlays (files or plain values) laid over it in order.

    Mappings are merged key by key; every other value replaces the one below it. Relative paths of
    modules, files, tables and the workspace are taken from `base_dir`, and that from the folder of the
    first file. Where a layer takes another `label_model.kind` than the one below it, options of the layers
    below that the new kind does not read are left out, and the log says so.

    Raises
    ------
    ConfigError
        For a file that cannot be read, an unknown key (with a suggestion) or a wrong value.
    """
    merged: dict[str, Any] = {}
    for layer in (path, *overlays):
        top = layer if isinstance(layer, Mapping) else _read(Path(layer))
        merged = _overlay(_for_other_kinds(merged, top, _layer_name(layer)), top)
    base_dir = merged.get("base_dir", ".")
    if isinstance(base_dir, str):
        merged["base_dir"] = str(Path(path).resolve().parent / Path(base_dir).expanduser())
    return parse_config(merged, " + ".join(_layer_name(layer) for layer in (path, *overlays)))


def parse_config(raw: Mapping[str, Any], origin: str) -> ProjectConfig:
    """The project described by plain values; `origin` names them in errors.

    Raises
    ------
    ConfigError
        For an unknown key (with a suggestion) or a wrong value.
    """
    _check_characters(raw, origin)
    try:
        return ProjectConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(error.errors(), raw, origin, ProjectConfig)) from None


def dump_config(config: ProjectConfig) -> dict[str, Any]:
    """The configuration as plain values, complete: `parse_config` gives it back."""
    values: dict[str, Any] = _listed(config.model_dump())
    return values


def _listed(value: Any) -> Any:
    """`value` with lists for tuples, as YAML would read it."""
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, tuple) else value


def _check_characters(value: Any, origin: str, where: str = "") -> None:
    """Refuse text with half of a surrogate pair, which could neither be compared with data nor written."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_characters(key, origin, where)
            _check_characters(inner, origin, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            _check_characters(inner, origin, f"{where}.{position}")
    elif isinstance(value, str) and _SURROGATE.search(value):
        raise ConfigError(
            f"{where!r} in {origin}: {value!r} holds half of a surrogate pair, which is no character; write the "
            "character itself."
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {str(path)!r}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {str(path)!r} cannot be read: {error}.") from None
    try:
        raw = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise ConfigError(f"{path} is not valid YAML: {where}.") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must be a mapping of keys to values, got {type(raw).__name__}.")
    return raw


def _layer_name(layer: str | Path | Mapping[str, Any]) -> str:
    return "the given values" if isinstance(layer, Mapping) else str(layer)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (where, _) in zip(keys, node.value, strict=True):
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(None, None, f"key {key!r} stands there twice", where.start_mark)
        return super().construct_mapping(node, deep)


def _overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, over in top.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(over, Mapping)
        merged[key] = _overlay(dict(below or {}), over) if both else over
    return merged


def _for_other_kinds(base: Mapping[str, Any], top: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """`base` without the options of label models that are not read under the kinds that `top` takes instead.

    An overlay that tries another kind need not undo what was set for the one below. An option beside the kind, or
    in a layer above it, was meant for it, and is refused if it is not read.
    """
    kept = dict(base)
    for task, over in _mapping(top.get("tasks")).items():
        below = _mapping(_mapping(_mapping(base.get("tasks")).get(task)).get("label_model"))
        given = _mapping(_mapping(over).get("label_model"))
        kind = given.get("kind")
        if not isinstance(kind, str) or kind not in OPTIONS or kind == below.get("kind", "auto"):
            continue
        for option in not_read(kind, [option for option in below if option not in given]):
            if below[option] != LabelModelConfig.model_fields[option].default:
                logger.warning(
                    "tasks.%s.label_model.%s is left out, because kind: %s, set in %s, does not read it",
                    task,
                    option,
                    kind,
                    origin,
                )
            kept = _without(kept, ("tasks", task, "label_model", option))
    return kept


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _without(values: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """A copy of nested mappings without the value at a path."""
    first, *rest = path
    if not rest:
        return {key: value for key, value in values.items() if key != first}
    return {**values, first: _without(values[first], rest)}
