"""What `--help` says of presets: a name and a sentence each, in the width that there is."""

from nstkit.presets import list_presets


def quick(given):
    """Be quick.

    And say no more than that.
    """


def at_length(given):
    """Take as much time as a sentence takes that does not fit into one line of a narrow screen."""


def silent(given):
    pass


def test_names_stand_in_a_column_and_sentences_beside_them():
    lines = list_presets({"quick": quick, "at-length": at_length, "silent": silent}, 40).splitlines()
    assert lines[0] == "  quick      Be quick."
    assert lines[1].startswith("  at-length  Take as much time")
    assert all(line.startswith(" " * 13) for line in lines[2:-1])
    assert lines[-1].strip() == "silent"
    assert max(map(len, lines)) <= 40
    assert " ".join(" ".join(line[13:] for line in lines[1:-1]).split()) == at_length.__doc__
