"""The descriptions of the parameters, which are added to the docstrings of all estimators."""

import inspect

MEANINGS = {
    "network": (
        "Called as network(input_shape=(features,), outputs=n); returns a keras.Model, not compiled, whose last layer "
        "has n outputs without an activation: a logit per class, or one number."
    ),
    "layers": "Hidden layers; 0 is a linear model.",
    "units": "Units of each hidden layer.",
    "activation": "Activation after each hidden layer.",
    "dropout": "Fraction of units dropped in training.",
    "normalization": "Normalization before each activation.",
    "optimizer": "A Keras optimizer with its defaults; sgd has momentum 0.9.",
    "learning_rate": "Learning rate of the optimizer.",
    "weight_decay": "Decoupled weight decay.",
    "gradient_clip": "Maximum global norm of the gradient.",
    "batch_size": "Rows per step; the time of a step hardly depends on it.",
    "max_epochs": "Passes over the rows.",
    "class_weight": "Weight of each class, or balanced.",
    "random_state": "Seeds initial weights, row order and dropout.",
    "device": "auto, cpu, cuda, cuda:1 or mps.",
    "threads": "Threads of torch; null and -1 keep their number.",
}


def documented(estimator: type) -> type:
    """Add the parameters to an estimator's docstring."""
    names = inspect.signature(estimator).parameters
    lines = [f"{name}\n    {MEANINGS[name]}" for name in names]
    estimator.__doc__ = "\n".join([f"{inspect.getdoc(estimator)}\n", "Parameters", "----------", *lines])
    return estimator
