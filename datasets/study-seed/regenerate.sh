#!/bin/sh
# Which of the seed's guests fit after the other, and what a third pnode would give.
# usage, from the project's folder: regenerate.sh WORK REPORT
set -eu
work=$1 report=$2 seed=datasets/seed here=datasets/study-seed
rm -rf "$work"
mkdir -p "$work" "$report"
placer place $seed/rcbig.cfg --host $seed/heatpipe-before-rcbig.toml --fallback --out "$work/rcbig" --quiet >"$work/rcbig.txt" 2>&1
placer whatif run $here/after-rcbig.toml --base "$work/rcbig" --out "$work/after" --quiet >"$report/after-rcbig.txt"
placer whatif headroom --base "$work/rcbig" --vm 'name:rc9 memory:4GiB vcpus:4 vnodes:2' \
    --vm 'name:one-vnode memory:1GiB vcpus:1' --csv "$report/headroom.csv" --quiet >"$report/headroom.txt"
placer report "$work/rcbig" --whatif "$work/after" --html "$work/page.html" --pictures "$work/pictures" --quiet
cp "$work/after/whatif.csv" "$work/after/whatif_domains.csv" "$work/pictures/scenarios.svg" "$report"
