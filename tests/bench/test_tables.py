from bench.tables import number, table


def test_names_stand_left_and_figures_right():
    assert table(["what", "us"], [["a", "1.00"], ["longer", "123.4"]]) == "\n".join(
        ["what       us", "------  -----", "a        1.00", "longer  123.4"]
    )


def test_numbers_have_about_three_figures():
    assert [number(value) for value in (0.123, 12.3456, 123.456, 12345.6)] == ["0.12", "12.35", "123.5", "12346"]
