#!/bin/sh
# Which of the seed's guests fit after the other, and what a third pnode would give.
# usage, from the project's folder: regenerate.sh WORK REPORT
set -eu
if [ $# -ne 2 ]; then
    echo "usage, from the project's folder: sh $0 WORK REPORT" >&2
    exit 2
fi
work=$1 report=$2 seed=datasets/seed here=datasets/study-seed
if [ -e "$work" ] && [ ! -e "$work/.study-seed" ] && [ -n "$(ls -A "$work")" ]; then
    echo "$0: $work is in use and is no earlier output of this study" >&2
    exit 2
fi
rm -rf "$work"
mkdir -p "$work" "$report"
touch "$work/.study-seed"
placer place $seed/rcbig.cfg --host $seed/heatpipe-before-rcbig.toml --fallback --out "$work/rcbig" --quiet >"$work/rcbig.txt" 2>&1
placer whatif run $here/after-rcbig.toml --base "$work/rcbig" --out "$work/after" --quiet >"$report/after-rcbig.txt"
placer place $seed/rc9.cfg --host $seed/heatpipe-before-rcbig.toml --out "$work/rc9" --quiet >"$work/rc9.txt"
placer whatif run $here/after-rc9.toml --base "$work/rc9" --out "$work/after-rc9" --quiet >"$report/after-rc9.txt"
placer place $seed/rc9.cfg --host "$work/rcbig" --out "$work/both" --quiet >"$work/both.txt"
headroom() {
    placer whatif headroom --base "$work/$1" --vm 'name:rc9 memory:4GiB vcpus:4 vnodes:2' \
        --vm 'name:one-vnode memory:1GiB vcpus:1' --csv "$2.csv" --quiet >"$2.txt"
}
headroom rcbig "$report/headroom-rcbig"
headroom rc9 "$report/headroom-rc9"
headroom both "$report/headroom-both"
placer report "$work/rcbig" --whatif "$work/after" --html "$work/page.html" --pictures "$work/pictures" --quiet
cp "$work/after/whatif.csv" "$work/after/whatif_domains.csv" "$work/pictures/scenarios.svg" "$report"
cp "$work/after-rc9/whatif.csv" "$report/whatif-after-rc9.csv"
