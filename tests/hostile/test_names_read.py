"""Names where they come in: taken as they are, or refused by one clear error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from placer.errors import InputError
from placer.read.domains_toml import read_domains_toml
from placer.read.inventory import read_inventory
from placer.read.policies import read_policy
from placer.read.scenarios import read_scenarios
from placer.read.sources import read_domains
from tests.hostile.names import DOMAIN_FILES, PLAIN, REFUSED, toml


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    return path


def names_of(path: Path) -> list[str]:
    found = read_domains([str(path)], fallback=False, ignore_pnodes=False, warnings=[])
    return [domain.name for domain in found.domains]


@pytest.mark.parametrize("kind", DOMAIN_FILES)
def test_a_domain_has_the_name_that_its_file_says(
    kind: str, tmp_path: Path, tried: Callable[..., None]
) -> None:
    file, text = DOMAIN_FILES[kind]
    for name in PLAIN:
        assert names_of(written(tmp_path / file, text(name))) == [name], name
    tried("hostile-name-read", len(PLAIN))


@pytest.mark.parametrize("kind", DOMAIN_FILES)
def test_a_name_that_cannot_be_shown_is_refused_by_one_error(
    kind: str, tmp_path: Path, tried: Callable[..., None]
) -> None:
    file, text = DOMAIN_FILES[kind]
    for name in REFUSED:
        try:
            content = text(name)
        except ValueError:  # xl's strings hold no NUL
            continue
        path = written(tmp_path / file, content)
        try:
            found = names_of(path)
        except InputError as error:
            assert len(error.faults) == 1, (name, str(error))
            assert str(path) in str(error), (name, str(error))
            assert str(error).isprintable(), (name, str(error))
        else:
            # Spaces around a value are none of it in XML text, lines and cells.
            assert found == [name.strip()], name
            assert found[0].isprintable(), name
    tried("hostile-name-read", len(REFUSED))


@pytest.mark.parametrize("name", PLAIN)
def test_hosts_groups_shapes_scenarios_and_policies_have_the_names_that_are_said(
    name: str, tmp_path: Path, tried: Callable[..., None]
) -> None:
    said = toml(name)
    (host,) = read_inventory(written(tmp_path / "h.toml", INVENTORY.format(said)), warnings=[])
    assert host.name == name
    domains = read_domains_toml(written(tmp_path / "d.toml", GROUP.format(said, said)))
    assert [group.name for group in domains.groups] == [name]
    (scenario,) = read_scenarios(written(tmp_path / "s.toml", SCENARIO.format(said, said)))
    assert scenario.name == name
    policy = read_policy(str(written(tmp_path / "p.toml", POLICY.format(said))))
    assert policy.name == name
    tried("hostile-name-read", 4)


@pytest.mark.parametrize("name", [name for name in REFUSED if "\ud800" not in name])
def test_hosts_groups_scenarios_and_policies_refuse_what_cannot_be_shown(
    name: str, tmp_path: Path, tried: Callable[..., None]
) -> None:
    said = toml(name).replace("\x7f", "\\u007f")
    reads: list[Callable[[], object]] = [
        lambda: read_inventory(written(tmp_path / "h.toml", INVENTORY.format(said)), warnings=[]),
        lambda: read_domains_toml(written(tmp_path / "d.toml", GROUP.format(said, '"g"'))),
        lambda: read_scenarios(written(tmp_path / "s.toml", SCENARIO.format(said, '"shape"'))),
        lambda: read_policy(str(written(tmp_path / "p.toml", POLICY.format(said)))),
    ]
    for read in reads:
        with pytest.raises(InputError) as caught:
            read()
        assert str(caught.value.faults[0]).isprintable()
    tried("hostile-name-read", len(reads))


INVENTORY = """\
[[host]]
name = {}

[[host.pnode]]
total = "4GiB"
pcpus = "0-3"
"""
GROUP = """\
[[group]]
name = {}
keep = "together"

[[domain]]
name = "vm"
memory = "1GiB"
vcpus = 1
groups = [{}]
"""
SCENARIO = """\
[[shape]]
name = {1}
memory = "1GiB"
vcpus = 1

[[scenario]]
name = {0}
changes = [{{ op = "add", shape = {1}, count = 1 }}]
"""
POLICY = 'name = {}\ntie_break = "pack"\n'
