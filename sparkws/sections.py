"""What the sections of a project file have in common: their base, and the types of names, classes and grids."""

from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr

from sparkws.grids import settled

# LF and task names become column and table names, which Delta without column mapping restricts.
IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
# With what is put behind it, it must stay a name that a file system takes.
Identifier = Annotated[str, Field(pattern=IDENTIFIER, max_length=200)]
SliceName = Annotated[str, Field(pattern=IDENTIFIER, max_length=190)]


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"got {value}: YAML reads unquoted yes, no, on, off, true and false as such; quote it")
    return value


# Never a boolean or a float, which would pass for the index 0 or 1.
Label = Annotated[StrictStr | StrictInt, BeforeValidator(_not_boolean)]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_not_boolean)]
# Of two classes P(class of index 1), else vectors over the classes: see `sparkws.grids`.
Grid = Annotated[Any, BeforeValidator(partial(settled, "a soft vote"))]


class Section(BaseModel):
    """A part of the configuration: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
