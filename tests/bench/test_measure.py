from bench.measure import Operation, time_all


def burning(count, size):
    def run():
        for _ in range(count):
            sum(range(size))

    return run


def test_costs_are_per_operation_and_relative_to_the_first():
    small = Operation("small", 50, lambda: burning(50, 500))
    large = Operation("large", 10, lambda: burning(10, 5000), "ten times")
    one, other = time_all([small, large], rounds=5, round_s=0.002)
    assert (one.name, one.ratio, one.note, other.note) == ("small", 1.0, "", "ten times")
    assert 0 < one.best_us <= one.median_us
    assert 3 < other.ratio < 30
    if one.instructions is not None and other.instructions is not None:
        assert 5 < other.instructions / one.instructions < 20


def test_every_run_is_of_a_fresh_preparation():
    prepared, ran = [], []

    def prepare():
        token = object()
        prepared.append(token)
        return lambda: ran.append(token)

    time_all([Operation("once", 1, prepare)], rounds=3, round_s=0)
    assert ran == prepared
    assert len(ran) == len(set(map(id, ran)))
