"""Drawing as HTML: bars, figures and tables, for widgets and for what stands in a saved notebook.

Everything that is not ours (labels, hosts, output, errors) is escaped here, and nowhere else.
Colours are those of JupyterLab's theme; where there is none, ones that can be read on light and
dark. There are no classes and scripts: a notebook that is not trusted shows the same.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite

from ipcluster_ext.display import figures
from ipcluster_ext.display.looks import ClusterLook, EngineLook, Share, Step, WorkLook
from ipcluster_ext.display.telling import doing, facts_of

GOOD = "var(--jp-success-color1, #43a047)"
BAD = "var(--jp-error-color1, #e5534b)"
CAREFUL = "var(--jp-warn-color1, #f57c00)"
BRAND = "var(--jp-brand-color1, #2196f3)"
_NEUTRAL = "rgba(128, 128, 128, 0.7)"
_TRACK = "rgba(128, 128, 128, 0.25)"
_LINE = "1px solid rgba(128, 128, 128, 0.3)"
_FONT = "font-size: var(--jp-widgets-font-size, 13px); line-height: 1.4"
_DIM = "opacity: 0.7"
_NUMBERS = "font-variant-numeric: tabular-nums"
_HEAD = f"text-align: left; font-weight: 600; padding: 1px 16px 1px 0; {_DIM}"
_CELL = "padding: 1px 16px 1px 0; text-align: left; white-space: nowrap"
_LONG = 60
"""How many characters of a line of output are shown."""
_MOST = 64
"""How many rows of a table are drawn; it is drawn anew at each change."""
_STATES = {
    "ready": GOOD, "running": GOOD, "idle": GOOD, "busy": BRAND, "starting": CAREFUL,
    "connecting": CAREFUL, "retiring": CAREFUL, "unresponsive": BAD, "dead": BAD,
}  # fmt: skip


def text(words: object, *style: str) -> str:
    """Draw words of anybody's."""
    inside = escape(str(words), quote=True)
    return f'<span style="{"; ".join(style)}">{inside}</span>' if style else inside


def bar(done: float, total: float | None, *, failed: float = 0, label: str = "", width: int) -> str:
    """Draw a bar: what is done, what of it failed, and what is left.

    Parameters
    ----------
    done, total
        How much is done, of how much; None or 0 if nobody knows.
    failed
        How much of what is done failed; it is drawn last, and red.
    label
        What a screen reader calls it.
    width
        In pixels, at most.
    """
    good, bad = _percent(done - failed, total), _percent(failed, total)
    value = f' aria-valuenow="{good + bad:.0f}"' if total else ""
    return (
        f'<div role="progressbar" aria-valuemin="0" aria-valuemax="100"{value}'
        f' aria-label="{text(label or "progress")}" style="display: flex; width: {width}px;'
        f" max-width: 100%; height: 10px; border-radius: 3px; overflow: hidden;"
        f' background: {_TRACK}">{_part(good, BRAND if good + bad < 100 else GOOD)}'
        f"{_part(bad, BAD)}</div>"
    )


def _percent(part: float, total: float | None) -> float:
    if not total or not isfinite(part / total):
        return 0.0
    return min(100.0, max(0.0, 100.0 * part / total))


def _part(percent: float, colour: str) -> str:
    return f'<div style="width: {percent:.2f}%; background: {colour}"></div>' if percent else ""


def progress(look: WorkLook, *, rate: float | None, left: float | None) -> str:
    """Draw how far work is: its label, a bar, figures, and what runs."""
    drawn = bar(look.done, look.total, failed=look.failed, label=look.label, width=220)
    name = text(look.label, "font-weight: 600") if look.label else ""
    figures_of = [
        text(fact.text, f"color: {BAD}; font-weight: 600") if fact.bad else text(fact.text)
        for fact in facts_of(look, rate=rate, left=left)
    ]
    now = doing(look)
    return (
        f'<div style="display: flex; flex-wrap: wrap; align-items: center; gap: 2px 10px; {_FONT};'
        f' {_NUMBERS}">{name}{drawn}<span>{" · ".join(figures_of)}</span>'
        f"{text(_shortened(now), _DIM) if now else ''}</div>"
    )


def shares(rows: Sequence[Share]) -> str:
    """Draw what each engine has of some work."""
    if not rows:
        return f'<div style="{_FONT}; {_DIM}">no engine has begun any of it</div>'
    table: dict[str, list[str]] = {
        "engine": [text("not known yet" if row.engine is None else row.engine) for row in rows],
        "running": [text(row.running or "–") for row in rows],
        "done": [text(figures.count(row.done) if row.done else "–") for row in rows],
        "failed": [_failures(row.failed) for row in rows],
        "progress": [_step(row.step) for row in rows],
        "last output": [
            text(_shortened(row.line), _DIM, "font-family: monospace") if row.line else ""
            for row in rows
        ],
    }
    return _table(table)


def _failures(number: int | None) -> str:
    if number is None:
        return ""
    return text(figures.count(number), f"color: {BAD}; font-weight: 600") if number else text("–")


def _step(step: Step | None) -> str:
    if step is None:
        return ""
    of = "" if step.total is None else f" of {figures.count(step.total)}"
    words = f"{figures.count(step.done)}{of} {_shortened(step.text)}".strip()
    return (
        '<div style="display: flex; align-items: center; gap: 8px">'
        f"{bar(step.done, step.total, width=80) if step.total else ''}{text(words)}</div>"
    )


def cluster(look: ClusterLook) -> str:
    """Draw what there is to say of a cluster in a line or two."""
    colour = _STATES.get(look.state, _NEUTRAL)
    head = (
        f"{dot(colour)}{text(look.title, 'font-weight: 600')} {text(look.state)}"
        f"{text(' on ' + ', '.join(look.hosts), _DIM) if look.hosts else ''}"
    )
    trouble = text(look.trouble, f"color: {BAD}") if look.trouble else ""
    return (
        f'<div style="{_FONT}; {_NUMBERS}"><div>{head}</div>'
        f"<div>{_cluster_figures(look)}</div>{f'<div>{trouble}</div>' if trouble else ''}</div>"
    )


def _cluster_figures(look: ClusterLook) -> str:
    if not look.known:
        return text(f"{figures.noun(look.wanted, 'engine')} wanted" if look.wanted else "", _DIM)
    wanted = "" if look.wanted in {None, look.ready} else f" of {look.wanted}"
    ready = "engine" if look.ready == 1 and not wanted else "engines"
    parts = [f"<b>{look.ready}{wanted}</b> {ready} ready"]
    if look.queued is not None:
        parts += [f"<b>{look.busy}</b> busy", f"<b>{figures.count(look.queued)}</b> queued"]
    if look.done is not None:
        parts.append(f"<b>{figures.count(look.done)}</b> done")
    if look.failed:
        parts.append(text(f"{figures.count(look.failed)} failed", f"color: {BAD}"))
    return " · ".join(parts)


def dot(colour: str) -> str:
    """Draw a dot, which tells a state by its colour; words have to tell it, too."""
    return (
        '<span aria-hidden="true" style="display: inline-block; width: 9px; height: 9px;'
        f' border-radius: 50%; margin-right: 6px; background: {colour}"></span>'
    )


def engines(rows: Sequence[EngineLook]) -> str:
    """Draw a table of engines."""
    if not rows:
        return f'<div style="{_FONT}; {_DIM}">no engines</div>'
    several = len({row.host for row in rows}) > 1
    table: dict[str, list[str]] = {
        "engine": [text(row.engine) for row in rows],
        "state": [dot(_STATES.get(row.state, CAREFUL)) + text(row.state) for row in rows],
        "host": [text(row.host) if several else "" for row in rows],
        "task": [_task(row) for row in rows],
        "queued": [text(figures.count(row.queued) if row.queued else "–") for row in rows],
        "done": [_count(row.done) for row in rows],
        "failed": [_failures(row.failed) for row in rows],
        "CPU": ["" if row.cpu is None else text(f"{100 * row.cpu:.0f} %") for row in rows],
        "memory": ["" if row.memory is None else text(figures.size(row.memory)) for row in rows],
    }
    return _table(table)


def _task(row: EngineLook) -> str:
    since = "" if row.busy_for is None else f" {figures.span(row.busy_for)}"
    task = _shortened(row.task) or ("busy" if row.busy else "")
    return (text(task) + (text(since, _DIM) if since else "")) or text("–")


def _count(number: int | None) -> str:
    return "" if number is None else text(figures.count(number) if number else "–")


def _table(columns: Mapping[str, Sequence[str]]) -> str:
    """Draw a table of columns of HTML, but for those in which nothing stands."""
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    top = "".join(f'<th scope="col" style="{_HEAD}">{text(name)}</th>' for name in filled)
    rows = list(zip(*filled.values(), strict=True))
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>"
        for row in rows[:_MOST]
    )
    if len(rows) > _MOST:
        more = text(f"and {figures.noun(len(rows) - _MOST, 'more', 'more')}", _DIM)
        body += f'<tr><td colspan="{len(filled)}" style="{_CELL}">{more}</td></tr>'
    return (
        f'<div style="max-height: 320px; overflow: auto"><table style="{_FONT}; {_NUMBERS};'
        f' border-collapse: collapse; border-top: {_LINE}; margin: 2px 0"><thead><tr>{top}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def note(words: str, *, bad: bool) -> str:
    """Draw what became of something that was asked for."""
    colour = f"color: {BAD}" if bad else _DIM
    return f'<div role="status" style="{_FONT}; {colour}">{text(words)}</div>' if words else ""


def folded(title: str, inside: str, *, opened: bool) -> str:
    """Draw something that can be folded up under its title, without anybody's help."""
    state = " open" if opened else ""
    return (
        f'<details{state}><summary style="{_FONT}; {_DIM}; cursor: pointer">{text(title)}'
        f"</summary>{inside}</details>"
    )


def stacked(*parts: str) -> str:
    """Draw things one below the other."""
    return "<div>" + "".join(part for part in parts if part) + "</div>"


def _shortened(words: str) -> str:
    return words if len(words) <= _LONG else words[: _LONG - 1] + "…"
