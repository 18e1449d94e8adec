"""What is shown of a fit that iterates."""

from runtree.cli.progress import format_iteration

LINE = {"step": 12, "learning_rate": 0.1, "train_loss": 0.31, "validation_loss": 0.35, "seconds": 6.0}


def test_the_time_that_is_left_at_most_is_that_of_the_iterations_so_far():
    assert format_iteration(LINE, "epoch", 30) == "epoch 12/30, at most 9 s, validation_loss 0.35"


def test_without_a_bound_there_is_no_end_to_foretell():
    assert format_iteration(LINE, "tree", None, max_metrics=2) == "tree 12, train_loss 0.31, validation_loss 0.35"


def test_what_is_no_number_is_left_out():
    assert format_iteration({"step": 1, "train_loss": None}, "epoch", None) == "epoch 1"
