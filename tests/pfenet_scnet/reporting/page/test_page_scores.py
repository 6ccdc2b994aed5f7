from page_runs import RELIANCE, result, run
from reporting.page.scores import class_rows, notes, score_columns, worth


def test_scores_and_their_differences_to_the_first_run():
    lower = result(38.0, support_reliance=RELIANCE | {"over_other_class": 0.5})
    first, second, difference = score_columns([run("a", result(40.0)), run("b", lower)], True)
    assert first.values == ["40.0", "60.0", "20.0", "2.0", "30.0", "15.0"] and not first.difference
    assert second.values[3] == "0.5" and second.place == 1
    assert difference.label == "b − a" and difference.values == ["−2.0", "0.0", "0.0", "−1.5", "0.0", "0.0"]


def test_spreads_over_seeds_stand_beside_the_means():
    (row,) = score_columns([run("a", result(miou_spread=1.25))], True)
    assert row.values[0] == "40.0 ± 1.2" and row.values[1] == "60.0"


def test_what_cannot_be_compared_or_is_missing_has_no_difference():
    assert len(score_columns([run("a", result()), run("b", result())], False)) == 2
    *_, difference = score_columns([run("a", result()), run("b")], True)
    assert difference.values == ["–"] * 6
    old = result()
    del old["support_reliance"], old["over_offsets"]
    assert score_columns([run("a", old)], True)[0].values[3:] == ["–"] * 3


def test_notes_say_what_is_missing_and_who_is_no_better_than_chance():
    one_class = RELIANCE | {"over_other_class": None}
    found = notes(
        [run("a", result(19.0, support_reliance=None)), run("b", result(support_reliance=one_class)), run("c")]
    )
    assert found == [
        "No better than calling every pixel foreground, so differences to it say little: a.",
        "a has no support reliance noted; evaluate.py measures it.",
        "b has no support reliance: it is judged on one novel class, and there is no other class to take supports "
        "from.",
    ]
    assert notes([run("a", result())]) == []


def test_notes_say_who_hardly_looks_at_the_supports():
    blind = result(support_reliance=RELIANCE | {"over_other_class": 0.9})
    (found,) = notes([run("a", blind), run("b", result()), run("c", blind)])
    assert found.startswith("With supports of another class nearly the same is found by a and c: the mIoU then says")


def test_every_class_has_a_bar_for_each_run():
    runs = [run("a", result()), run("b", result(class_iou={"cat": 35.0, "cow": 9.0})), run("c")]
    cat, dog, cow = class_rows(runs)
    assert [bar.text for bar in cat.bars] == ["40.0", "35.0", "not finished"] and cat.bars[1].width == 35
    assert [bar.text for bar in dog.bars][:2] == ["no pixel seen", "not judged"] and dog.bars[0].width == 0
    assert cow.name == "cow" and cat.difference == ""
    assert class_rows(runs[:2])[0].difference == "−5.0"
    assert class_rows([run("c")]) == []


def test_what_a_difference_is_worth():
    assert worth("b", "a", -0.26, 1.0, 90) == (
        "b − a: with other draws of the 90 query pictures the difference in mIoU lies between −0.3 and +1.0 points in "
        "95 % of cases, so these pictures alone cannot tell the two apart."
    )
    assert worth("b", "a", 0.2, 1.0, 90).endswith("which leaves out 0.")
