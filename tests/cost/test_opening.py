"""The benchmark of looking at a large file."""

from pathsearch.cost import opening


def test_a_file_is_looked_at_and_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "ROUNDS", 1)
    found = opening.opening(150_000_000)
    assert 150e6 < found.size < 155e6
    assert found.memory < 130e6  # the file is larger
    assert found.drawing < 300e6
    assert found.written < 6
    assert all(seconds > 0 for seconds in (*found.show, *found.drawn, *found.read, *found.bare))
    assert "path.h5 of 0.15" in opening.table(found)[0]
    assert list(tmp_path.iterdir()) == []
