"""Sockets for a guest, so that none of them cuts across two vnodes."""

from __future__ import annotations

from placer.arrays import Ints


def vcpus_per_socket(vcpu_to_vnode: Ints) -> int:
    """Return the most vcpus a socket may have, so that each socket lies within a vnode.

    Sockets have equally many vcpus, in their order. A guest's hwloc does not believe nodes that
    cut across sockets.
    """
    vnodes = vcpu_to_vnode.tolist()
    for size in range(len(vnodes), 1, -1):
        blocks = [set(vnodes[k : k + size]) for k in range(0, len(vnodes), size)]
        if len(vnodes) % size == 0 and all(len(block) == 1 for block in blocks):
            return size
    return 1
