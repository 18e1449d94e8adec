"""The page of a model: what plots and tables leave out is said, and alerts are listed."""

from runtree.monitoring.page import monitor_page
from runtree.reports.images import PlotGallery
from runtree.reports.render import render


def make_window(number):
    return {"window": {"name": f"w{number:03}"}, "rows": 100, "state": "ok", "drift": [], "alarms": []}


def test_what_is_left_out_is_said_and_alerts_are_listed():
    line = {"time": "2026-06-02T08:00:00+00:00", "event": "reminder", "channel": "webhook", "window": "w061"}
    pages = {
        count: render(monitor_page("churn", [make_window(n) for n in range(count)], PlotGallery([]), [line]))
        for count in (30, 40, 70)
    }
    assert "windows, in the" not in pages[30]
    assert "Of 40 windows, in the table the newest 30 are shown." in pages[40]
    assert "Of 70 windows, in the table the newest 30 and in the plots the newest 60 are shown." in pages[70]
    assert ">2026-06-02 08:00<" in pages[30] and ">reminder<" in pages[30]
