"""The options of the config group `preprocess`: they turn columns into the features of an algorithm.

Each option is one scikit-learn transformer, the first step of the fitted pipeline. So what it learned from the train
split is saved with the model and applied in every prediction.
"""
