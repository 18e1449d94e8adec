"""The pictures of a run, drawn on matplotlib by scikit-learn's displays where there is one, in these rooms."""
