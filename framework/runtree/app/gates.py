"""Which gates were missed: by the run, or by the best of many."""

from collections.abc import Iterable

from runtree.app.clean import find_best_runs
from runtree.app.training import Done
from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.sweeps.finish import keepers


def missed(done: Done) -> tuple[str, ...]:
    """Return a sentence for each gate that was missed; of many runs the best decide, as they are those to be used."""
    if done.swept is not None and done.swept.driver is not None:
        return _of_sweep(done)
    found = [read_record(RunFolder(run.folder)) for run in done.runs]
    best = find_best_runs(found) if done.multirun else {record.folder for record in found}
    return _sentences((record for record in found if record.folder in best), named=done.multirun)


def _of_sweep(done: Done) -> tuple[str, ...]:
    swept = done.swept
    assert swept is not None and swept.driver is not None and swept.plan is not None and swept.plan.folder is not None
    folders = [swept.plan.folder.run(entry.number) for entry in keepers(swept.driver)]
    found = []
    for folder in folders:
        try:
            found.append(read_record(folder))
        except NotFoundError:  # the best could not be kept, which the report has told
            continue
    return _sentences(found, named=True)


def _sentences(found: Iterable[RunRecord], named: bool) -> tuple[str, ...]:
    return tuple(f"{f'{record.id}: ' if named else ''}{text}" for record in found for text in record.missed)
