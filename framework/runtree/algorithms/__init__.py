"""Algorithms of runtree's own. scikit-learn's need no code: `conf/algorithm/` names them."""
