"""runtree from Python and notebooks: the engine, the records and the rules of the command line, behind functions.

    import runtree as rt

    run = rt.train("algorithm=random_forest", data=frame, target="price", seed=1)
    run.metrics["test"]["rmse"]
    run.model.predict(new_frame)

Errors are those of the command line, as exceptions: `RuntreeError` and its kinds, with the config path and the remedy.
"""
