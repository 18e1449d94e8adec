"""PyTorch networks under scikit-learn's estimator contract, reached by `_target_` alone."""
