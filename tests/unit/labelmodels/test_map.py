"""The map of the folder names every file once, and nothing that is not there."""

import re
from collections import Counter
from pathlib import Path

from sparkws import labelmodels

FOLDER = Path(labelmodels.__file__).parent


def test_every_module_has_its_place_on_the_map():
    text = str(labelmodels.__doc__)
    groups = re.sub(r"\(.*?\)", "", text[text.index("\n- ") :], flags=re.DOTALL)  # what they are for is no name
    listed = [name for group in groups.split("\n- ")[1:] for name in re.findall(r"\b[a-z]+\b", group.split(":", 1)[1])]
    modules = [path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"]
    assert Counter(listed) == Counter(modules)
