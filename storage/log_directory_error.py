"""The one error with which storage refuses a log directory at start."""

from __future__ import annotations


class LogDirectoryError(Exception):
    """A log directory cannot be used; the text is one sentence for the person who starts the broker."""
