"""Strings and bytes of strangers as text on one line, in which nothing can move a terminal's cursor."""

from __future__ import annotations

from json.encoder import encode_basestring, encode_basestring_ascii


def quote(text: str) -> str:
    """Return a string in quotes, as JSON has it."""
    return encode_basestring(text) if text.isprintable() else encode_basestring_ascii(text)


def escape(data: bytes | bytearray | memoryview) -> str:
    """Return bytes as the text that they are, with `\\xNN` for what is none and `\\\\` for a backslash.

    No two are shown alike.
    """
    text = bytes(data).replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    return text if text.isprintable() else "".join(map(_escape_character, text))


def quote_escaped(text: str) -> str:
    """Put quotes around what `escape` has returned, whose backslashes mean something already."""
    return '"{}"'.format(text.replace('"', '\\"'))


def _escape_character(character: str) -> str:
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())
