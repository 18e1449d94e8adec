"""SHAP values for the runs of runtree: the contribution of each feature to each prediction."""
