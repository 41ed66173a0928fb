"""Files of 10 MB that are made to take as much memory and time as a reader can be brought to.

Each begins with what makes it look real, then repeats, up to the size, what costs most.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final

import numpy as np

SIZE: Final = 10 << 20


def _fill(piece: bytes, head: bytes = b"", tail: bytes = b"", size: int = SIZE) -> bytes:
    """``head``, ``piece`` again and again, ``tail``."""
    return head + piece * max(0, (size - len(head) - len(tail)) // len(piece)) + tail


def _numbered(form: str, head: str = "", tail: str = "", size: int = SIZE) -> bytes:
    """``head``, ``form`` with ``%d`` numbered from 0, ``tail``."""
    parts, length = [head.encode()], len(head) + len(tail)
    for number in count():
        part = form.replace("%d", str(number)).encode()
        length += len(part)
        if length > size:
            break
        parts.append(part)
    return b"".join([*parts, tail.encode()])


def _xml(head: str, piece: str, tail: str) -> bytes:
    return _numbered(piece, head, tail)


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def _saved(shape: tuple[int, ...], data: bytes) -> bytes:
    """A saved heap whose spans say they have a shape."""

    def array(value: Any) -> bytes:
        file = io.BytesIO()
        np.save(file, np.array(value))
        return file.getvalue()

    file = io.BytesIO()
    head = {"descr": "<i8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)
    small = {name: array(1) for name in ("version", "num_pnodes", "free_from")}
    return _zip(**small, spans=file.getvalue() + data, free_spans=array([[0, 1, 1]]))


def _toml() -> Iterator[tuple[str, bytes]]:
    """What any reader of TOML may be given."""
    yield "keys with lists", _numbered("a%d=[]\n")
    yield "keys", _numbered("a%d=1\n")
    yield "tables", _numbered("[a%d]\n")
    yield "tables of tables", _fill(b"[[a]]\n")
    yield "dotted keys", _numbered("a%d.b=1\n")
    yield "one long dotted key", _fill(b".a", b"a", b"=1")
    yield "deep lists", _fill(b"[", b"a=")
    yield "deep tables", _fill(b"{a=", b"a=")
    yield "empty lists", _fill(b"[],", b"a=[", b"]")
    yield "a long number", _fill(b"9", b"a=")
    yield "a long hexadecimal number", _fill(b"f", b"a=0x")
    yield "a long decimal number", _fill(b"1", b"a=0.")
    yield "a long string", _fill(b'\\"', b'a="', b'"')
    yield "a long text", _fill(b'""a', b'a="""', b'"""')
    yield "comments", _fill(b"#\n")


def _json(good: str) -> Iterator[tuple[str, bytes]]:
    yield "deep lists", _fill(b"[")
    yield "deep objects", _fill(b'{"a":')
    yield "lists", _fill(b"[],", b'{"a":[', b"[]]}")
    yield "objects", _fill(b'{"a":0},', b'{"a":[', b"0]}")
    yield "a long number", _fill(b"9")
    yield "a long exponent", _fill(b"9", b"1e")
    yield "brackets in strings", _fill(b'"[[[[",', b'{"a":[', b"0]}")
    yield "a list in place of the first value", _fill(b"[],", good.encode(), b"[]]}")


def _xmls(root: str) -> Iterator[tuple[str, bytes]]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    yield (
        "billion laughs",
        f'<!DOCTYPE a [<!ENTITY l0 "lol">{laughs}]><{root}>&l9;</{root}>'.encode(),
    )
    big = f'<!DOCTYPE a [<!ENTITY b "{"b" * 100_000}">]><{root}>'
    yield "quadratic blow-up", _fill(b"&b;", big.encode(), f"</{root}>".encode())
    yield "elements", _fill(b"<a/>", f"<{root}>".encode(), f"</{root}>".encode())
    yield "deep elements", _fill(b"<a>", f"<{root}>".encode())
    yield "attributes", _xml(f"<{root} ", 'a%d="" ', f"></{root}>")
    yield "a long attribute", _fill(b"&lt;", f'<{root} a="'.encode(), f'"></{root}>'.encode())
    yield "line ends", _fill(b"\n", f"<{root}>".encode(), f"</{root}>".encode())
    yield "comments before the root", _fill(b"<!---->", b"", f"<{root}/>".encode())
    yield "comments and no root", _fill(b"<!---->", b"", b"x")
    yield "processing instructions", _fill(b"<?a?>", b"", f"<{root}/>".encode())


def _lines(*lines: str) -> Iterator[tuple[str, bytes]]:
    """The same line, or lines with numbers in them, again and again."""
    for line in lines:
        yield line.strip()[:30], _numbered(line)


_DOMAIN: Final = '[[domain]]\nname="a%d"\nmemory="1GiB"\n'
_HOST: Final = '[[host]]\nname="a%d"\n[[host.pnode]]\ntotal="1GiB"\n'
_CHANGE: Final = '[[scenario]]\nname="a%d"\nchanges=[{op='

CASES: Final[dict[str, Callable[[], Iterator[tuple[str, bytes]]]]] = {
    "xl-cfg": lambda: iter(
        [
            ("10 MB", _fill(b"a=1\n")),
            *(
                (label, data[: 1 << 20])
                for label, data in (
                    ("semicolons", _fill(b";", size=1 << 20)),
                    ("faults", _fill(b"?\n", size=1 << 20)),
                    ("keys", _numbered("numa%d=1\n", size=1 << 20)),
                    ("added strings", _fill(b'a+="x"\n', size=1 << 20)),
                    ("added lists", _fill(b"a+=[1]\n", size=1 << 20)),
                    ("deep lists", _fill(b"[", b"a=", size=1 << 20)),
                    ("vnodes", _fill(b"[],", b'name="a"\nvnuma=[', b"[]]\n", size=1 << 20)),
                    (
                        "vcpus of a vnode",
                        _fill(b"0-8191,", b'name="a"\nvnuma=[["vcpus=', b'"]]', size=1 << 20),
                    ),
                    (
                        "distances",
                        _fill(
                            b"1,",
                            b'name="a"\nmemory=99999\nvcpus=700\nvnodes=700\nvdistance=[',
                            b"1]",
                            size=980_150,
                        ),
                    ),
                    ("a CPU list", _fill(b"0,", b'name="a"\ncpus="', b'0"\n', size=1 << 20)),
                )
            ),
        ]
    ),
    "domains-toml": lambda: iter(
        [
            ("copies", _numbered(_DOMAIN + "count=100000\n", size=6 << 20)),
            ("vcpus", _numbered(_DOMAIN + "vcpus=8192\n", size=6 << 20)),
            ("vnodes", _numbered(_DOMAIN + "vcpus=1024\nvnodes=1024\n", size=8 << 20)),
            ("domains", _numbered(_DOMAIN, size=5 << 20)),
            ("faults", _fill(b'"",', b"[[domain]]\nvcpu_to_vnode=[", b"]", size=3 << 20)),
            ("groups", _numbered('[[group]]\nname="a%d"\nkeep="apart"\n')),
        ]
    ),
    "domains-csv": lambda: iter(
        [
            ("rows", _numbered("a%d,1G\n", "name,memory\n")),
            ("rows of one name", _fill(b"a,1G\n", b"name,memory\n", size=500_000)),
            ("rows up to the limit", _numbered("a%d,1G\n", "name,memory\n", size=1_000_000)),
            ("copies", _numbered("a%d,1G,100000\n", "name,memory,count\n")),
            ("vnodes", _numbered("a%d,1G,1024,1024\n", "name,memory,vnodes,vcpus\n")),
            ("rows of vnodes", _numbered("a,%d,1G,%d\n", "name,vnode,memory,vcpus\n")),
            ("columns", _numbered("a%d,", "name,memory,", "x\n")),
            ("empty rows", _fill(b"\n", b"name,memory\n")),
            ("commas", _fill(b",", b"name,memory\na,1G,")),
            ("quotes", _fill(b'"', b"name,memory\n")),
            ("a long cell", _fill(b"a", b"name,memory\n")),
            ("flavors", _numbered("a%d,1,1,\n", "Name,RAM,VCPUs,Properties\n")),
            (
                "blanks in properties",
                _fill(b" ", b"Name,RAM,VCPUs,Properties\na,1,1,a=", b"'", size=130_000),
            ),
        ]
    ),
    "libvirt-domain": lambda: iter(
        [
            ("pins", _xml("<domain><name>a</name><memory>9999</memory><vcpu>8192</vcpu><cputune>",
                "<vcpupin vcpu='%d' cpuset='0-16383'/>", "</cputune></domain>")),
            ("cells", _xml("<domain><name>a</name><cpu><numa>",
                "<cell memory='1024' cpus='0-8191'/>", "</numa></cpu></domain>")),
            ("page sizes", _xml("<domain><name>a</name><memory>9999</memory><memoryBacking>"
                "<hugepages>", "<page size='4' nodeset='0-65535'/>",
                "</hugepages></memoryBacking></domain>")),
            ("a CPU list", _fill(b"0,", b"<domain><name>a</name><memory>99</memory><vcpu cpuset='",
                b"0'>1</vcpu></domain>")),
            ("CPU lists", _fill(
                b"<page size='4' nodeset='" + b"0-65535," * 3000 + b"0'/>",
                b"<domain><name>a</name><memory>9999</memory><memoryBacking><hugepages>",
                b"</hugepages></memoryBacking></domain>")),
        ]
    ),
    "openstack-flavor": lambda: iter(
        [
            *_json('{"flavors":['),
            ("flavors", _numbered('{"name":"a%d","ram":1,"vcpus":1},', "[", "{}]")),
            ("vcpus", _numbered('{"name":"a%d","ram":1,"vcpus":8192},', "[", "{}]")),
            ("nodes", _numbered(
                '{"name":"a%d","ram":1024,"vcpus":1024,"extra_specs":{"hw:numa_nodes":1024}},',
                "[", "{}]")),
            ("specs", _numbered('"hw:numa%d":1,', '{"name":"a","ram":1,"vcpus":1,"extra_specs":{',
                '"x":1}}')),
            ("blanks in properties", json.dumps(
                {"name": "a", "ram": 1, "vcpus": 1, "properties": f"a={' ' * SIZE}'"}).encode()),
        ]
    ),
    "proxmox": lambda: iter(
        [
            *_lines("a%d: 1\n", "cores: 1\n"),
            ("a list", _fill(b"0;", b"memory: 9\nnuma: 1\nnuma0: memory=9,cpus=", b"0\n")),
            ("an affinity", _fill(b"0,", b"memory: 9\naffinity: ", b"0\n")),
            ("a long line", _fill(b"a")),
        ]
    ),
    "access-file": lambda: iter(
        [
            ("rows", _fill(b"1\n")),
            ("columns", _fill(b"1,", b"", b"1")),
            ("empty rows", _fill(b"\n")),
            ("faults", _fill(b"x,x\n")),
        ]
    ),
    "policy": lambda: iter([("keys", _numbered("a%d=1\n"))]),
    "inventory": lambda: iter(
        [
            *_toml(),
            ("hosts", _numbered(_HOST + 'pcpus="0"\n', size=3 << 20)),
            ("pcpus", _numbered(_HOST + 'pcpus="0-16383"\n', size=3 << 20)),
            ("pnodes", _numbered('[[host]]\nname="a%d"\n' + "[[host.pnode]]\ntotal=0\n" * 256,
                size=2 << 20)),
            ("running domains", _numbered(
                '[[host.running]]\nname="a%d"\nmemory={}\n',
                "[[host]]\n" + '[[host.pnode]]\ntotal="1GiB"\npcpus=""\n' * 255
                + '[[host.pnode]]\ntotal="1GiB"\npcpus="0"\n', size=3 << 20)),
            ("dedicated pcpus", _numbered(
                '[[host.running]]\nname="a%d"\nmemory={}\ndedicated_pcpus="0-16383"\n',
                '[[host]]\n[[host.pnode]]\ntotal="1GiB"\npcpus="0-16383"\n', size=4 << 20)),
            ("fragments", _numbered(
                '[[host]]\nname="a%d"\nfragmentation=0.9\n[[host.pnode]]\ntotal="4TiB"\npcpus="0"\n',
                size=3 << 20)),
            ("a huge pnode in fragments",
             b'[[host]]\nfragmentation=0.5\n[[host.pnode]]\ntotal="4096TiB"\npcpus="0"\n'),
            ("free spans",
             b"[[host]]\n[[host.pnode]]\nspans=[[1,10000000]]\npcpus='0'\nfree_spans=["
             + b"".join(b"[%d,1]," % n for n in range(1, 580_000, 2)) + b"]"),
            ("spans", b"[[host]]\n[[host.pnode]]\npcpus='0'\nspans=["
             + b"".join(b"[%d,1]," % n for n in range(1, 580_000, 2)) + b"]"),
        ]
    ),
    "heap-file": lambda: iter(
        [
            ("lines of buddyinfo", _fill(b"Node 0, zone DMA 1 1 1 1 1 1 1 1 1 1 1\n")),
            ("nodes of buddyinfo", _numbered("Node %d, zone DMA 1\n")),
            ("one line", _fill(b" 1", b"Node 0, zone DMA 1")),
            ("lines that are none", _fill(b"Node 0, zone Node 0, zone ")),
            ("a packed archive", _saved((1 << 22, 3), bytes(3 << 25))),
            ("a bomb", _saved((1 << 25, 3), bytes(3 << 28))),
            ("a shape that lies", _saved((1 << 50, 3), b"")),
        ]
    ),
    "heap-of-inventory": lambda: iter(
        [
            ("one order", b"Node 0, zone DMA 1\nNode 1, zone DMA 1\n"),
            ("spans", _saved((1 << 20, 3), np.stack([
                np.zeros(1 << 20, dtype=np.int64), np.arange(1 << 20) * 2 + 1,
                np.ones(1 << 20, dtype=np.int64)], axis=1).tobytes())),
        ]
    ),
    "hwloc": lambda: iter(
        [
            *_xmls("topology"),
            ("objects", _xml("<topology><object type='Machine'>",
                "<object type='PU' os_index='%d'/>", "</object></topology>")),
            ("sets", _fill(b"<object cpuset='" + b"," * 2040 + b"'/>",
                b"<topology><object type='Machine'>", b"</object></topology>")),
            ("matrices", _fill(b"<distances nbobjs='1' latency_base='1'/>",
                b"<topology><object type='Machine'>" + b"<object/>" * 400_000,
                b"</object></topology>")),
            ("deep matrices", b"<topology>" + b"<object><distances nbobjs='9' latency_base='1'/>"
                * 190 + b"<object/>" * 490_000 + b"</object>" * 190 + b"</topology>"),
            ("values", _fill(b"1 ", b"<topology><object type='Machine'/><distances2 type='NUMANode'"
                b" kind='5' indexing='os'><u64values>", b"</u64values></distances2></topology>")),
        ]
    ),
    "libvirt": lambda: iter(
        [
            ("cpus", _xml("<capabilities><host><topology><cells><cell id='0'><cpus>",
                "<cpu id='%d' siblings='0-16383'/>",
                "</cpus></cell></cells></topology></host></capabilities>")),
            ("distances", _xml("<capabilities><host><topology><cells><cell id='0'><distances>",
                "<sibling id='%d' value='1'/>",
                "</distances></cell></cells></topology></host></capabilities>")),
        ]
    ),
    "freecell": lambda: _lines("%d: 1 KiB\n", "0: 1 KiB\n", "Total: 1 KiB\n", "\n"),
    "xl-info": lambda: iter(
        [
            *_lines("numa_info  : x\n", "a%d  :\n", "0:   0   0   0\n"),
            ("distances", _fill(b",1", b"numa_info  :\n0:   1   1   1")),
            ("cpus", _numbered("%d: 0 0 0\n", "cpu_topology  :\n")),
        ]
    ),
    "xl-list": lambda: iter(
        [
            ("domains", _numbered("a %d 0 0 - 0 0-255\n",
                "Name ID Mem VCPUs State Time(s) NODE Affinity\n")),
            ("nodes", _numbered("a %d 0 0 - 0 0-16383\n",
                "Name ID Mem VCPUs State Time(s) NODE Affinity\n")),
            ("one domain", _fill(b"a 1 0 0 - 0 all\n",
                b"Name ID Mem VCPUs State Time(s) NODE Affinity\n")),
        ]
    ),
    "xl-vcpu-list": lambda: iter(
        [
            ("affinities", _numbered("a 1 %d - - 0 0-16383 / 1-16383\n",
                "Name ID VCPU CPU State Time(s) Affinity (Hard / Soft)\n")),
            ("other affinities", _numbered("a 1 %d - - 0 0-16383 / %d-16383\n",
                "Name ID VCPU CPU State Time(s) Affinity (Hard / Soft)\n")),
            ("domains", _numbered("a %d 0 - - 0 all / all\n",
                "Name ID VCPU CPU State Time(s) Affinity (Hard / Soft)\n")),
        ]
    ),
    "xen-keys": lambda: iter(
        [
            (label, _numbered(line, "NODE0 start->0 size->999 free->9\n"))
            for label, line in {
                "pcpus": "CPU0...16383 -> NODE0\n",
                "vcpus": "d1 (total: 1):\n 0: pnode 0, vcpus 0-16383\n",
                "vnodes": "d1 (total: 1):\n" + " 0: pnode 0, vcpus 0-9\n" * 9,
                "domains": "d%d (total: 1):\n",
                "dumps": "'u' pressed -> dumping numa info\nd1 (total: 1):\n"
                " 0: pnode 0, vcpus 0-99\n",
                "ranges": "d1 (total: 1):\n 0: pnode 0, vcpus 0\n"
                + "0000000000000000 - 0000000000000001\n" * 99,
                "old vcpus": "d1 (total: 1):\nDomain vcpu to vnode:" + " 0" * 9000 + "\n",
                "nodes": "NODE%d start->0 size->1 free->0\n",
                "zones": "heap[node=0][zone=39] -> 5 pages\n",
                "other lines": "(XEN) [",
                "a line of old vcpus": "d1 (total: 1):\nDomain vcpu to vnode: 0\n"
                + "0 " * 5_000_000,
            }.items()
        ]
    ),
    "numactl": lambda: iter(
        [
            *_lines("node 0 cpus: 0\n", "node %d size: 1 MB\n", "node 0 free: 1 MB\n"),
            ("distances", b"node" + b" 0" * 16384 + b"\n" + b"".join(
                b" %d:" % n + b" 1" * 16384 + b"\n" for n in range(310))),
            ("pcpus", _fill(b"0 ", b"node 0 cpus: ")),
            ("a header", _fill(b" 0", b"node")),
        ]
    ),
    "lscpu": lambda: iter(
        [
            ("pcpus", _numbered("%d,0,0,0\n", "# CPU,Core,Socket,Node\n")),
            ("columns", _fill(b",a", b"# CPU,Core,Socket,Node", b"\n0,0,0,0\n")),
            ("headers", _fill(b"# CPU,\n")),
            ("cells", _fill(b",0", b"# CPU,Core,Socket,Node\n0")),
        ]
    ),
    "lscpu-json": lambda: iter(
        [
            ("nodes", _numbered('{"field":"NUMA node%d CPU(s):","data":"0-16383"},',
                '{"lscpu":[{"field":"On-line CPU(s) list:","data":"0-16383"},', "{}]}")),
            ("rows", _numbered('{"cpu":%d},', '{"cpus":[', '{"cpu":0}]}')),
        ]
    ),
    "nova": lambda: iter(
        [
            ("cells", _numbered(
                '{"nova_object.data":{"id":%d,"cpuset":[],"siblings":[],"memory":1,"memory_usage":0,'
                '"cpu_usage":0,"pinned_cpus":[]}},',
                '{"nova_object.name":"NUMATopology","nova_object.data":{"cells":[', "0]}}")),
        ]
    ),
    "node-resource-topology": lambda: iter(
        [
            ("items", _fill(b"- a\n", b"kind: NodeResourceTopology\nitems:\n")),
            ("lists", _fill(b"[],", b"kind: NodeResourceTopology\nitems: [", b"]")),
            ("deep lists", _fill(b"[", b"kind: NodeResourceTopology\nitems: ")),
            ("deep items", _fill(b"- ", b"kind: NodeResourceTopology\nitems:\n")),
            ("keys", _numbered("a%d: 1\n", "kind: NodeResourceTopology\n")),
            ("aliases", _fill(b"- *a\n", b"kind: NodeResourceTopology\na: &a [1]\nitems:\n")),
            ("minutes of minutes", _fill(b":59", b"kind: NodeResourceTopology\na: 1")),
            ("a long number", _fill(b"f", b"kind: NodeResourceTopology\na: 0x")),
            ("line ends", _fill(b"\n", b"", b"kind: NodeResourceTopology\n")),
            ("a long text", _fill(b"a ", b"kind: NodeResourceTopology\na: |\n  ")),
        ]
    ),
    "sysfs": lambda: iter(
        [
            ("a list of pcpus", _fill(b"0,", b"== sys/devices/system/cpu/online\n")),
            ("a bitmap", _fill(b"f,", b"== sys/devices/system/node/node0/cpumap\n", b"f")),
            ("distances", _fill(b"1 ", b"== sys/devices/system/node/node0/distance\n")),
            ("memory", _fill(b"Node 0 MemTotal: 1 kB\n",
                b"== sys/devices/system/node/node0/meminfo\n")),
        ]
    ),
    "run-problem": lambda: _json('{"schema_version":2,"hosts":['),
    "run-result": lambda: iter([("lists", _fill(b"[],", b'{"placement":[', b"[]]}"))]),
    "run-frames": lambda: iter(
        [
            ("rows", _fill(b"[0,0,0,0,0,1,1],",
                b'{"schema_version":2,"domains":[{"domain":"rc9","host":"heatpipe","runs":[',
                b"[0,0,0,0,0,1,1]]}]}")),
        ]
    ),
    "run-placement": lambda: iter([("lists", _fill(b"[],", b'{"domains":[', b"[]]}"))]),
    "run-placements": lambda: iter(
        [("commas", _fill(b",")), ("lines", _fill(b"a\n")), ("quotes", _fill(b'"'))]
    ),
    "run-pages": lambda: iter([("lines", _fill(b"\n"))]),
    "scenarios": lambda: iter(
        [
            ("hosts", _numbered(_CHANGE + '"add-host",from="pnode:1 memory:1G",count=100000}]\n',
                size=3 << 20)),
            ("pcpus", _numbered(_CHANGE + '"add-host",from="core:16383 memory:1G"}]\n',
                size=3 << 20)),
            ("domains", _numbered(_CHANGE + '"add",shape="s",count=100000}]\n',
                '[[shape]]\nname="s"\nmemory="1GiB"\n', size=3 << 20)),
            ("changes", _numbered('{op="remove",domain="a%d"},',
                '[[scenario]]\nname="a"\nchanges=[', "]\n")),
        ]
    ),
    "seen": lambda: iter(
        [
            ("results", _fill(b'{"guest_type":"pv"},', b'{"results":[', b'{"guest_type":"pv"}]}')),
            ("pcpus", _fill(b"CPU0...16383 -> NODE0\n", b"NODE0 start->0 size->999 free->9\n")),
        ]
    ),
    **{
        name: lambda: iter(
            [("commas", _fill(b",")), ("rows", _fill(b"a\n")), ("a long cell", _fill(b"a"))]
        )
        for name in ("whatif-whatif", "whatif-domains", "whatif-pnodes", "whatif-frontier")
    },
    "host-of-any-kind": lambda: iter(
        [
            ("line ends", _fill(b"\n")),
            ("comments and no root", _fill(b"<!---->", b"", b"x")),
            ("deep lists", _fill(b"[", b"{")),
            ("objects", _fill(b'{"a":0},', b'{"a":[', b"0]}")),
            ("nodes", _fill(b"Node 0, zone ")),
            ("headers", _fill(b"# CPU,\n")),
            ("blanks", _fill(b" ")),
        ]
    ),
    "domains-of-any-kind": lambda: iter(
        [
            ("a long line", _fill(b"a")),
            ("colons", _fill(b"a:")),
            ("comments", _fill(b"<!---->")),
            ("objects", _fill(b'{"a":0},', b'{"a":[', b"0]}")),
        ]
    ),
    "config": lambda: iter([("keys", _numbered("a%d=1\n")), ("tables", _numbered("[a%d]\n"))]),
    "gqap": lambda: iter(
        [
            ("numbers", _fill(b"1 ", b"1500 1000 1\n1\n")),
            ("lines", _fill(b"1\n", b"1500 1000 1\n1\n")),
            ("a long number", _fill(b"1")),
        ]
    ),
}  # fmt: skip
"""By reader: (what it is, its bytes). Arguments of a command line are not longer than 128 KiB."""
