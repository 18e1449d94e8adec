"""The run of a request: the config of the champion, or its sweep, with other rows; resumed where it was killed."""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runtree.app.application import App
from runtree.app.rerun import check_recorded_plugins, recorded_flags, refuse_changed_config
from runtree.app.resume import resume_sweep
from runtree.app.retrain_request import RetrainOrder, source_request
from runtree.app.retrain_rows import find_new_rows
from runtree.app.retrain_score import Side, make_side
from runtree.app.sweep_plan import SweepRequest
from runtree.app.train import OpenFolder, TrainCallbacks, train
from runtree.config.freeze import FrozenConfig
from runtree.config.hydra_engine import parse_flags
from runtree.config.provenance import TypedWords
from runtree.config.space.grammar import quote
from runtree.contract.commands import command, override_key
from runtree.contract.errors import RequestError, RunFailedError, RuntreeError
from runtree.contract.fingerprint import IGNORED_GROUPS
from runtree.contract.model_version import ModelVersion
from runtree.contract.redaction import HIDDEN
from runtree.contract.types import RunRecord
from runtree.records.commands import is_of_sweep, outputs_of, sweep_verb
from runtree.records.folder_claims import make_sweep_folder
from runtree.records.layout import RunFolder, SweepFolder, find_sweep, read_description, timestamp
from runtree.records.reader import read_json
from runtree.records.record import read_record
from runtree.records.retrain_requests import FAILED, RetrainRequest


def open_side(app: App, version: ModelVersion, order: RetrainOrder) -> Side:
    """Read a version as what was typed allows: its code, and that of its data."""
    return make_side(app, version, app.allow_list(TypedWords(order.data, order.trusted)), order.trusted)


@dataclass(frozen=True)
class ChallengerRun:
    """The run, or the sweep, by which a request is worked on; `mode` is refit or retune."""

    app: App
    order: RetrainOrder
    request: RetrainRequest
    champion: ModelVersion
    mode: str
    callbacks: TrainCallbacks

    @property
    def _first(self) -> RunRecord:
        """The run of the champion."""
        return read_record(RunFolder(self.champion.folder))

    def complete(self) -> RunRecord:
        """Return the completed run of the request, which is trained unless it is there.

        Raises
        ------
        RuntreeError
            The training failed; a request that was typed is closed then, one of a trigger waits for what mends it.
        """
        words = self._data_words()
        try:
            return self._search(self._first, words) if self.mode == "retune" else self._fit(self._first, words)
        except RuntreeError as error:
            if self.request.state and not self.request.content["triggers"]:
                self.request.note(outcome=FAILED, closed=timestamp(), reasons=[error.message])
            elif not self.request.content["triggers"]:  # nothing was begun: a word that is mistyped is no request
                shutil.rmtree(self.request.folder.path)
            elif self.request.state:  # the next attempt may have other rows: what failed is mended by them, perhaps
                self.request.note(data=None)
            raise

    def _data_words(self) -> list[str]:
        """Return the overrides of `data`: those typed now, else what the request was begun or made with."""
        if self.order.data:
            return list(self.order.data)
        content, begun = self.request.content, self.request.state.get("data")
        if begun is not None or content.get("data"):
            return [str(text) for text in begun or content.get("data") or ()]
        source = content.get("source")
        watched = source_request(self._first, source, self.order.trusted) if source else None
        champion = open_side(self.app, self.champion, self.order)
        return find_new_rows(self.app, champion, watched, self.request.folder.rows, self.order.trusted)

    def _fit(self, record: RunRecord, data: list[str]) -> RunRecord:
        begun = self.request.state.get("run")
        if begun is not None:
            found = RunFolder(Path(begun))
            is_whole = found.record.is_file() and read_record(found).state == "completed"
            if is_whole and self.request.state.get("data") == data:
                return read_record(found)
            if found.is_held():
                raise RequestError(f"{found.path}: another process works in this folder")
            if not is_whole:  # of a process that was killed, or of a run that failed
                shutil.rmtree(found.path, ignore_errors=True)
        check_recorded_plugins(self.app, record.plugins, record.config, "the champion was made")
        words = [text for text in record.overrides if not is_of_sweep(text) and override_key(text) != "outputs"]
        words = self._without(words, data, record.id)
        # what is typed now may name code, and what is read from the request may not
        typed = data if self.order.data else []
        flags = recorded_flags(record, [*words, *([] if typed else data)], [*typed, "hydra.mode=RUN"])
        flags.trusted = list(self.order.trusted)
        folder = Chosen(self, record, data).choose_folder
        run = train(self.app, flags, replace(self.callbacks, choose_folder=folder)).runs[0]
        return read_record(RunFolder(run.folder))

    def _search(self, record: RunRecord, data: list[str]) -> RunRecord:
        """Search again as the champion's sweep did, beginning with what it found."""
        outputs = outputs_of(record)
        name, of_sweep, _ = record.id.partition("/")
        if not of_sweep:
            raise RequestError(
                f"retune: version {self.champion.number} is of no sweep, so there is no search to repeat",
                f"type: {command('retrain', self.order.name, *_flags(data), '--mode', 'refit')}",
            )
        earlier = find_sweep(outputs, name)
        if self.request.state.get("sweep") is None or self.request.state.get("data") != data:
            self.request.note(sweep=str(make_sweep_folder(outputs / record.experiment)), data=data)
        folder = SweepFolder(Path(str(self.request.state["sweep"])))
        if read_json(folder.stop)[0].get("best") is None:
            if folder.ledger.is_file():
                result = resume_sweep(self.app, folder, trusted=self.order.trusted)
            else:
                result = train(self.app, self._search_flags(earlier, folder, data), order=SweepRequest(self.app))
            if result.swept and result.swept.driver and result.swept.driver.signals:
                raise KeyboardInterrupt
        best = (read_json(folder.stop)[0].get("best") or {}).get("run")
        if best is None:
            raise RunFailedError(f"{folder.path}: no run of the search completed", sweep_verb("status", folder))
        return read_record(folder.run(int(best)))

    def _search_flags(self, earlier: SweepFolder, folder: SweepFolder, data: list[str]) -> argparse.Namespace:
        known = read_description(earlier)
        words = self._without([str(text) for text in known["overrides"]], data, earlier.path.name)
        words = [text for text in words if not override_key(text).startswith(("hydra.sweep.", "hydra.run."))]
        typed = data if self.order.data else []
        warm = f"tuner.warm_start.from=[{quote(earlier.path.name)}]"
        flags = parse_flags(["-m", *typed, warm, f"hydra.sweep.dir={quote(str(folder.path))}"])
        flags.recorded, flags.trusted = (*words, *([] if typed else data)), list(self.order.trusted)
        flags.config_name = known.get("config_name")
        flags.config_dir, flags.config_path = known.get("config_dir"), known.get("config_path")
        return flags

    def _without(self, words: Sequence[str], data: list[str], name: str) -> list[str]:
        """Return the words that made the champion, without those about data that are replaced."""
        replaced = {override_key(text) for text in data}
        kept = [text for text in words if override_key(text) not in replaced]
        if "data" in replaced:  # another kind of table, which comes with all that is known of the columns
            kept = [text for text in kept if not override_key(text).startswith("data.")]
        if any(HIDDEN in text for text in kept):
            raise RequestError(f"{name} was given a secret on the command line", "name secrets as ${secret:NAME}")
        return kept


def _flags(data: Sequence[str]) -> list[str]:
    return [part for text in data for part in ("--data", text)]


@dataclass(frozen=True)
class Chosen:
    """The folder of the run: noted in the request before anything is written into it."""

    work: ChallengerRun
    record: RunRecord
    data: list[str]

    def choose_folder(self, frozen: FrozenConfig, open_new: OpenFolder) -> OpenFolder:
        """Return what opens a new folder, after a check that nothing but the rows is another than the champion's.

        Raises
        ------
        RequestError
            The config has changed.
        """
        refuse_changed_config(
            self.record,
            frozen,
            f"what made it was changed since; see: {command('rerun', str(self.record.folder))}",
            but=lambda key: key.partition(".")[0] in ("data", *IGNORED_GROUPS),
        )

        def open_noted() -> RunFolder:
            folder = open_new()
            self.work.request.note(run=str(folder.path), data=self.data)
            return folder

        return open_noted
