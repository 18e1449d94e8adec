"""The text of the files that `runtree init` writes."""

import json

BUNDLED = "breast_cancer"

EXPERIMENT = """\
# @package _global_
# The first experiment: what is chosen and set here wins over conf/config.yaml, and the command line over both.
defaults:
  - override /data: {data}
  - override /algorithm: random_forest

experiment:
  name: {name}            # runs are kept below outputs/{name}/

data:
  test_size: 0.2

seed: 0
"""

CSV = """\
# {file}, to predict {target}
defaults:
  - _table_                 # task, drop, sample, test_size, split … with their defaults
  - _self_
name: {name}
_target_: runtree.data.files.Csv
path: {path}
separator: {separator}
target: {target}
"""

PARQUET = """\
# {file}, to predict {target}
defaults:
  - _table_                 # task, drop, sample, test_size, split … with their defaults
  - _self_
name: {name}
_target_: runtree.data.files.Parquet
path: {path}
target: {target}
"""

GITIGNORE = """\
outputs/
__pycache__/
"""

README = """\
# Experiments with runtree

```sh
runtree train experiment={experiment}                                      # what conf/experiment/{experiment}.yaml says
runtree train experiment={experiment} algorithm=hist_gradient_boosting     # with another algorithm
runtree train -m experiment={experiment} seed=1,2,3                        # three times
runtree runs                                                            # what came of it
runtree show latest                                                     # one run, all about it
```

`conf/` holds what can be chosen: a folder a group, a file a choice. What is here stands beside what runtree ships;
`runtree list` shows both, `runtree describe data={data}` tells what one of them takes.
`outputs/` holds every run in files of its own.
"""


def quoted(text: str) -> str:
    """Return a text as a YAML scalar."""
    return json.dumps(text, ensure_ascii=False)
