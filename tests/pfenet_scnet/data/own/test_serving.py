from data.own.serving import serving_table


def uses(train, val, names=("cup", "plate")):
    """What the table says of the first class, with so many pictures of it on either side."""
    table = serving_table(names, [{1: 5000}] * train + [{2: 5000}], [{1: 5000}] * val + [{2: 5000}])
    return " ".join(table.splitlines()[1].split()[3 if names[0] == "cup" else 2 :])


def test_what_a_class_can_serve_as_goes_by_its_pictures():
    assert uses(2, 0) == "2 0 base class"
    assert uses(1, 2) == "1 2 novel class, 1-shot"
    assert uses(2, 6) == "2 6 base class; novel class, up to 5-shot"
    assert uses(1, 1) == "1 1 support of predict.py only"
    assert uses(0, 0) == "0 0 nothing: no pixel is left of it"


def test_pixels_are_counted_over_both_sides_and_small_objects_said():
    table = serving_table(["cup"], [{1: 3000}, {1: 840}], [{1: 839}])
    assert "4,679" in table
    assert "In 1 of 3 cases a picture shows fewer than 840 pixels of a class." in table
    assert "fewer than" not in serving_table(["cup"], [{1: 2048}], [])


def test_one_class_is_of_use_to_predict_alone():
    table = serving_table(["cup"], [{1: 5000}] * 9, [{1: 5000}] * 9)
    assert "support of predict.py only" in table and "base class" not in table
    assert "One class alone cannot train an episodic model" in table


def test_a_novel_class_needs_another_one_to_train_on():
    many = [{1: 5000}] * 3
    assert "This is too little to train and evaluate" in serving_table(["cup", "plate"], many, many)
    assert "among cup." in serving_table(["cup", "plate"], [{2: 5000}] * 2, many)
