"""What a run says, as Markdown and as plots: one big table, all figures by fault, and where Seawall is behind."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.faults.faults import FAULTS
from benchmarks.faults.figures import TUNED, Cell, Results, behind
from benchmarks.rig import drawing
from benchmarks.rig.delivery import README, replace_section
from benchmarks.rig.report import aligned

PAGE: Final = Path(__file__).parents[1] / "faults.md"
SECTION: Final = "faults"
TITLES: Final = {fault.name: fault.title for fault in FAULTS}
NOT_DRAWN: Final = ("none", "all-errors")  # where nobody, and where everybody, has reason to complain
MANY_SHARE: Final = 0.01  # of the requests


def publish(results: Results) -> None:
    """Write the sections of README.md and faults.md, and the plots."""
    replace_section(README, SECTION, overview(results))
    replace_section(PAGE, SECTION, details(results))
    draw(results)


def overview(results: Results) -> str:
    """The machine, one table of everything, and where Seawall is behind."""
    lines = [*_method(results), "", *_big_table(results), "", "**Where Seawall is behind a peer**", ""]
    lines += [f"- {line}" for line in behind(results)] or ["- in no figure of this run"]
    return "\n".join(lines) + "\n"


def details(results: Results) -> str:
    """One table per fault, with every figure."""
    lines = _method(results)
    for fault in results.faults:
        cells = [cell for cell in results.cells if cell.fault == fault]
        lines += ["", f"### {fault}: {TITLES[fault]}", "", *_fault_table(cells)]
    return "\n".join(lines) + "\n"


def draw(results: Results) -> list[Path]:
    """Two plots: the share of requests that clients had reason to complain about, defaults and tuned."""
    paths = []
    faults = [fault for fault in results.faults if fault not in NOT_DRAWN]
    for title, ending in (("defaults", ""), ("tuned", TUNED)):
        peers = [peer for peer in results.peers if peer.endswith(TUNED) == bool(ending)]
        if not peers:
            continue
        shares = {
            peer.removesuffix(TUNED): [complaints(results.cell(peer, fault)) * 100 for fault in faults]
            for peer in peers
        }
        paths.append(
            drawing.draw_bars(
                f"faults-{title}",
                title=f"Requests that failed or took more than a second, {title}",
                y="% of all requests in the run",
                groups=[fault.replace("-", "-\n") for fault in faults],
                bars=shares,
            )
        )
    return paths


def complaints(cell: Cell | None) -> float:
    """The share of requests that failed or took more than a second, 0 to 1; a request that did both counts once."""
    return cell.complaints / cell.requests if cell and cell.requests else 0.0


def _method(results: Results) -> list[str]:
    lines = [f"- {key}: {value}" for key, value in results.machine.items()]
    lines.append("- peers: " + ", ".join(f"{peer} {version}" for peer, version in results.versions.items()))
    lines.append(
        f"- {results.rate:g} requests a second, half of them POST, 10 ms of work each; a client gives up after "
        f"{results.patience:g} s; a fault is watched for {results.seconds:g} s; "
        f"{results.side_by_side} proxies side by side"
    )
    if results.absent:
        lines.append(f"- not measured, because not installed: {', '.join(results.absent)}")
    return lines


def _big_table(results: Results) -> list[str]:
    """Faults in rows, proxies in columns."""
    head = ("failed / over 1 s / p99 ms", *results.peers)
    rows = [(TITLES[fault], *(_short(results.cell(peer, fault)) for peer in results.peers)) for fault in results.faults]
    return aligned([head, *rows])


def _short(cell: Cell | None) -> str:
    if cell is None:
        return "not run"
    text = f"{cell.failures} / {cell.slow} / {cell.p99_ms:.0f}"
    if cell.twice_post:
        text += f", {cell.twice_post} POST twice"
    return f"**{text}**" if complaints(cell) > MANY_SHARE or cell.twice_post else text


def _fault_table(cells: Sequence[Cell]) -> list[str]:
    head = (
        *("proxy", "requests", "failed", "over 1 s", "p50 ms", "p99 ms", "worst ms", "POST twice", "GET twice"),
        *("to the bad one", "the last, s", "last harm, s", "back after, s", "what failed"),
    )
    return aligned([head, *(tuple(_figures(cell)) for cell in cells)])


def _figures(cell: Cell) -> Iterator[str]:
    yield cell.peer
    yield from (str(cell.requests), str(cell.failures), str(cell.slow))
    yield from (f"{cell.p50_ms:.0f}", f"{cell.p99_ms:.0f}", f"{cell.worst_ms:.0f}")
    yield from (str(cell.twice_post), str(cell.twice_get))
    yield from (str(cell.reached), _seconds(cell.reached_s), _seconds(cell.harm_s), _seconds(cell.back_s))
    yield ", ".join(f"{count} {kind}" for kind, count in cell.failed.items())


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
