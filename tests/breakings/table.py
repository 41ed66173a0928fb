"""Every named way to break a valid run, and the rules of which it breaks one, as they are named."""

from __future__ import annotations

from typing import Final

PLACEMENTS: Final[dict[str, tuple[str, ...]]] = {
    "allow fewer vcpus": ("D3 bounds",),
    "allow no host": ("C3 host",),
    "ask for another pnode": ("C3 pnode",),
    "ask for distinct pnodes": ("C3 distinct",),
    "call another pnode home": ("D2 strict", "D2 home"),
    "crowd one pcpu": ("C2 crowd",),
    "cut the way to the memory": ("C5 unreachable",),
    "fill the pnode with running vcpus": ("C2 pnode",),
    "forbid the host": ("C3 host",),
    "forbid the spill there is": ("C6 cpu spill",),
    "forget a domain": ("D1 once",),
    "forget a vcpu": ("D1 shape",),
    "forget the empty siblings": ("C2 threads",),
    "give a page too many": ("D2 size", "C4 memory"),
    "give a vcpu to another vnode": ("D3 map",),
    "give two dedicated vcpus one pcpu": ("C2 dedicated",),
    "hand out less than the whole memory": ("C4 memory",),
    "interleave what lies on one pnode": ("D2 interleave",),
    "keep a pcpu empty for nothing": ("C2 threads",),
    "keep apart over hosts what is together": ("C3 group",),
    "keep apart over pnodes what is together": ("C3 group",),
    "keep back what is used": ("C1 memory",),
    "keep together what is on two hosts": ("C3 group",),
    "leave no room for the overhead": ("C1 memory",),
    "leave out one that must be placed": ("D1 left out",),
    "let a running domain hold the pcpu": ("C2 dedicated",),
    "lose a page": ("D2 pages",),
    "make a vnode without memory": ("C4 empty",),
    "make more vnodes than there are pnodes": ("C4 count",),
    "name a pcpu of another pnode": ("D4 pnode",),
    "name a pcpu that is not there": ("D1 shape",),
    "number the vcpus backwards": ("D3 blocks",),
    "pin a vcpu elsewhere": ("C3 hard affinity",),
    "place a domain that nobody asked for": ("D1 once",),
    "place a domain twice": ("D1 once",),
    "place on a host that is not there": ("D1 host",),
    "require siblings where there are none": ("C2 threads",),
    "spill a single page": ("D2 strict", "D2 granules"),
    "turn the order round": ("D1 order",),
    "want large pages of fragments": ("C1 page size",),
}
"""Of a placement (tests/breakings/placements.py)."""

FRAMES: Final[dict[str, tuple[str, ...]]] = {
    "back a domain that is not placed": ("F1 frames",),
    "back a guest frame twice": ("F5 guest frames",),
    "back a page less": ("F1 pages",),
    "back one domain twice": ("F1 frames",),
    "back with frames of another host": ("F1 frames",),
    "cut a large page into small ones": ("F4 page size",),
    "exchange the guest memory of two vnodes": ("F5 guest frames",),
    "forget the frames of a domain": ("F1 frames",),
    "give a frame that is not free": ("F3 free",),
    "give a frame to two domains": ("F2 once",),
    "give a frame twice": ("F2 once",),
    "give an extent that is not aligned": ("F4 extents",),
    "give an extent without pages": ("F4 extents",),
    "give extents of 32 KiB": ("F4 extents",),
    "give extents of a pnode that is not there": ("F4 extents",),
    "give more extents than there is memory": ("F4 extents",),
    "give pages of another pnode": ("F1 pages",),
    "leave a guest frame without memory": ("F5 guest frames",),
    "put a PV guest's memory at no address": ("F5 guest frames",),
}
"""Of the frames (tests/breakings/frames.py)."""

MOVES: Final[dict[str, tuple[str, ...]]] = {
    "allow fewer moves": ("C7 moves",),
    "allow fewer pages to be moved": ("C7 pages",),
    "forget a step": ("M1 moves",),
    "give frames before their holder leaves": ("M4 frames",),
    "let a virtual topology move live": ("M2 live",),
    "move a domain that nobody placed": ("M1 moves",),
    "move where nothing runs": ("M1 moves",),
    "number the steps from 0": ("M1 moves",),
    "say other homes of a step": ("M1 moves",),
    "say another host of a step": ("M1 moves",),
    "say other pages of a step": ("M1 moves",),
    "shift what stays": ("M4 frames",),
    "start before there is room": ("M3 room",),
}
"""Of the way there (tests/breakings/moves.py)."""

ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "call a level that has a gap optimal": ("optimal, but value",),
    "call an answer impossible": ("with a placement",),
    "call no answer optimal": ("without a placement",),
    "forget to list what is left out": ("neither placed nor listed as unplaced",),
    "list what is placed as unplaced": ("placed, and listed as unplaced",),
    "say a better value of a level": ("recomputed",),
    "say a bound that the value betters": ("recomputed value",),
    "say another score of a rule of thumb": ("placement.json: ",),
    "say another status than the files": ("placement.json: status",),
}
"""Of what is said of the answer (tests/breakings/answers.py); named by what the checker says."""

TABLE: Final = {**PLACEMENTS, **FRAMES, **MOVES, **ANSWERS}
