"""Results are written whole: by `forestry.atomic`, whoever writes them."""

import re
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "workflow/scripts/forestry"
WRITES = re.compile(r"\.write_(?:text|bytes)\(|open\([^)\n]*\"w")
# What is no result: the lock of a run, and typst's own folder, gone with the job.
ELSEWHERE = {"atomic.py", "running.py", "supplement/pdf.py"}


def test_no_module_writes_a_result_by_itself():
    for module in LIBRARY.rglob("*.py"):
        if str(module.relative_to(LIBRARY)) not in ELSEWHERE:
            for line in module.read_text().splitlines():
                assert not WRITES.search(line) or "open(part" in line, (module.name, line)
