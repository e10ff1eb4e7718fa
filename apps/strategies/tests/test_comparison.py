"""What changed between two texts."""

from apps.strategies.comparison import Line, compare


def test_the_same_text_differs_nowhere() -> None:
    assert compare("a\nb\n", "a\nb\n") == []


def test_a_changed_line_is_shown_as_it_was_and_as_it_is_between_those_around_it() -> None:
    assert compare("a\nb\nc\n", "a\nB\nc\n") == [
        [
            Line(" ", 1, 1, "a"),
            Line("-", 2, None, "b"),
            Line("+", None, 2, "B"),
            Line(" ", 3, 3, "c"),
        ]
    ]


def test_what_follows_an_added_line_keeps_both_its_numbers() -> None:
    assert compare("a\nb", "new\na\nb") == [
        [Line("+", None, 1, "new"), Line(" ", 1, 2, "a"), Line(" ", 2, 3, "b")]
    ]


def test_changes_far_apart_are_places_of_their_own() -> None:
    text = "\n".join(map(str, range(30)))

    first, last = compare(text, text.replace("\n3\n", "\nx\n").replace("\n26\n", "\ny\n"))

    assert [line.text for line in first if line.sign != " "] == ["3", "x"]
    assert [line.text for line in last if line.sign != " "] == ["26", "y"]
    assert len(first) == len(last) == 8


def test_against_nothing_all_is_new() -> None:
    assert compare("", "a\nb") == [[Line("+", None, 1, "a"), Line("+", None, 2, "b")]]
