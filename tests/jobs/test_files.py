"""Small files that others may have put something in the place of."""

import os
import subprocess

import pytest

from pathsearch.jobs import textfiles
from pathsearch.jobs.output import printed_into


def test_a_file_is_put_in_place_and_no_link_is_followed(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    file = tmp_path / "own"
    file.symlink_to(theirs)
    textfiles.write(file, "mine")
    assert (file.read_text(), file.is_symlink()) == ("mine", False)
    assert theirs.read_text() == "theirs"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["own", "theirs"]


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", textfiles.MOST + 1)
    for name in ("pipe", "huge"):
        with pytest.raises(ValueError, match="it "):
            textfiles.read(tmp_path / name)
    with pytest.raises(OSError, match="directory"):
        textfiles.read(tmp_path)
    assert textfiles.last_line(tmp_path / "pipe") == ""


def test_the_last_line_of_a_long_log(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"\xff first\n" * 10_000 + b"the last\n\n")
    assert textfiles.last_line(log) == "the last"


def test_a_run_and_its_children_print_into_its_own_log(tmp_path, capfd):
    log = tmp_path / "log"
    log.write_text("before\n")
    with printed_into(log):
        os.write(1, b"own\n")
        subprocess.run(["echo", "child"], check=True)
    os.write(1, b"after\n")
    assert log.read_text() == "before\nown\nchild\n"
    assert capfd.readouterr().out == "after\n"
    (tmp_path / "link").symlink_to(log)
    with pytest.raises(OSError, match="symbolic links"), printed_into(tmp_path / "link"):
        pass


def test_text_of_anywhere_is_shown_in_a_line():
    assert textfiles.printable("a\nb\x1b[31m\ud800é") == "a?b?[31m?é"
