#!/usr/bin/env bash
# Exhausts the model of shard.pml in every configuration, plants every bug and
# wants each found by the property that it breaks, and checks that every step of
# the model is taken in some configuration. See README.md.
#
#   run.sh           the configurations and bugs of every change; some 3 minutes
#   FULL=1 run.sh    larger configurations as well, for the nightly run
#   RESULTS=file     writes one line a check, tab-separated
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
results=${RESULTS:-/dev/null}
full=${FULL:-0}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$results"

if ! command -v spin >/dev/null; then
	command -v apt-get >/dev/null || { echo "spin is not installed: https://spinroot.com" >&2; exit 1; }
	echo "installing spin"
	apt-get update -qq && apt-get install -y -qq spin gcc
fi

fail() { echo "FAILED: $*" >&2; exit 1; }

# build DIR DEFINITION... makes DIR/pan of the model. Definitions may be macros
# with arguments, so they go into a file.
build() {
	local dir=$1 definition reduction=
	shift
	mkdir -p "$dir"
	for definition; do
		case $definition in
		*=*) echo "#define ${definition%%=*} ${definition#*=}" ;;
		*) echo "#define $definition" ;;
		esac
	done >"$dir/case.pml"
	echo "#include \"$here/shard.pml\"" >>"$dir/case.pml"
	# Provided clauses, by which all others stop, are not for partial order reduction.
	[[ " $* " == *" ALONE "* ]] && reduction=-DNOREDUCE
	(
		cd "$dir"
		spin -a case.pml >spin.out 2>&1 || { cat spin.out; exit 1; }
		gcc "$optimise" -DSAFETY -DCOLLAPSE -DVECTORSZ=1024 -DMEMLIM="$memory" $reduction -o pan pan.c
	) || fail "$dir does not compile"
}

search() { (cd "$1" && ./pan -m2000000 $2 >pan.out 2>&1) || true; }

# config NAME WHAT DEFINITION... searches all of a configuration.
config() {
	local name=$1 what=$2 dir=$scratch/config-$1 ends= states depth seconds
	shift 2
	# Where all others are stopped for ever, they stop anywhere.
	[[ " $* " == *" ALONE "* ]] && ends=-E
	optimise=-O2 memory=12000 build "$dir" "$@"
	search "$dir" "$ends"
	grep -q 'errors: 0$' "$dir/pan.out" || { cat "$dir/pan.out"; fail "configuration $name: $*"; }
	if grep -qE 'Search not completed|max search depth too small|out of memory|memory limit' "$dir/pan.out"; then
		cat "$dir/pan.out"
		fail "configuration $name was not exhausted"
	fi
	states=$(awk '/states, stored/ { print $1 }' "$dir/pan.out")
	depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' "$dir/pan.out")
	seconds=$(sed -n 's/.*elapsed time \([0-9.e+-]*\) seconds.*/\1/p' "$dir/pan.out")
	printf '%-15s %11s states, depth %5s, %6s s  %s\n' "$name" "$states" "$depth" "$seconds" "$what"
	printf 'spin\tconfig:%s\tstates=%s\texhausted\n' "$name" "$states" >>"$results"
}

# bug FLAG PROPERTY RULE DEFINITION... plants a bug and wants the property
# to fail. No other property is checked meanwhile.
bug() {
	local flag=$1 property=$2 rule=$3 dir=$scratch/$1 number
	shift 3
	number=$(sed -n "s/^#define $property *\([0-9]*\) .*/\1/p" "$here/shard.pml")
	[[ $number ]] || fail "there is no property $property"
	optimise=-O1 memory=4000 build "$dir" "$flag" "ONLY=$number" "$@"
	search "$dir" -E
	grep -q "assertion violated.*($number!=$number)" "$dir/pan.out" || {
		cat "$dir/pan.out"
		fail "$flag was not found by $property: $*"
	}
	rm -rf "$dir"
	printf '%-28s found by %-16s %s\n' "$flag" "$property" "$rule"
	printf 'spin\t%s\t%s\t%s\n' "$flag" "$rule" "$property" >>"$results"
}

# cover wants every line of the worker to be reached in some configuration. Spin
# lists the states that a search did not reach; a line that is in the lists of
# all configurations was never reached. Branches that only jump are marked by
# "taken" in the model, so that they are listed too.
cover() {
	local first last unreached
	first=$(grep -n '^proctype Worker' "$here/shard.pml" | cut -d: -f1)
	last=$(grep -n '^/\* ---- The end, and the beginning' "$here/shard.pml" | cut -d: -f1)
	unreached=$(
		for out in "$scratch"/config-*/pan.out; do
			sed -n 's/.*\.pml:\([0-9]*\), state .*/\1/p' "$out" | sort -u
		done | sort -n | uniq -c |
			awk -v all="$(ls -d "$scratch"/config-* | wc -l)" -v first="$first" -v last="$last" \
				'$1 == all && $2 > first && $2 < last { print $2 }'
	)
	for line in $unreached; do
		echo "shard.pml:$line is reached in no configuration: $(sed -n "${line}p" "$here/shard.pml")"
	done
	[[ -z $unreached ]] || fail "the configurations do not cover the model"
	labels=$(sed -n "${first},${last}p" "$here/shard.pml" | grep -c '^[a-z_]*:$')
	echo "all $labels labels, and every branch below them, are reached"
	printf 'spin\tcover\t%s labels\tall reached\n' "$labels" >>"$results"
}

echo "== configurations"
both='(ALLOW|PEEK)'
config grow "two keys, nested growth, Reset and Refund" \
	KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" TIMES1=2 'DO2=(HELP|RESET|REFUND)' TIMES2=2
config nested "two keys, a successor that gets a successor" \
	KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" TIMES1=2 'DO2=(HELP|GROW|RESET)' TIMES2=3
config full-first "a first table without place" \
	KEYS=2 SLOTS=2 'SLOTS_OF(t)=((t)==1->1:2)' TABLES=4 GROWS=1 PRESENT=1 "DO1=$both" 'DO2=(ALLOW|HELP)' TIMES2=2
config full-second "a successor without place" \
	KEYS=2 SLOTS=2 'SLOTS_OF(t)=((t)==2->1:2)' TABLES=4 GROWS=1 "DO1=$both" 'DO2=(GROW|HELP)' TIMES2=4
config back "chunks of two slots, a clock that steps back" \
	KEYS=2 SLOTS=2 PER_SEGMENT=2 PER_CHUNK=2 TABLES=3 GROWS=1 LATEST=2 BACK=1 PRESENT=1 "DO1=$both" 'DO2=(GROW|HELP)' TIMES2=3
config void "from a void table, with SetQuota and AllowAt" \
	VOID KEYS=1 TABLES=5 GROWS=1 LATEST=2 PRESENT=0 "DO1=$both" TIMES1=2 'DO2=(SET_QUOTA|ALLOW_AT)' TIMES2=1
config quota "SetQuota to a slower one, the clock runs" \
	TABLES=3 GROWS=1 LATEST=3 "DO1=$both" TIMES1=2 'DO2=(SET_QUOTA|HELP)' TIMES2=2
config quota-faster "SetQuota to a faster one of less burst" \
	TABLES=3 GROWS=1 LATEST=3 EMISSION1=3 EMISSION2=1 BURST2=1 "DO1=$both" TIMES1=2 'DO2=(SET_QUOTA|REFUND)' TIMES2=2
config raise "the memory bound raises the horizon, with SetQuota" \
	KEYS=2 SLOTS=2 TABLES=4 GROWS=2 RAISE=5 "DO1=$both" 'DO2=(GROW|HELP|SET_QUOTA)' TIMES2=3
config three "three at once, SetQuota, the clock runs" \
	WORKERS=3 TABLES=3 GROWS=1 LATEST=3 "DO1=$both" 'DO2=(SET_QUOTA|HELP)' TIMES2=1 DO3=HELP TIMES3=1
config three-keys "three at once on one key, growth" \
	WORKERS=3 TABLES=3 GROWS=2 PRESENT=0 'DO1=(ALLOW|PEEK|RESET)' 'DO2=(GROW|HELP)' TIMES2=3 DO3=ALLOW TIMES3=1
config alone-quota "one runs alone: SetQuota" \
	ALONE TABLES=3 GROWS=1 LATEST=2 "DO1=$both" TIMES1=2 'DO2=(SET_QUOTA|HELP)' TIMES2=2
config alone-nested "one runs alone: nested growth" \
	ALONE KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" 'DO2=(GROW|HELP)' TIMES2=3
config alone-three "one of three runs alone" \
	ALONE WORKERS=3 TABLES=3 GROWS=1 "DO1=$both" DO2=SET_QUOTA TIMES2=1 DO3=HELP TIMES3=1

if [[ $full == 1 ]]; then
	config full-nested "nested, more operations" \
		KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" TIMES1=2 'DO2=(GROW|HELP|RESET|REFUND)' TIMES2=3
	config full-raise "raise, more operations" \
		KEYS=2 SLOTS=2 TABLES=4 GROWS=2 RAISE=5 "DO1=$both" TIMES1=2 'DO2=(GROW|HELP|SET_QUOTA)' TIMES2=3
	config full-three "three at once, two operations each" \
		WORKERS=3 TABLES=3 GROWS=1 LATEST=2 "DO1=$both" TIMES1=2 'DO2=(SET_QUOTA|HELP)' TIMES2=2 DO3=HELP TIMES3=1
	config full-three-keys "three at once, two keys" \
		WORKERS=3 KEYS=2 SLOTS=2 TABLES=3 GROWS=1 PRESENT=1 DO1=ALLOW 'DO2=(GROW|HELP)' TIMES2=2 DO3=ALLOW TIMES3=1
fi

echo "== planted bugs"
grower='DO2=(GROW|HELP)'
# Slot
bug BUG_FREEZE_STORE LOST_OR_DOUBLED "slot: freezing is one Or" TABLES=2 GROWS=1 DO1=ALLOW TIMES1=2 "$grower" TIMES2=3
bug BUG_RESET_STORE LOST_OR_DOUBLED "slot: Reset is a CAS" TABLES=2 GROWS=1 DO1=RESET "$grower" TIMES2=3
bug BUG_RESET_ZERO LOST_OR_DOUBLED "slot: no operation stores 0" TABLES=2 GROWS=1 'DO1=(RESET|ALLOW)' TIMES1=2 "$grower" TIMES2=3
bug BUG_DECIDES_ON_FROZEN LOST_OR_DOUBLED "slot: a frozen value is followed" \
	WORKERS=3 TABLES=2 GROWS=1 DEBT=2 DO1=ALLOW_AT "$grower" TIMES2=3 DO3=REFUND TIMES3=1
bug BUG_CLAIM_STORE WRITTEN_TWICE "slot: an id is written once, by claim" TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW "$grower" TIMES2=3
bug BUG_SEAL_STORE WRITTEN_TWICE "slot: an id is written once, by seal" TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW "$grower" TIMES2=3
bug BUG_NO_SEAL LOST_OR_DOUBLED "slot: an empty one is sealed before going on" \
	WORKERS=3 TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW 'DO2=(GROW|ALLOW)' TIMES2=2 DO3=ALLOW TIMES3=1
bug BUG_CLAIM_FIRST REFUSAL_WROTE "slot: decide first, claim when admitting" TABLES=2 GROWS=1 DEBT=2 RAISE=5 DO1=ALLOW "$grower" TIMES2=2
bug BUG_NO_CARRY LOST_OR_DOUBLED "an operation brings its own key along" TABLES=2 GROWS=1 DO1=ALLOW DO2=GROW TIMES2=1
bug BUG_COPY_OVERWRITES LOST_OR_DOUBLED "a copy writes only where 0 is" TABLES=2 GROWS=1 DO1=ALLOW 'DO2=(GROW|HELP|ALLOW)' TIMES2=3
# Two marks of a table
bug BUG_DROP_BY_CLOCK LOST_OR_DOUBLED "marks: a copy is dropped by the floor only" TABLES=2 GROWS=1 LATEST=5 DEBT=2 DO1=ALLOW "$grower" TIMES2=2
bug BUG_BORN_FALLS REFUSED_WRONGLY "marks: birth never falls" TABLES=3 GROWS=2 LATEST=3 BACK=2 BURST1=1 PRESENT=0 DO1=ALLOW "$grower" TIMES2=5
bug BUG_BORN_BEFORE_LINK LOST_OR_DOUBLED "marks: birth is read after linking" TABLES=2 LATEST=3 EMISSION1=3 EMISSION2=1 DO1=ALLOW TIMES1=2 DO2=SET_QUOTA TIMES2=1
bug BUG_BORN_STORED LOST_OR_DOUBLED "marks: who is first fixes the birth" TABLES=2 LATEST=3 EMISSION1=3 EMISSION2=1 DO1=ALLOW TIMES1=2 DO2=SET_QUOTA TIMES2=1
bug BUG_FLOOR_FIRST LOST_OR_DOUBLED "marks: floor is stored last" TABLES=2 GROWS=1 RAISE=5 DO1=ALLOW "$grower" TIMES2=2
bug BUG_HORIZON_FALLS LOST_OR_DOUBLED "marks: horizon never falls" TABLES=3 GROWS=2 RAISE=3 DO1=ALLOW "$grower" TIMES2=5
bug BUG_NO_RENEW REFUSED_WRONGLY "marks: no reading older than birth decides" TABLES=2 GROWS=1 LATEST=3 BURST1=1 PRESENT=0 DO1=ALLOW "$grower" TIMES2=2
# One table at a time
bug BUG_HELPS_AHEAD LOST_OR_DOUBLED "only the current table is helped" TABLES=3 GROWS=2 DO1=ALLOW "$grower" TIMES2=4
bug BUG_CARRY_HELPS LOST_OR_DOUBLED "a carry never helps" \
	KEYS=2 SLOTS=2 PER_SEGMENT=2 PER_CHUNK=2 TABLES=3 GROWS=2 DO1=ALLOW TIMES1=3 'DO2=(GROW|ALLOW)' TIMES2=3
# Chunks
bug BUG_CHUNK_EARLY ADVANCED_EARLY "chunks: through after the last slot" TABLES=2 GROWS=1 DO1=HELP "$grower" TIMES2=3
bug BUG_NO_REDO ALONE_FOREVER "chunks: claims are hints, unswept ones are redone" ALONE TABLES=2 DO1=HELP TIMES1=3 DO2=SET_QUOTA TIMES2=1
bug BUG_MOVE_STORE ALONE_FOREVER "chunks: the shard moves on by CAS" ALONE TABLES=3 GROWS=2 'DO1=(HELP|ALLOW)' TIMES1=3 "$grower" TIMES2=7
# Unlinking
bug BUG_NO_UNLINK RETAINED "unlinking: who moved on unlinks" TABLES=2 GROWS=1 DO1=HELP "$grower" TIMES2=4
bug BUG_FIND_THROUGH_UNLINKED ALONE_FOREVER "unlinking: find starts again" ALONE TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW "$grower" TIMES2=4
bug BUG_PEEK_THROUGH_UNLINKED LOST_OR_DOUBLED "unlinking: Peek starts again" TABLES=2 GROWS=1 DO1=PEEK 'DO2=(GROW|HELP|ALLOW)' TIMES2=5
bug BUG_LINK_STORE WRITTEN_TWICE "a table gets one successor" TABLES=3 GROWS=2 DO1=GROW DO2=GROW TIMES2=1
# Peek
bug BUG_PEEK_STOPS_AT_0 LOST_OR_DOUBLED "Peek goes on at a frozen 0" \
	WORKERS=3 TABLES=2 GROWS=1 PRESENT=0 DO1=PEEK 'DO2=(GROW|HELP|ALLOW)' TIMES2=3 DO3=ALLOW TIMES3=1
bug BUG_PEEK_FORGETS LOST_OR_DOUBLED "Peek remembers the last frozen value" TABLES=2 GROWS=1 DO1=PEEK "$grower" TIMES2=3
# Quota
bug BUG_RESCALE_DOWN LOST_OR_DOUBLED "quota: rescaling rounds up" TABLES=2 LATEST=2 DO1=ALLOW DO2=SET_QUOTA TIMES2=1
bug BUG_RESCALE_OWN_CLOCK LOST_OR_DOUBLED "quota: rescaled around the successor's birth" TABLES=2 LATEST=3 EMISSION1=4 EMISSION2=1 DO1=ALLOW DO2=SET_QUOTA TIMES2=1
bug BUG_HORIZON_NOT_RESCALED LOST_OR_DOUBLED "quota: the horizon is rescaled" TABLES=3 GROWS=1 RAISE=3 DO1=ALLOW 'DO2=(GROW|HELP|SET_QUOTA)' TIMES2=4
bug BUG_LIMITERS_QUOTA OVER_ADMITTED "quota: it belongs to its table" TABLES=2 EMISSION1=1 EMISSION2=3 DEBT=2 DO1=ALLOW DO2=SET_QUOTA TIMES2=1
bug BUG_SETQUOTA_EARLY OLD_QUOTA "quota: SetQuota returns when all has moved" TABLES=2 DO1=ALLOW DO2=SET_QUOTA TIMES2=1

echo "== cover"
cover
echo "passed in $SECONDS s"
