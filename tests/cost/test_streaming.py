from pathsearch.cost.streaming import streaming, table


def test_both_sets_are_timed_and_only_one_of_them_waits(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("pathsearch.cost.streaming.BATCH", 4)
    monkeypatch.setattr("pathsearch.cost.streaming.WARM", 1)
    found = streaming(tmp_path, pictures=20, blocks=2, counted=2)
    assert [len(times.steps) for times in found.values()] == [4, 4]
    assert found["held"].share(found["held"].waits) == 0
    assert 0 < found["streamed"].share(found["streamed"].waits) < found["streamed"].share(found["streamed"].draws) < 1
    assert len(table(found)) == 5
