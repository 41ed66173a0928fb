"""The grammar of xl's files: what is read, where, and every way to get it wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.errors import Fault, InputError
from placer.read.xl_cfg import (
    MAX_DEPTH,
    ConfigFile,
    List,
    Num,
    Setting,
    Str,
    parse_config,
    parse_decimal,
    parse_number,
    plain_value,
    read_config,
    render_value,
)


def values_of(text: str) -> dict[str, Any]:
    return {s.key: plain_value(s.value) for s in parse_config(text).settings}


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        parse_config(text, "vm.cfg")
    return caught.value.faults


def places_of(text: str) -> list[tuple[int | None, int | None, str]]:
    return [(fault.line, fault.column, fault.field) for fault in faults_of(text)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n\n  \t\n;;\n", {}),
        ("# only a comment\n", {}),
        ("a = 1\n", {"a": 1}),
        ("a=1", {"a": 1}),
        ("a=1;b=2;;c=3", {"a": 1, "b": 2, "c": 3}),
        ("a = 'x' # why\n", {"a": "x"}),
        ('a = "# no comment"\n', {"a": "# no comment"}),
        ('on_crash = "it\'s"\nx.y_2 = \'say "hi"\'', {"on_crash": "it's", "x.y_2": 'say "hi"'}),
        ("a = []", {"a": []}),
        ("a = [\n]", {"a": []}),
        ("a = [1, 'x', [2, []],]", {"a": [1, "x", [2, []]]}),
        ("a = [\n\n 1 # one\n , \n\n 2\n,\n]\nb = 3", {"a": [1, 2], "b": 3}),
        ("a = 1\na = 2\n", {"a": 2}),
        ("a = 1 # the last line has no newline", {"a": 1}),
        ("#", {}),
    ],
)
def test_the_grammar_of_xl_is_read(text: str, values: dict[str, Any]) -> None:
    assert values_of(text) == values


def test_every_value_knows_its_line_and_column() -> None:
    config = parse_config('a = 1\n\tbc = [ 2,\n  ["x"]]; d=0x1f\n')
    inner = List((Str("x", 3, 4),), 3, 3)
    assert config.settings == (
        Setting("a", Num("1", 1, 5), 1, 1, False),
        Setting("bc", List((Num("2", 2, 9), inner), 2, 7), 2, 2, False),
        Setting("d", Num("0x1f", 3, 13), 3, 11, False),
    )


def test_columns_count_characters_not_bytes() -> None:
    assert parse_config('a = "\u00e9\u4e16"; b = 1').settings[1].column == 11


def test_all_escapes_of_xl_are_resolved() -> None:
    text = r'a = "\" \' \\ \a \b \f \n \r \t \v"'
    assert values_of(text) == {"a": "\" ' \\ \a \b \f \n \r \t \v"}


@pytest.mark.parametrize(
    ("text", "column"), [(r'a = "x\x41"', 7), (r'a = "\101"', 6), (r"a = 'ab\q'", 8)]
)
def test_numeric_and_unknown_escapes_are_faults(text: str, column: int) -> None:
    assert places_of(text) == [(1, column, "a")]


def test_a_numeric_escape_is_said_to_be_one_that_xl_misreads() -> None:
    assert "xl misreads numeric escapes" in faults_of(r'a = "\x41"')[0].expected
    assert "xl misreads" not in faults_of(r'a = "\q"')[0].expected


def test_addition_joins_strings_and_lists() -> None:
    assert values_of('a = "x"\na += "y"\nb = [1]\nb += [2, 3]') == {"a": "xy", "b": [1, 2, 3]}


def test_addition_to_an_absent_key_sets_it() -> None:
    assert values_of("a += [1]") == {"a": [1]}


def test_addition_joins_to_the_value_that_counts_at_that_point() -> None:
    assert values_of("a = [1]\na = [2]\na += [3]\n") == {"a": [2, 3]}


def test_an_added_setting_says_so_until_it_is_set_anew() -> None:
    assert parse_config("a = 1\na += 2").settings[0].added
    assert not parse_config("a += 2\na = 1").settings[0].added


def test_addition_of_numbers_joins_their_text_as_xl_does() -> None:
    assert values_of("a = 1\na += 2") == {"a": "12"}


@pytest.mark.parametrize("text", ['a = "x"\na += [1]', 'a = [1]\na += "x"'])
def test_a_list_and_a_string_cannot_be_added(text: str) -> None:
    assert places_of(text) == [(2, 6, "a")]


@pytest.mark.parametrize(
    ("text", "line", "column", "found"),
    [
        ("a", 1, 2, "the end of the file"),
        ("a\n", 1, 2, "the end of the line"),
        ("a 1", 1, 3, "'1'"),
        ("a =", 1, 4, "the end of the file"),
        ("a = b", 1, 5, "'b'"),
        ("A = 1", 1, 1, "'A'"),
        ("a-b = 1", 1, 2, "'-b'"),
        ("_a = 1", 1, 1, "'_a'"),
        ("1 = a", 1, 1, "'1'"),
        ("= 1", 1, 1, "'='"),
        ("a = 1 2", 1, 7, "'2'"),
        ("a = 1.5", 1, 6, "'.5'"),
        ("a = -1", 1, 5, "'-1'"),
        ("a = 0xFF", 1, 7, "'FF'"),
        ("a = True", 1, 5, "'True'"),
        ("a = 'x", 1, 5, 'the unclosed string "\'x"'),
        ("a = 'x'y'", 1, 8, "'y'"),
        ("a = 'x' 'y'", 1, 9, "\"'y'\""),
        ("a = [1 2]", 1, 8, "'2'"),
        ("a = [1,,2]", 1, 8, "','"),
        ("a = [,]", 1, 6, "','"),
        ("a = [1", 1, 7, "the end of the file"),
        ("a = 1]", 1, 6, "']'"),
        ("a = {}", 1, 5, "'{}'"),
        ("a == 1", 1, 4, "'='"),
        ("a = 1\rb = 2", 1, 6, "'\\rb'"),
        ("\u00e9 = 1", 1, 1, "'\u00e9'"),
    ],
)
def test_a_breach_of_the_grammar_is_found_where_it_is(
    text: str, line: int, column: int, found: str
) -> None:
    fault = faults_of(text)[0]
    assert (fault.line, fault.column, fault.found) == (line, column, found)


def test_a_backslash_does_not_carry_a_string_over_the_line() -> None:
    assert places_of("a = 'x\\\ny'\n") == [(1, 5, "a"), (2, 2, "y")]


def test_python_is_named_as_what_xl_does_not_take() -> None:
    assert "xl takes no Python" in faults_of("a = 1 + 2")[0].expected
    assert "xl takes no Python" in faults_of("import os\nvcpus = (4)")[1].expected


def test_all_faults_of_a_file_are_reported() -> None:
    assert places_of("a = \nb = 1\nc 2\nd = 'x\ne = [1 2]\n") == [
        (1, 5, "a"),
        (3, 3, "c"),
        (4, 5, "d"),
        (5, 8, "e"),
    ]


def test_reading_goes_on_after_a_broken_list_at_the_next_statement() -> None:
    assert places_of('a = [ 1 2,\n  "b=1",\n  3 ]\nc = !\n') == [(1, 9, "a"), (4, 5, "c")]


def test_a_list_may_nest_as_deep_as_allowed_and_no_deeper() -> None:
    deep = "a = " + "[" * MAX_DEPTH + "]" * MAX_DEPTH
    nested = values_of(deep)["a"]
    assert render_value(nested) == deep.removeprefix("a = ")
    assert places_of(deep.replace("[", "[[", 1).replace("]", "]]", 1)) == [(1, 5 + MAX_DEPTH, "a")]
    with pytest.raises(ValueError, match="nest deeper"):
        render_value([nested])


def test_a_hundred_thousand_brackets_are_a_fault_and_no_crash() -> None:
    assert len(faults_of("a = " + "[" * 100_000)) == 1


def test_crlf_is_one_fault_and_the_rest_is_checked_too() -> None:
    faults = faults_of("a = 1\r\nb = \r\n")
    assert [(fault.line, fault.column) for fault in faults] == [(1, 6), (2, 5)]
    assert "CRLF" in faults[0].found


def test_a_byte_order_mark_and_nul_are_faults() -> None:
    assert faults_of("\ufeffa = 1")[0].found == "a byte order mark"
    assert places_of("a = 1\nb = '\0'") == [(2, 6, "text")]


def test_a_file_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "vm.cfg"
    path.write_text("a = 1\nb = !\n")
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}:2:5: b: found '!'")
    path.write_text("a = '\u00e9'\n", encoding="utf-8")
    assert read_config(path) == ConfigFile(str(path), parse_config("a = '\u00e9'").settings)


def test_bytes_that_are_no_utf8_are_a_fault_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "vm.cfg"
    path.write_bytes("a = 1\nb = '\u00e9".encode() + b"\xff'\n")
    with pytest.raises(InputError) as caught:
        read_config(path)
    fault = caught.value.faults[0]
    assert (fault.line, fault.column) == (2, 7)
    assert "0xff" in fault.found


@pytest.mark.parametrize("name", ["absent.cfg", ".", "a\0b"])
def test_what_is_no_readable_file_is_a_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(tmp_path / name)
    assert caught.value.faults[0].field == "file"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("4", 4),
        ("010", 8),
        ("00", 0),
        ("0x1f", 31),
        ("0X1F", 31),
        ("-5", -5),
        (" +7", 7),
        ("9223372036854775807", 2**63 - 1),
        ("0x7fffffffffffffff", 2**63 - 1),
        ("0777777777777777777777", 2**63 - 1),
    ],
)
def test_scalars_are_read_as_strtol_with_base_0_reads_them(text: str, number: int) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "x", "08", "0x", "4k", "1 ", "1e3", "2f", "\u0664", "9223372036854775808", "1" * 9999],
)
def test_what_strtol_would_not_read_to_the_end_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|64 bits"):
        parse_number(text)


def test_a_number_beyond_64_bits_in_any_base_is_refused() -> None:
    for text in ("0x8000000000000000", "01000000000000000000000", "0x" + "f" * 9999):
        with pytest.raises(ValueError, match="64 bits"):
            parse_number(text)


@pytest.mark.parametrize(("text", "number"), [("10", 10), (" 010 ", 10), ("0", 0), ("000", 0)])
def test_list_items_are_read_in_base_ten(text: str, number: int) -> None:
    assert parse_decimal(text) == number


@pytest.mark.parametrize("text", ["", "-1", "0x10", "1 2", "10MB", "\u0664", "9" * 19, "9" * 9999])
def test_list_items_that_are_no_decimal_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal|64 bits"):
        parse_decimal(text)


def test_numbers_keep_their_meaning_when_they_are_written_back() -> None:
    config = "a = 10\nb = 010\nc = 0x1f\nd = 0\ne = 12345678901234567890123"
    values = values_of(config)
    assert values == {"a": 10, "b": "010", "c": "0x1f", "d": 0, "e": "12345678901234567890123"}
    written = "".join(f"{key} = {render_value(value)}\n" for key, value in values.items())
    assert values_of(written) == values


def test_what_xl_cannot_write_is_refused() -> None:
    for value in ("\0", {"a": 1}, None, 1.5, b"x"):
        with pytest.raises(ValueError, match=r"NUL|no value"):
            render_value(value)


def test_a_negative_number_is_written_as_the_string_that_xl_reads_as_one() -> None:
    assert render_value(-5) == '"-5"'


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES = st.recursive(
    TEXT | st.integers(0, 10**18 - 1), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)
KEYS = st.from_regex(r"[a-z][._0-9a-z]{0,8}", fullmatch=True)


@given(st.dictionaries(KEYS, VALUES, max_size=5), st.sampled_from(["\n", ";", " # why\n"]))
def test_written_values_are_read_back_equal(values: dict[str, Any], end: str) -> None:
    written = "".join(f"{key} = {render_value(value)}{end}" for key, value in values.items())
    assert values_of(written) == values


def refusal_of(read: Callable[[], ConfigFile]) -> tuple[Fault, ...] | None:
    """Return the faults with which a reading is refused, or None where it succeeds."""
    try:
        read()
    except InputError as error:
        return error.faults
    return None


@given(st.text() | st.text(alphabet="ab=+[],;'\"\\#\n 019xA-\r\0\ufeff"))
def test_random_text_is_read_or_refused_with_places(text: str) -> None:
    faults = refusal_of(lambda: parse_config(text))
    assert faults is None or len(faults) > 0
    for fault in faults or ():
        assert 1 <= (fault.line or 0) <= text.count("\n") + 1
        assert 1 <= (fault.column or 0) <= len(text) + 1


@given(st.binary())
def test_random_bytes_are_read_or_refused(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.cfg"
    path.write_bytes(data)
    faults = refusal_of(lambda: read_config(path))
    assert faults is None or len(faults) > 0
