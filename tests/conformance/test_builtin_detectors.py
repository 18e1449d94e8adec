"""Each shipped detector of drift passes the suite that a third party's has to pass."""

from conformance.shipped import class_name
from runtree.monitoring.detectors import BUILTIN
from runtree.testing import DetectorSuite
from runtree.testing.detector import other_table, table


def changed_schema(self, compares):
    return table(0), other_table(1).rename(columns={"size": "weight"})


for _detector in BUILTIN:
    _more = {"changed": changed_schema} if _detector.name == "schema" else {}
    globals()[class_name(_detector.name)] = type(
        class_name(_detector.name), (DetectorSuite,), {"detector": _detector.name, "__module__": __name__, **_more}
    )
