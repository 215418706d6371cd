"""Configuration files. What .properties lines mean was tried with java.util.Properties of Java 17."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.config import StartupError
from broker.config_file import parse_properties, parse_toml, read_config_file


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("a=b", {"a": "b"}),
        ("a = b ", {"a": "b "}),
        ("a: b", {"a": "b"}),
        ("a b", {"a": "b"}),
        ("a   :   b", {"a": "b"}),
        ("a\t=\tb", {"a": "b"}),
        ("a==b", {"a": "=b"}),
        ("a = = b", {"a": "= b"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("=b", {"": "b"}),
        ("  a=b", {"a": "b"}),
        ("# a=b\n! c=d\n   # e=f\n\n \t\n", {}),
        ("a=b # no comment", {"a": "b # no comment"}),
        ("a=1\na=2", {"a": "2"}),
        ("a=1\r\nb=2\rc=3\n", {"a": "1", "b": "2", "c": "3"}),
        ("a=x,\\\n    y", {"a": "x,y"}),
        ("a=x\\\r\n  y", {"a": "xy"}),
        ("a=x\\\\\nb=y", {"a": "x\\", "b": "y"}),
        ("a=x\\\n# y", {"a": "x# y"}),
        ("a=x\\\n\nb=y", {"a": "x", "b": "y"}),
        ("a=x\\", {"a": "x"}),
        ("a\\\n=b", {"a": "b"}),
        ("a\\=b=c", {"a=b": "c"}),
        ("a\\:b\\ c=d", {"a:b c": "d"}),
        ("a=\\t\\n\\r\\f\\q\\\\", {"a": "\t\n\r\fq\\"}),
        ("a=\\u0041\\u00e9", {"a": "Aé"}),
        ("a=\\ud83d\\ude00", {"a": "😀"}),
        ("a=é", {"a": "é"}),
        ("# note \\\na=b", {"a": "b"}),
    ],
)
def test_properties(text: str, properties: dict[str, str]) -> None:
    assert parse_properties(text)[0] == properties


@pytest.mark.parametrize("text", ["a=\\u12", "a=\\u", "a=\\uxyzw"])
def test_properties_with_a_malformed_escape(text: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        parse_properties(text)


@given(st.dictionaries(st.text(), st.text()))
def test_properties_written_with_escapes_are_read_back(properties: dict[str, str]) -> None:
    def escape(text: str) -> str:
        units = text.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))

    lines = [f"{escape(name)}={escape(value)}" for name, value in properties.items()]
    texts, numbers = parse_properties("\n".join(lines))
    assert texts == properties
    assert numbers == {name: number for number, name in enumerate(properties, 1)}


@given(st.text())
def test_any_text_is_properties_or_a_value_error(text: str) -> None:
    try:
        parse_properties(text)
    except ValueError as error:
        assert "malformed" in str(error)


def test_toml_in_its_three_ways_of_writing_a_name() -> None:
    text = """
        "num.partitions" = 3
        log.retention.ms = -1
        listeners = ["A://h:1", "B://h:2"]
        [log.cleaner]
        min.cleanable.ratio = 0.25
        [auto.create]
        "topics.enable" = false
    """
    assert parse_toml(text) == {
        "num.partitions": "3",
        "log.retention.ms": "-1",
        "listeners": "A://h:1,B://h:2",
        "log.cleaner.min.cleanable.ratio": "0.25",
        "auto.create.topics.enable": "false",
    }


@pytest.mark.parametrize("text", ["a = ", "a = 2026-01-01", "a = [[1]]", "a = [{b = 1}]", "[a"])
def test_toml_that_is_none_or_has_no_property_value(text: str) -> None:
    with pytest.raises(ValueError):
        parse_toml(text)


def test_read_by_the_file_s_ending(tmp_path: Path) -> None:
    properties = tmp_path / "a.properties"
    properties.write_bytes(b"\xef\xbb\xbfbroker.rack=R\xc3\xa4ck")
    toml = tmp_path / "a.toml"
    toml.write_text('broker.rack = "r"')
    assert read_config_file(str(properties)).texts == {"broker.rack": "Räck"}
    assert read_config_file(str(toml)).texts == {"broker.rack": "r"}


def test_where_a_property_stands(tmp_path: Path) -> None:
    file = tmp_path / "a.properties"
    file.write_text("# a\na=1\n\nb=\\\n 2\\\n 3\nc=4\na=5\n")
    found = read_config_file(str(file))
    assert found.texts == {"a": "5", "b": "23", "c": "4"}
    assert [found.place(name) for name in "abc"] == [f"{file}, line {number}" for number in (8, 4, 7)]
    toml = tmp_path / "a.toml"
    toml.write_text('a = "r"')
    assert read_config_file(str(toml)).place("a") == str(toml)


@pytest.mark.parametrize("name", ["a.properties", "a.toml"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    for content in (b"\x7fELF\x02\0\0\0", "num.partitions=3".encode("utf-16")):
        file.write_bytes(content)
        with pytest.raises(StartupError) as refused:
            read_config_file(str(file))
        assert f"The configuration file {file} is not text; write it in UTF-8" in str(refused.value)


def test_a_file_that_is_no_utf8_is_latin1(tmp_path: Path) -> None:
    file = tmp_path / "a.properties"
    file.write_bytes(b"broker.rack=R\xe4ck")
    assert read_config_file(str(file)).texts == {"broker.rack": "Räck"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.yaml", "", "The configuration file {file} must end in .properties or .toml."),
        ("a.properties", None, "Cannot read the configuration file {file}: No such file or directory."),
        ("a.properties", "b=1\n\na=\\u1", "{file}: line 3 has a malformed \\u escape."),
        ("a.toml", "a = 2026-01-01", "{file}: a has a value of a type that no property has."),
    ],
)
def test_an_unreadable_file_is_one_sentence(tmp_path: Path, name: str, content: str | None, sentence: str) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    with pytest.raises(StartupError) as refused:
        read_config_file(str(file))
    assert str(refused.value) == sentence.format(file=file)
