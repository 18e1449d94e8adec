"""The suite for a channel of alerts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import pytest

from runtree.contract.alerting import Alert
from runtree.contract.errors import ConfigError
from runtree.monitoring.alerts import AlertSender, deliver, open_channels
from runtree.monitoring.options import MonitorOptions
from runtree.testing.suite import Suite

_SHARED: Mapping[str, Any] = {
    "model": "churn",
    "reference": "models:/churn@champion",
    "version": 3,
    "since": "2026-11-01",
    "page": "/srv/monitoring/churn/report.html",
}
ALERTS = (
    Alert(
        "churn/2026-11-01/alarm",
        "alarm",
        window="2026-11-01",
        windows=1,
        alarms=("drift: 'größe' (ks 0.4)", "require: kpi.share < 0.5; kpi.share is 0.7"),
        figures={"drift.share": 0.5, "rows": 200, "quality.f1": None},
        time="2026-11-02T00:10:00.000+00:00",
        **_SHARED,
    ),
    Alert("churn/2026-11-01/reminder-1", "reminder", window="2026-11-03", windows=3, alarms=("drift: 'a'",), **_SHARED),
    Alert("churn/2026-11-01/over", "over", window="2026-11-04", windows=3, **_SHARED),
)


class AlertSuite(Suite):
    """Checks that a channel is made from its settings, takes every alert, and fails where nothing was taken.

    ::

        class TestPager(AlertSuite):
            channel = "pager"
            unreachable = {"address": "127.0.0.1:9"}

            @pytest.fixture
            def settings(self, pager_server):  # a server of the tests
                return {"address": pager_server.address}

    Attributes
    ----------
    unreachable
        Settings with which nothing can arrive; None if there are none.
    """

    channel: ClassVar[str]
    unreachable: ClassVar[Mapping[str, Any] | None] = None

    @pytest.fixture
    def settings(self) -> Mapping[str, Any]:
        """Return the settings with which alerts arrive."""
        return {}

    def make(self, settings: Mapping[str, Any]) -> AlertSender:
        """Return the channel as `runtree monitor` makes it."""
        options = MonitorOptions(alerts=[self.channel], alerting={self.channel: dict(settings)})
        return open_channels(options, self.make_app().plugins.contributions("register_alerts"))

    @pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.event)
    def test_sends_and_leaves_the_alert_alone(self, settings: Mapping[str, Any], alert: Alert) -> None:
        made = self.make(settings)
        assert made.problems == ()
        before = asdict(alert)
        assert deliver(made.channels[self.channel], alert) == ""
        assert asdict(alert) == before, "the channel changes the alert that it is given"

    def test_refuses_a_setting_that_it_does_not_have(self, settings: Mapping[str, Any]) -> None:
        with pytest.raises(ConfigError, match=f"monitor.alerting.{self.channel}.no_such_setting"):
            self.make({**settings, "no_such_setting": 1})

    def test_fails_where_nothing_arrives(self) -> None:
        if self.unreachable is not None:
            failure = deliver(self.make(self.unreachable).channels[self.channel], ALERTS[0])
            assert failure, "nothing can have arrived, and the channel says nothing"
