"""Runs the code of a notebook from top to bottom, without a display: `python run.py shop.ipynb`.

Prints what the notebook has put into `figures`, as JSON. Needs no Jupyter.
"""

import json
import os
import sys
from pathlib import Path


def main(path):
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.path.insert(0, str(Path(path).resolve().parent))
    notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    names = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path}, cell {number}", "exec"), names)
    print(json.dumps(names["figures"]))


main(*sys.argv[1:])
