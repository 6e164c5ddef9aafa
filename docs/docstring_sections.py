"""Tells Griffe the names that the docstrings here give to their sections."""

import re

import griffe

EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
CALL_ARGUMENTS = re.compile(r"^Call arguments:$", re.MULTILINE)


class KerasSections(griffe.Extension):
    """Reads `Example` and `Call arguments`, as Keras writes them."""

    def on_object(self, *, obj, **kwargs):
        """Renames the sections of one docstring."""
        if obj.docstring:
            text = EXAMPLE.sub("Examples:", obj.docstring.value)
            text = CALL_ARGUMENTS.sub("Other Parameters: Call arguments:", text)
            obj.docstring.value = text
