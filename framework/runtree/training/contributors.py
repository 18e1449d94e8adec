"""The plugins that take part in a run: for its record, its model, and the comparability of its scores."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.config.calls import locate_calls, target_names
from runtree.contract.errors import DataError, RunFailedError, RuntreeError, describe_error
from runtree.contract.faults import calls_into
from runtree.contract.types import Metric, PluginIdentity
from runtree.records.plugin_identity import entry

MODEL_GROUPS = ("algorithm", "preprocess")  # whose code is in the saved model
CODE_GROUPS = (*MODEL_GROUPS, "data")  # whose code decides what is learnt


@dataclass(frozen=True)
class Contributors:
    """The plugins, and which of them registered the stages, metrics and trackers of a run, by their names."""

    identities: Mapping[str, PluginIdentity] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    trackers: Mapping[str, str] = field(default_factory=dict)

    def entries(self, config: Mapping[str, Any], metrics: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the plugins of a run as its record holds them; `metrics` are those that it is scored by."""
        adds = self._adds_of_config(config)
        named = [
            *((self.stages.get(name), f"stage {name}") for name in self.stages),
            *((self.metrics.get(name), f"metric {name}") for name in metrics),
            *((plugin, f"tracker {name}") for name, plugin in self.trackers.items()),
            *((name, f"hook {hook}") for name, identity in self._active().items() for hook in identity.hooks),
        ]
        for plugin, text in named:
            if plugin in self._active():
                adds.setdefault(str(plugin), []).append(text)
        return {name: entry(self.identities[name], texts) for name, texts in sorted(adds.items())}

    def of_model(self, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the plugins whose code is in the saved model, or writes it."""
        # an option of a plugin may name a class of another package: then its model is loaded without the plugin
        code = self._code_of_config(config).items()
        kept = {name: [text for text in texts if text in MODEL_GROUPS] for name, texts in code}
        return {name: entry(self.identities[name], texts) for name, texts in sorted(kept.items()) if texts}

    def code(self, config: Mapping[str, Any]) -> str:
        """Return ``GROUP: DISTRIBUTION VERSION; …`` for the plugins whose code prepares or learns, "" for none."""
        pairs = sorted((group, name) for name, groups in self._code_of_config(config).items() for group in groups)
        return "; ".join(f"{group}: {self.identities[name].text}" for group, name in pairs if group in CODE_GROUPS)

    @property
    def packages(self) -> frozenset[str]:
        """The top-level modules of all plugins."""
        return frozenset().union(*(identity.packages for identity in self.identities.values()))

    def scoring(self, metrics: Iterable[Metric], evaluator: type) -> str:
        """Return ``METRIC: DISTRIBUTION VERSION SETTINGS; …`` for what plugins contribute to the scores."""
        settings = {metric.name: metric.settings for metric in metrics}
        owners = {name: self.metrics.get(name) for name in settings}
        owners["evaluator"] = self.owner_of(evaluator.__module__)
        active = self._active()
        known = {name: active[plugin].text for name, plugin in owners.items() if plugin in active}
        # with other settings it is another metric. A semicolon ends the text of a metric
        known |= {
            name: f"{known[name]} {_text(values)}" for name, values in settings.items() if values and name in known
        }
        return "; ".join(f"{name}: {text}" for name, text in sorted(known.items()))

    def named(self, error: BaseException, config: Mapping[str, Any]) -> BaseException:
        """Return an error of a plugin's code with its option, the plugin and the function; any other one as it is.

        One of runtree's own errors was raised on purpose, and says what is wrong; if the cause is an exception of a
        plugin, the plugin is added to it.
        """
        calls = calls_into(error, self.packages)
        plugin = self.owner_of(calls[-1].module) if calls else None
        if plugin is None or f"plugin '{plugin}'" in str(error):
            return error
        place = f"in {calls[-1]}"
        if isinstance(error, RuntreeError):
            if error.__cause__ is not None and not isinstance(error, DataError):
                error.hints = (*error.hints, f"{place}, of the plugin '{plugin}'")
            return error
        owners = {call.owner for call in calls}
        groups = [
            f"{path}={node.get('name', '?')}" if "." not in path else path
            for path, node in locate_calls(config, "")
            if owners & {*target_names(node)}
        ]
        what = f"{groups[-1]} of the plugin '{plugin}'" if groups else f"the plugin '{plugin}'"
        failure = RunFailedError(f"{what} failed: {describe_error(error)}", place)
        failure.__cause__ = error
        return failure

    def _adds_of_config(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the config groups that plugins have code or options for, by plugin."""
        adds = self._code_of_config(config)
        for group, node in config.items():
            option = f"{group}={node.get('name')}" if isinstance(node, Mapping) else ""
            for name, identity in self._active().items():
                if option in identity.options:
                    adds.setdefault(name, []).append(str(group))
        return adds

    def _code_of_config(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the config groups whose targets are code of plugins, by plugin."""
        code: dict[str, list[str]] = {}
        for path, call in locate_calls(config, ""):
            for target in target_names(call):
                if (plugin := self.owner_of(target)) is not None:
                    code.setdefault(plugin, []).append(path.partition(".")[0])
        return code

    def _active(self) -> dict[str, PluginIdentity]:
        return {name: identity for name, identity in self.identities.items() if not identity.problem}

    def owner_of(self, dotted: str) -> str | None:
        """Return the plugin whose package has a module, None if it is nobody's."""
        top = dotted.partition(".")[0]
        return next((name for name, identity in self._active().items() if top in identity.packages), None)


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=str).replace(";", ",")
