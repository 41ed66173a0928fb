#!/bin/sh
# A fleet of 40 hosts: N-1 of every host, headroom for three shapes, NPS1 against NPS4.
# usage, from the project's folder: regenerate.sh WORK REPORT
set -eu
if [ $# -ne 2 ]; then
    echo "usage, from the project's folder: sh $0 WORK REPORT" >&2
    exit 2
fi
work=$1 report=$2 here=datasets/study-fleet
if [ -e "$work" ] && [ ! -e "$work/.study-fleet" ] && [ -n "$(ls -A "$work")" ]; then
    echo "$0: $work is in use and is no earlier output of this study" >&2
    exit 2
fi
rm -rf "$work"
mkdir -p "$work" "$report"
touch "$work/.study-fleet"
placer place $here/domains.toml --host $here/hosts.toml --out "$work/run" --quiet >"$work/run.txt"
placer whatif fail-each --base "$work/run" --out "$work/fail-each" --quiet >"$report/fail-each.txt" || test $? -eq 5
placer whatif headroom --base "$work/run" --vm 'name:web memory:16GiB vcpus:4' \
    --vm 'name:db memory:96GiB vcpus:32 vnodes:2' --vm 'name:wide memory:192GiB vcpus:64 vnodes:4' \
    --csv "$report/headroom.csv" --quiet >"$report/headroom.txt"
placer whatif run $here/modes.toml --base "$work/run" --out "$work/modes" --work 10 --quiet >"$report/modes.txt"
placer report "$work/run" --whatif "$work/fail-each" --html "$work/page.html" --pictures "$work/pictures" --quiet
cp "$work/pictures/hosts.svg" "$report"
cp "$work/pictures/scenarios.svg" "$report/fail-each.svg"
placer report "$work/run" --whatif "$work/modes" --pictures "$work/modes-pictures" --quiet
cp "$work/modes-pictures/scenarios.svg" "$report/modes.svg"
cp "$work/fail-each/whatif.csv" "$report/fail-each.csv"
cp "$work/modes/whatif.csv" "$report/modes.csv"
