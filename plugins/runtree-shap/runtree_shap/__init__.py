"""SHAP values for every run of runtree's: what each feature added to each prediction."""
