"""Work that is timed."""

from recipes.stages.timing import seconds_of


def test_the_second_call_is_timed(monkeypatch):
    clock, calls = [0.0], []

    def work():
        calls.append(None)
        clock[0] += 100.0 if len(calls) == 1 else 2.0

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    assert seconds_of(work) == 2.0 and len(calls) == 2
