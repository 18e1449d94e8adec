"""Every run and sweep of runtree's in an MLflow tracking store: live, or sent afterwards from the tree."""
