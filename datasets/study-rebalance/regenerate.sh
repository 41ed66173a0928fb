#!/bin/sh
# A fleet that has become fragmented: what moving 0 to 12 domains is worth.
# usage, from the project's folder: regenerate.sh WORK REPORT
set -eu
if [ $# -ne 2 ]; then
    echo "usage, from the project's folder: sh $0 WORK REPORT" >&2
    exit 2
fi
work=$1 report=$2 here=datasets/study-rebalance
if [ -e "$work" ] && [ ! -e "$work/.study-rebalance" ] && [ -n "$(ls -A "$work")" ]; then
    echo "$0: $work is in use and is no earlier output of this study" >&2
    exit 2
fi
rm -rf "$work"
mkdir -p "$work" "$report"
touch "$work/.study-rebalance"
stay="--rebalance --max-moves 0"
placer place $here/small.toml --host $here/hosts.toml --out "$work/small" --quiet >"$work/small.txt"
placer place $here/pairs.toml --host "$work/small" $stay --out "$work/pairs" --quiet >"$work/pairs.txt"
placer place $here/quads.toml --host "$work/pairs" $stay --out "$work/quads" --quiet >"$work/quads.txt"
placer whatif frontier --base "$work/quads" --max-moves 12 --out "$work/frontier" --work 10 --quiet >"$report/frontier.txt"
placer report "$work/quads" --whatif "$work/frontier" --html "$work/page.html" --pictures "$work/pictures" --quiet
cp "$work/frontier/frontier.csv" "$work/frontier/whatif.csv" "$work/pictures/frontier.svg" "$report"
