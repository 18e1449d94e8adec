"""In a kernel of Jupyter: what is shown as text and as HTML, and what an interrupt does."""

import asyncio
from pathlib import Path

import pytest

from runtree.testing.fixtures import UNEXAMINED

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

PLAIN = " ".join([*UNEXAMINED, "tuner.report=false", "tuner.plots=false", "compute.engine=in_process"])
SLOW = """import time
from sklearn.linear_model import Ridge

class Slow(Ridge):
    def fit(self, X, y):
        time.sleep(self.tol)
        return super().fit(X, y)
"""
CELLS = [
    f"""import pandas as pd, runtree as rt
PLAIN = "{PLAIN}"
numbers = list(range(60))
frame = pd.DataFrame({{"area": [40.5 + n % 20 for n in numbers], "price": [100.0 * (n % 20) + n % 7 for n in numbers]}})
run = rt.train("algorithm=ridge", PLAIN, data=frame, target="price", progress=False)
run""",
    """sweep = rt.tune("algorithm=ridge", PLAIN, data=frame, target="price", max_runs=3,
    space=lambda trial: {"algorithm.alpha": trial.suggest_float("alpha", 0.1, 10, log=True)})
sweep""",
    "sweep.plot_history()",
    "rt.compare([sweep.folder.name])[['rank', 'tied']]",
    "rt.tune('algorithm=ridge', PLAIN, data=frame, target='cost')",
    "rt.tune({'algorithm': 'ridge', 'algorithm._target_': '__main__.Mine'}, PLAIN, data=frame, target='price')",
    """slow = {"algorithm": "ridge", "algorithm._target_": "slow.Slow", "algorithm.tol": 1.5, "tuner": "random"}
once = rt.tune(slow, PLAIN, data=frame, target="price", max_runs=90)
print(once.stop["criterion"], len(once.runs))""",
    "slow['algorithm.tol'] = 600.0; rt.tune(slow, PLAIN, data=frame, target='price', max_runs=90)",
    "print(rt.load_sweep().stop['criterion'], rt.load_sweep().runs[0].state)",
]
INTERRUPTS = {6: 1, 7: 2}  # cell → how often
ENDED = (7,)  # cells that would go on without the second one


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Return the outputs of each cell, of a notebook that is run in a folder of its own."""
    folder = tmp_path_factory.mktemp("notebook")
    Path(folder, "slow.py").write_text(SLOW)
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    client = nbclient.NotebookClient(document, timeout=120, allow_errors=True, resources={"metadata": {"path": folder}})

    async def execute():
        async with client.async_setup_kernel():
            for place, cell in enumerate(document.cells):
                work = asyncio.ensure_future(client.async_execute_cell(cell, place))
                for _ in range(INTERRUPTS.get(place, 0)):
                    # not before the sweep has begun: until then an interrupt ends the cell, as any other
                    while "/90 runs" not in text_of(cell.outputs) and not work.done():
                        await asyncio.sleep(0.05)
                    await asyncio.sleep(0.4)
                    await client.km.interrupt_kernel()
                # a kernel that had no turn between two interrupts takes them for one
                while place in ENDED and not (await asyncio.wait([work], timeout=30))[0]:
                    await client.km.interrupt_kernel()
                await work

    asyncio.run(execute())
    return [cell.outputs for cell in document.cells]


def text_of(outputs, kind="text/plain"):
    return "\n".join(str(output.get("data", {}).get(kind) or output.get("text") or "") for output in outputs)


def test_a_run_is_shown_with_its_metrics_and_what_may_come_next(notebook):
    assert text_of(notebook[0]).startswith("<run ")
    shown = text_of(notebook[0], "text/html")
    assert "<td>rmse</td>" in shown
    assert "<code>run.explain(0)</code>" in shown


def test_a_sweep_shows_a_bar_as_text_and_as_html_then_its_best_runs(notebook):
    bar, result = notebook[1]
    assert bar.output_type == "display_data"
    assert "[############################] 3/3 runs" in bar.data["text/plain"]
    assert "<progress max='1' value='1.000'" in bar.data["text/html"]
    assert "<th>alpha</th>" in result.data["text/html"]
    assert "nan" not in result.data["text/html"]
    assert [output.output_type for output in notebook[2]] == ["execute_result"]
    assert notebook[2][0].data["image/png"]
    assert "tied" in text_of(notebook[3])


def test_a_mistake_leaves_no_bar_and_says_what_the_command_line_says(notebook):
    error = notebook[4][-1]
    assert error.ename == "DataError"
    assert error.evalue.startswith("unknown column at data.target: 'cost'")
    assert text_of(notebook[4]).strip() == ""
    assert "write the code to a file beside it" in notebook[5][-1].evalue


def test_an_interrupt_lets_the_run_finish_and_a_second_one_ends_it(notebook):
    criterion, runs = text_of(notebook[6]).splitlines()[-1].split()
    assert criterion == "interrupted"
    assert 1 <= int(runs) < 90
    assert notebook[7][-1].ename == "KeyboardInterrupt"
    assert "rt.resume('outputs/" in notebook[7][-1].evalue
    assert text_of(notebook[8]).strip() == "interrupted interrupted"
