"""What is done to the columns before an algorithm sees them: the choices of the config group `preprocess`.

Each choice is one scikit-learn transformer, the first step of the fitted pipeline, so that what was learned from the
train part travels with the model: it is saved, served and predicted with.
"""
