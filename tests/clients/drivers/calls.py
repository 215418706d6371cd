"""Knows the public methods of a client's admin client, and which of them the operations call."""

from __future__ import annotations

METHODS = set()
CALLED = set()
"""Since the last answer."""


def noted(admin_class):
    """A subclass whose public methods are known, and note that they were called."""
    names = [name for name in dir(admin_class) if not name.startswith("_") and callable(getattr(admin_class, name))]
    METHODS.update(names)
    return type(admin_class.__name__, (admin_class,), {name: _noting(name) for name in names})


def _noting(name):
    def call(self, *args, **kwargs):
        CALLED.add(name)
        return getattr(super(type(self), self), name)(*args, **kwargs)

    return call


def admin_methods(bootstrap):
    """The names of all public methods of the admin client."""
    return sorted(METHODS)
