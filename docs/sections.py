"""A hook of `make docs`: griffe knows the section `Examples`, our docstrings write `Example`."""

import griffe


class Sections(griffe.Extension):
    """Names the sections of docstrings as griffe does."""

    def on_object(self, *, obj: griffe.Object, **kwargs) -> None:
        """Renames the section of an object's docstring."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
