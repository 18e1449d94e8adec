"""What each parameter means, told once: estimators of both options and both tasks show it in their docstrings."""

import inspect

MEANINGS = {
    "network": (
        "Called as network(input_shape=(features,), outputs=n); returns a keras.Model, not compiled, whose last layer "
        "gives n scores without an activation: one a class, or one number."
    ),
    "layers": "Hidden layers; with none it is a linear model.",
    "units": "Units of each hidden layer.",
    "activation": "What follows each hidden layer.",
    "dropout": "The share of units left out in training.",
    "normalization": "Before each activation.",
    "optimizer": "Keras's own, with its defaults; sgd has momentum 0.9.",
    "learning_rate": "Of the optimizer.",
    "weight_decay": "Decoupled from the gradient, in each optimizer.",
    "gradient_clip": "The largest norm of all gradients together.",
    "batch_size": "Rows in a step; a step costs much the same whatever their number.",
    "max_epochs": "Passes over the rows.",
    "class_weight": "How much the rows of each class count; balanced: all classes alike.",
    "random_state": "Where initial weights, the order of rows and dropout come from.",
    "device": "auto, cpu, cuda, cuda:1 or mps.",
    "threads": "Torch's threads while this works; null and -1 leave their number as it is.",
}


def documented(estimator: type) -> type:
    """Add the parameters to an estimator's docstring."""
    names = inspect.signature(estimator).parameters
    lines = [f"{name}\n    {MEANINGS[name]}" for name in names]
    estimator.__doc__ = "\n".join([f"{inspect.getdoc(estimator)}\n", "Parameters", "----------", *lines])
    return estimator
