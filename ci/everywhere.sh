#!/usr/bin/env bash
# Counts how often the tests cut programs short, and where: runs all that have each checkpoint cancelled, dropped or timed
# out, on both back ends, and prints the sums. Fails if a test does.
#
#     ci/everywhere.sh
#
# Columns: bodies that are cut short; their checkpoints (for futures that are dropped, how often they wait); runs that were
# cut short before anything was begun, with what was waited for under way, and when that had come; those of one child alone,
# and then of everything; and how often the bodies ran in all. Some are run twice, as what differs between runs is tried again.
set -euo pipefail
cd "$(dirname "$0")/.."

ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
tally=$(mktemp)
trap 'rm -f "$tally"' EXIT
export ANYIO_TEST_EVERYWHERE_TALLY=$tally
failed=()

# The folders of the areas that have such tests, as words for cargo and the modules to run.
while read -r folder; do
    area=$(basename "$folder")
    words=()
    if [ "$area" != cancel_everywhere ]; then
        mapfile -t words < <(grep -rlE 'cancel_everywhere\(|= "everywhere"' "$folder" --include='*.rs' |
            sed 's|.*/||; s|\.rs$||' | sort -u)
    fi
    package=anyio
    case $folder in
        ecosystem/*) package=anyio-$(cut -d/ -f2 <<<"$folder") ;;
    esac
    cargo test -p "$package" --test "$area" --quiet -- ${words[@]+"${words[@]}"} || failed+=("$folder")
done < <(grep -rlE 'cancel_everywhere\(|= "everywhere"' tests ecosystem --include='*.rs' |
    sed -nE 's!^(.*tests/[a-z_]+)/.*!\1!p' | sort -u)

awk -F '[: ]' '
    { counts[$1, $2] += $3; all[$2] += $3; manners[$1] = 1 }
    function line(name, of) { printf "%-10s", name; for (i = 1; i <= n; i++) printf " %11s", of[i]; print "" }
    END {
        n = split("bodies checkpoints before in-flight done child pair runs", names, " ")
        line("", names)
        for (manner in manners) { for (i = 1; i <= n; i++) row[i] = counts[manner, names[i]]; line(manner, row) }
        for (i = 1; i <= n; i++) row[i] = all[names[i]]
        line("all", row)
    }
' "$tally"
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
