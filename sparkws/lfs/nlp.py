"""Labeling functions over texts that spaCy has read: one pass of the pipeline over a text for all of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from importlib import import_module, metadata
from typing import Any, Final

import polars as pl

from sparkws.checks import did_you_mean
from sparkws.errors import InvalidFunction, MissingExtra
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.loaded import Loaded
from sparkws.lfs.preprocess import Preprocessor

# A pipeline by the name or the path that `spacy.load` knows, or a function that makes it.
Language = str | Callable[[], Any]

_PIPE_ROWS: Final = 256  # that a component of the pipeline sees at a time
_OPTIONS: Final = ("columns", "soft", "examples", "owner", "source", "valid_from", "valid_to")


def spacy_preprocessor(
    text_field: str = "text",
    doc_field: str = "doc",
    language: Language = "en_core_web_sm",
    *,
    disable: Sequence[str] = (),
    pre: Sequence[Preprocessor] = (),
) -> Preprocessor:
    """A preprocessor that sets what a spaCy pipeline makes of a text: a `Doc`, or None where there is no text.

    Each worker process loads the pipeline once. Equal arguments give the same preprocessor, so all functions with
    the same pipeline share one pass over the texts; equal texts of a batch share one `Doc`, so read it only. A
    text that the pipeline cannot take is a fault of that item.

    Parameters
    ----------
    language : str or function
        Name or path of a pipeline as `spacy.load` takes it, or a function without arguments that makes one; give
        the same function to all that are to share it.
    disable : sequence of str
        Components that are not loaded, which makes it faster.
    pre : sequence of Preprocessor
        Preprocessors of batches that run before it.

    Raises
    ------
    InvalidFunction
        If `language` is neither text nor a function.
    """
    if not (isinstance(language, str) or callable(language)):
        raise InvalidFunction(f"a spaCy pipeline is a name, a path or a function that makes it, got {language!r}.")
    return _shared(text_field, doc_field, language, tuple(disable), tuple(pre))


def nlp_labeling_function(
    name: str | Callable[..., Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[Preprocessor] | None = None,
    *,
    text_field: str = "text",
    doc_field: str = "doc",
    language: Language = "en_core_web_sm",
    disable: Sequence[str] = (),
    **options: Any,
) -> LabelingFunction | Callable[[Callable[..., Any]], LabelingFunction]:
    """A labeling function made of the decorated function, which finds in `x.doc` what spaCy made of `x.text`.

    The other parameters are those of `labeling_function` and of `spacy_preprocessor`; preprocessors in `pre` run
    before the pipeline if they take batches, else behind it.

    Examples
    --------
    >>> @nlp_labeling_function(language="en_core_web_sm", disable=("parser",))
    ... def lf_person(x):
    ...     return 1 if any(entity.label_ == "PERSON" for entity in x.doc.ents) else -1
    >>> lf_person.columns
    ('text',)
    """
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        known = ["name", "resources", "pre", "text_field", "doc_field", "language", "disable", *_OPTIONS]
        raise InvalidFunction(
            f"nlp_labeling_function takes no {unknown[0]!r}; its options are {known}.{did_you_mean(unknown[0], known)}"
        )
    before = tuple(entry for entry in pre or () if entry.vectorized is not None)
    behind = tuple(entry for entry in pre or () if entry.vectorized is None)
    spacy = spacy_preprocessor(text_field, doc_field, language, disable=disable, pre=before)

    def decorate(f: Callable[..., Any]) -> LabelingFunction:
        called = name if isinstance(name, str) else getattr(f, "__name__", repr(f))
        return LabelingFunction(called, f, resources or {}, (*before, spacy, *behind), **options)

    return decorate if name is None or isinstance(name, str) else decorate(name)


# Functions of one file, and those of another with the same named pipeline, get the very same preprocessor.
@lru_cache(maxsize=64)
def _shared(
    text_field: str, doc_field: str, language: Language, disable: tuple[str, ...], pre: tuple[Preprocessor, ...]
) -> Preprocessor:
    return Preprocessor(
        f"spacy of {text_field}",
        partial(_docs, text_field=text_field, doc_field=doc_field),
        pre,
        {"nlp": Loaded(load_pipeline, language, disable, *_versions(language))},
        columns=[text_field],
        makes={doc_field: object},
        vectorized="polars",
    )


def load_pipeline(language: Language, disable: Iterable[str] = (), *versions: str) -> Any:
    """A spaCy pipeline.

    Parameters
    ----------
    versions : str
        Of spaCy and of the model where the function was defined; another one may read texts differently.

    Raises
    ------
    MissingExtra
        If spaCy or the model is not installed.
    InvalidFunction
        If the versions here are others.
    """
    try:
        spacy = import_module("spacy")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"nlp_labeling_function needs {error.name!r}, which is not installed: pip install 'sparkws[nlp]'."
        ) from None
    here = _versions(language)
    if versions and here != versions:
        raise InvalidFunction(
            f"the worker has {', '.join(here)}, the function was defined with {', '.join(versions)}; "
            "install the same versions on both."
        )
    if callable(language):
        nlp = language()
        for component in disable:
            nlp.disable_pipe(component)
        return nlp
    try:
        return spacy.load(language, disable=list(disable))
    except OSError:
        raise MissingExtra(
            f"spaCy finds no pipeline {language!r}; install it where the workers run, such as with "
            f"python -m spacy download {language}."
        ) from None


def _docs(frame: pl.DataFrame, nlp: Any, text_field: str, doc_field: str) -> dict[str, list[Any]]:
    texts = frame[text_field].to_list()
    docs: dict[Any, Any] = {None: None}
    different = [text for text in dict.fromkeys(texts) if text is not None]
    docs.update(zip(different, _pipe(nlp, different), strict=True))
    return {doc_field: [docs[text] for text in texts]}


def _pipe(nlp: Any, texts: list[str]) -> Iterator[Any]:
    try:
        return iter(list(nlp.pipe(texts, batch_size=_PIPE_ROWS)))
    except Exception:  # which text it was is found by trying each alone
        return (_one(nlp, text) for text in texts)


def _one(nlp: Any, text: str) -> Any:
    try:
        return nlp(text)
    except Exception as error:
        return error


def _versions(language: Language) -> tuple[str, ...]:
    """Of spaCy and of a pipeline that is a package, as far as they are installed."""
    found = []
    for package in ("spacy", *([language] if isinstance(language, str) else [])):
        try:
            found.append(f"{package} {metadata.version(package)}")
        except (metadata.PackageNotFoundError, ValueError):
            continue
    return tuple(found)
