"""The stage passes the suite that runtree's own stages pass."""

from runtree.testing import StageSuite

FILES = ("explain/shap_values.parquet", "explain/importance.json", "explain/importance.csv")
PICTURE = ("plots/shap_summary.svg", "plots/shap_summary.json")


class TestExplain(StageSuite):
    stage = "explain"
    algorithm = "decision_tree"
    writes = (*FILES, *PICTURE)


class TestExplainByPermutations(StageSuite):
    stage = "explain"
    algorithm = "knn"
    writes = (*FILES, *PICTURE)
