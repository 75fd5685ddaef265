"""What came of the faults: JSON with everything, and beside it a table for people."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.agreement import off_median
from tests.faults.case import Fault

Row = dict[str, Any]
_LONGEST_QUOTE = 240
HEAD = (
    "| fault | complete | struck after | exit codes | keys missing, added | records, twice "
    "| what was said |\n| --- | --- | --- | --- | --- | --- | --- |\n"
)


class Table:
    """Rows by fault; those that a file has are kept unless they are made anew."""

    def __init__(self, path: Path | None, faults: Mapping[str, Fault]) -> None:
        self.path, self.faults = path, faults
        self.rows: dict[str, Row] = {}
        self._kept: dict[str, Row] = {}
        if path and path.exists():
            self._kept = json.loads(path.read_text())["faults"]

    def add(self, name: str, row: Row) -> None:
        """One fault more; all are written, so that a run that is cut off loses nothing."""
        self.rows[name] = row
        if self.path is None:
            return
        found = self._kept | self.rows
        rows = {name: found[name] for name in self.faults if name in found}
        whole = {"faults": rows, "good_records_off_median": off(rows)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
        lines = (_line(name, row, self.faults[name].says) for name, row in rows.items())
        self.path.with_suffix(".md").write_text(HEAD + "".join(lines))


def off(rows: Mapping[str, Row]) -> dict[str, dict[str, float]]:
    """Of records marked good: those during whose measurement a fault struck, and all others."""
    kinds = ("others", "struck")
    good = [record for row in rows.values() for case in row["cases"] for record in case["good"]]
    return off_median((name, canaries, kinds[struck]) for name, canaries, struck in good)


def _line(name: str, row: Row, says: str) -> str:
    cases = row["cases"]
    struck = [f"{c['struck_after_s']:.0f}" for c in cases if c["struck_after_s"] is not None]
    codes = Counter(", ".join(map(str, case["codes"])) for case in cases)
    cells = (
        name,
        f"{len(cases)} of {len(cases) + len(row['failed'])}",
        f"{', '.join(struck)} s" if struck else "there before",
        "; ".join(f"{times} × {text}" for text, times in codes.most_common()),
        f"{sum(len(c['missing']) for c in cases)}, {sum(len(c['added']) for c in cases)}",
        f"{sum(c['records'] for c in cases)}, {sum(c['duplicates'] for c in cases)}",
        _quoted(cases, says),
    )
    return f"| {' | '.join(cells)} |\n"


def _quoted(cases: list[Row], says: str) -> str:
    """What most of the cases said of the fault, if any said it."""
    if not says:
        return ""
    # A board's name and its fingerprint differ from case to case.
    heard = Counter(
        re.sub(r"\bboard\d\b", "board1", line)
        for case in cases
        for line in case["said"]
        if re.search(says, line)
    )
    if not heard:
        return ""
    line = heard.most_common(1)[0][0].replace("|", "/")
    return f"`{line[:_LONGEST_QUOTE]}{'…' if len(line) > _LONGEST_QUOTE else ''}`"
