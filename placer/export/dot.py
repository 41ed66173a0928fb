"""A drawing of a placed domain on its host, for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from placer.cpulist import format_ranges
from placer.export.picture import Picture, PnodePicture, picture_of
from placer.export.rendered import ExportOptions, Rendered
from placer.run import Run
from placer.units import format_pages

_MOST_LINKED: Final = 8
"""Links between more vnodes than this cannot be told apart."""


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return a graph: a cluster for each pnode with the vnodes that lie there, and distances.

    A link between two vnodes bears the distance between their homes, from the first to the
    second and back where they differ. A vnode on several pnodes is drawn on each, the parts
    off its home dashed.
    """
    del options
    picture = picture_of(run, domain)
    title = f"{picture.domain.name} on {picture.host.name}"
    lines = [
        f"graph {_quoted(title)} {{",
        f"    label={_quoted(title)};",
        '    labelloc="t";',
        '    fontname="sans-serif";',
        '    node [shape=box, style="rounded,filled", fillcolor="#d7e6f5", fontname="sans-serif"];',
        '    edge [fontname="sans-serif"];',
    ]
    for pnode in picture.pnodes:
        lines += _cluster(picture, pnode)
    lines += _links(picture)
    warnings = []
    if picture.placed.num_vnodes > _MOST_LINKED:
        warnings.append(f"no distances are drawn between more than {_MOST_LINKED} vnodes")
    return Rendered(text="".join(f"{line}\n" for line in [*lines, "}"]), warnings=tuple(warnings))


def _cluster(picture: Picture, pnode: PnodePicture) -> Iterator[str]:
    yield f"    subgraph cluster_pnode{pnode.pnode} {{"
    room = f"{format_pages(pnode.total)}, {format_pages(pnode.free)} free"
    yield f"        label={_quoted(_lines(f'pnode {pnode.pnode}', room))};"
    used = pnode.before + pnode.others + pnode.overhead
    yield (
        f"        in_use{pnode.pnode} [shape=plaintext, style=solid, "
        f"label={_quoted(f'{format_pages(used)} in use by others')}];"
    )
    for vnode, pages in pnode.vnodes:
        if vnode not in pnode.homes:
            what = _quoted(_lines(f"vnode {vnode}", f"{format_pages(pages)} of it"))
            look = f'style="rounded,dashed", label={what}'
            yield f"        part{vnode}_{pnode.pnode} [{look}];"
    held = dict(pnode.vnodes)
    for vnode in pnode.homes:
        vcpus = picture.topology.vcpus_of(vnode)
        said = f"vcpus {format_ranges(vcpus)}" if vcpus else "no vcpus"
        what = _lines(f"vnode {vnode}", format_pages(held.get(vnode, 0)), said)
        yield f"        vnode{vnode} [label={_quoted(what)}];"
    yield "    }"


def _links(picture: Picture) -> Iterator[str]:
    for pnode in picture.pnodes:
        for vnode, _ in pnode.vnodes:
            if vnode not in pnode.homes:
                yield f"    vnode{vnode} -- part{vnode}_{pnode.pnode} [style=dashed];"
    if picture.placed.num_vnodes > _MOST_LINKED:
        return
    for one, other in combinations(range(picture.placed.num_vnodes), 2):
        there, back = picture.distance(one, other), picture.distance(other, one)
        label = f"{there}" if there == back else f"{there} / {back}"
        yield f'    vnode{one} -- vnode{other} [label="{label}"];'


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _quoted(text: str) -> str:
    r"""Return a quoted ID of DOT, in which ``\n`` ends a line; other signs stand for themselves."""
    plain = "".join(
        sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
