#!/usr/bin/env bash
# Exhausts the models, shard.pml and keyquota.pml, in every configuration, plants
# every bug and wants each found by the property that it breaks, and checks that
# every step of a model is taken in some configuration and every property broken
# by some bug. See README.md.
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

# of MODEL says which model the calls after it are about.
of() {
	model=$1
	mkdir -p "$scratch/$model"
	echo "== $model.pml"
}

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
	echo "#include \"$here/$model.pml\"" >>"$dir/case.pml"
	# Provided clauses, by which all others stop, are not for partial order reduction.
	[[ " $* " == *" ALONE "* ]] && reduction=-DNOREDUCE
	(
		cd "$dir"
		spin -a case.pml >spin.out 2>&1 || { cat spin.out; exit 1; }
		gcc "$optimise" -DSAFETY -DCOLLAPSE -DVECTORSZ=1024 -DMEMLIM="$memory" $reduction -o pan pan.c
	) || fail "$dir does not compile"
}

search() { (cd "$1" && ./pan -m2000000 $2 >pan.out 2>&1) || true; }

# config NAME WHAT DEFINITION... searches all of a configuration. Where that takes
# seconds, compiling by -O2 would take longer than it saves.
level=-O1
config() {
	local name=$1 what=$2 dir=$scratch/$model/config-$1 ends= states depth seconds
	shift 2
	# Where all others are stopped for ever, they stop anywhere.
	[[ " $* " == *" ALONE "* ]] && ends=-E
	optimise=$level memory=12000 build "$dir" "$@"
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
	local flag=$1 property=$2 rule=$3 dir=$scratch/$model/$1 number
	shift 3
	number=$(sed -n "s/^#define $property *\([0-9]*\) .*/\1/p" "$here/$model.pml")
	[[ $number ]] || fail "there is no property $property"
	optimise=-O0 memory=4000 build "$dir" "$flag" "ONLY=$number" "$@"
	search "$dir" -E
	grep -q "assertion violated.*($number!=$number)" "$dir/pan.out" || {
		cat "$dir/pan.out"
		fail "$flag was not found by $property: $*"
	}
	rm -rf "$dir"
	echo "$property" >>"$scratch/$model/broken"
	printf '%-28s found by %-16s %s\n' "$flag" "$property" "$rule"
	printf 'spin\t%s\t%s\t%s\n' "$flag" "$rule" "$property" >>"$results"
}

# cover wants every line of the worker to be reached in some configuration. Spin
# lists the states that a search did not reach; a line that is in the lists of
# all configurations was never reached. Branches that only jump are marked by
# "taken" in the model, so that they are listed too.
cover() {
	local first last unreached
	first=$(grep -n '^proctype Worker' "$here/$model.pml" | cut -d: -f1)
	last=$(grep -n '^/\* ---- The end, and the beginning' "$here/$model.pml" | cut -d: -f1)
	unreached=$(
		for out in "$scratch/$model"/config-*/pan.out; do
			sed -n 's/.*\.pml:\([0-9]*\), state .*/\1/p' "$out" | sort -u
		done | sort -n | uniq -c |
			awk -v all="$(ls -d "$scratch/$model"/config-* | wc -l)" -v first="$first" -v last="$last" \
				'$1 == all && $2 > first && $2 < last { print $2 }'
	)
	for line in $unreached; do
		echo "$model.pml:$line is reached in no configuration: $(sed -n "${line}p" "$here/$model.pml")"
	done
	[[ -z $unreached ]] || fail "the configurations do not cover the model"
	labels=$(sed -n "${first},${last}p" "$here/$model.pml" | grep -c '^[a-z_]*:$')
	echo "all $labels labels of $model.pml, and every branch below them, are reached"
	printf 'spin\tcover:%s\t%s labels\tall reached\n' "$model" "$labels" >>"$results"
}

# refuted wants every property of the model to be one that some bug breaks.
refuted() {
	local property
	for property in $(sed -n '/^\/\* The properties/,/^#define CHECK/s/^#define \([A-Z_]*\) *[0-9].*/\1/p' "$here/$model.pml"); do
		grep -qx "$property" "$scratch/$model/broken" || fail "no bug breaks $property of $model.pml"
	done
	echo "every property of $model.pml is broken by some bug"
}

of shard
both='(ALLOW|PEEK)'
grower='(GROW|HELP)'
config grow "two keys, nested growth, Reset and Refund" \
	KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" TIMES1=2 'DO2=(HELP|RESET|REFUND)' TIMES2=2
config nested "two keys, a successor that gets a successor" \
	KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" TIMES1=2 'DO2=(HELP|GROW|RESET)' TIMES2=3
config full-first "a first table without place" \
	KEYS=2 SLOTS=2 'SLOTS_OF(t)=((t)==1->1:2)' TABLES=4 GROWS=1 PRESENT=1 "DO1=$both" 'DO2=(ALLOW|HELP)' TIMES2=2
config full-second "a successor without place" \
	KEYS=2 SLOTS=2 'SLOTS_OF(t)=((t)==2->1:2)' TABLES=4 GROWS=1 "DO1=$both" "DO2=$grower" TIMES2=4
config back "chunks of two slots, a clock that steps back" \
	KEYS=2 SLOTS=2 PER_SEGMENT=2 PER_CHUNK=2 TABLES=3 GROWS=1 LATEST=2 BACK=1 PRESENT=1 "DO1=$both" "DO2=$grower" TIMES2=3
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
	WORKERS=3 TABLES=3 GROWS=2 PRESENT=0 'DO1=(ALLOW|PEEK|RESET)' "DO2=$grower" TIMES2=3 DO3=ALLOW TIMES3=1
config alone-quota "one runs alone: SetQuota" \
	ALONE TABLES=3 GROWS=1 LATEST=2 "DO1=$both" TIMES1=2 'DO2=(SET_QUOTA|HELP)' TIMES2=2
config alone-nested "one runs alone: nested growth" \
	ALONE KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" "DO2=$grower" TIMES2=3
config alone-three "one of three runs alone" \
	ALONE WORKERS=3 TABLES=3 GROWS=1 "DO1=$both" DO2=SET_QUOTA TIMES2=1 DO3=HELP TIMES3=1

if [[ $full == 1 ]]; then
	level=-O2
	config full-nested "nested, more operations" \
		KEYS=2 SLOTS=2 TABLES=3 GROWS=2 PRESENT=1 "DO1=$both" TIMES1=2 'DO2=(GROW|HELP|RESET|REFUND)' TIMES2=3
	config full-raise "raise, more operations" \
		KEYS=2 SLOTS=2 TABLES=4 GROWS=2 RAISE=5 "DO1=$both" TIMES1=2 'DO2=(GROW|HELP|SET_QUOTA)' TIMES2=3
	config full-three "three at once, two operations each" \
		WORKERS=3 TABLES=3 GROWS=1 LATEST=2 "DO1=$both" TIMES1=2 'DO2=(SET_QUOTA|HELP)' TIMES2=2 DO3=HELP TIMES3=1
	config full-three-keys "three at once, two keys" \
		WORKERS=3 KEYS=2 SLOTS=2 TABLES=3 GROWS=1 PRESENT=1 DO1=ALLOW "DO2=$grower" TIMES2=2 DO3=ALLOW TIMES3=1
fi

# Slot
bug BUG_FREEZE_STORE LOST_OR_DOUBLED "slot: freezing is one Or" TABLES=2 GROWS=1 DO1=ALLOW TIMES1=2 "DO2=$grower" TIMES2=3
bug BUG_RESET_STORE LOST_OR_DOUBLED "slot: Reset is a CAS" TABLES=2 GROWS=1 DO1=RESET "DO2=$grower" TIMES2=3
bug BUG_RESET_ZERO LOST_OR_DOUBLED "slot: no operation stores 0" TABLES=2 GROWS=1 'DO1=(RESET|ALLOW)' TIMES1=2 "DO2=$grower" TIMES2=3
bug BUG_DECIDES_ON_FROZEN LOST_OR_DOUBLED "slot: a frozen value is followed" \
	WORKERS=3 TABLES=2 GROWS=1 DEBT=2 DO1=ALLOW_AT "DO2=$grower" TIMES2=3 DO3=REFUND TIMES3=1
bug BUG_CLAIM_STORE WRITTEN_TWICE "slot: an id is written once, by claim" TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW "DO2=$grower" TIMES2=3
bug BUG_SEAL_STORE WRITTEN_TWICE "slot: an id is written once, by seal" TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW "DO2=$grower" TIMES2=3
bug BUG_NO_SEAL LOST_OR_DOUBLED "slot: an empty one is sealed before going on" \
	WORKERS=3 TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW 'DO2=(GROW|ALLOW)' TIMES2=2 DO3=ALLOW TIMES3=1
bug BUG_CLAIM_FIRST REFUSAL_WROTE "slot: decide first, claim when admitting" TABLES=2 GROWS=1 DEBT=2 RAISE=5 DO1=ALLOW "DO2=$grower" TIMES2=2
bug BUG_NO_CARRY LOST_OR_DOUBLED "an operation brings its own key along" TABLES=2 GROWS=1 DO1=ALLOW DO2=GROW TIMES2=1
bug BUG_COPY_OVERWRITES LOST_OR_DOUBLED "a copy writes only where 0 is" TABLES=2 GROWS=1 DO1=ALLOW 'DO2=(GROW|HELP|ALLOW)' TIMES2=3
bug BUG_ONE_TRY NOT_QUIET "slot: a write that failed is tried again" TABLES=2 GROWS=1 DO1=ALLOW DO2=REFUND
# Two marks of a table
bug BUG_DROP_BY_CLOCK LOST_OR_DOUBLED "marks: a copy is dropped by the floor only" TABLES=2 GROWS=1 LATEST=5 DEBT=2 DO1=ALLOW "DO2=$grower" TIMES2=2
bug BUG_BORN_FALLS REFUSED_WRONGLY "marks: birth never falls" TABLES=3 GROWS=2 LATEST=3 BACK=2 BURST1=1 PRESENT=0 DO1=ALLOW "DO2=$grower" TIMES2=5
bug BUG_BORN_BEFORE_LINK LOST_OR_DOUBLED "marks: birth is read after linking" TABLES=2 LATEST=3 EMISSION1=3 EMISSION2=1 DO1=ALLOW TIMES1=2 DO2=SET_QUOTA TIMES2=1
bug BUG_BORN_STORED LOST_OR_DOUBLED "marks: who is first fixes the birth" TABLES=2 LATEST=3 EMISSION1=3 EMISSION2=1 DO1=ALLOW TIMES1=2 DO2=SET_QUOTA TIMES2=1
bug BUG_FLOOR_FIRST LOST_OR_DOUBLED "marks: floor is stored last" TABLES=2 GROWS=1 RAISE=5 DO1=ALLOW "DO2=$grower" TIMES2=2
bug BUG_HORIZON_FALLS MARK_FALLS "marks: horizon never falls" TABLES=3 GROWS=2 RAISE=3 DO1=ALLOW "DO2=$grower" TIMES2=5
bug BUG_NO_RENEW REFUSED_WRONGLY "marks: no reading older than birth decides" TABLES=2 GROWS=1 LATEST=3 BURST1=1 PRESENT=0 DO1=ALLOW "DO2=$grower" TIMES2=2
# One table at a time
bug BUG_HELPS_AHEAD LOST_OR_DOUBLED "only the current table is helped" TABLES=3 GROWS=2 DO1=ALLOW "DO2=$grower" TIMES2=4
bug BUG_CARRY_HELPS LOST_OR_DOUBLED "a carry never helps" \
	KEYS=2 SLOTS=2 PER_SEGMENT=2 PER_CHUNK=2 TABLES=3 GROWS=2 DO1=ALLOW TIMES1=3 'DO2=(GROW|ALLOW)' TIMES2=3
# Chunks
bug BUG_CHUNK_EARLY ADVANCED_EARLY "chunks: through after the last slot" TABLES=2 GROWS=1 DO1=HELP "DO2=$grower" TIMES2=3
bug BUG_NO_REDO ALONE_FOREVER "chunks: claims are hints, unswept ones are redone" ALONE TABLES=2 DO1=HELP TIMES1=3 DO2=SET_QUOTA TIMES2=1
bug BUG_MOVE_STORE ALONE_FOREVER "chunks: the shard moves on by CAS" ALONE TABLES=3 GROWS=2 'DO1=(HELP|ALLOW)' TIMES1=3 "DO2=$grower" TIMES2=7
# Unlinking
bug BUG_NO_UNLINK RETAINED "unlinking: who moved on unlinks" TABLES=2 GROWS=1 DO1=HELP "DO2=$grower" TIMES2=4
bug BUG_FIND_THROUGH_UNLINKED ALONE_FOREVER "unlinking: find starts again" ALONE TABLES=2 GROWS=1 PRESENT=0 DO1=ALLOW "DO2=$grower" TIMES2=4
bug BUG_PEEK_THROUGH_UNLINKED LOST_OR_DOUBLED "unlinking: Peek starts again" TABLES=2 GROWS=1 DO1=PEEK 'DO2=(GROW|HELP|ALLOW)' TIMES2=5
bug BUG_LINK_STORE WRITTEN_TWICE "a table gets one successor" TABLES=3 GROWS=2 DO1=GROW DO2=GROW TIMES2=1
# Peek
bug BUG_PEEK_STOPS_AT_0 LOST_OR_DOUBLED "Peek goes on at a frozen 0" \
	WORKERS=3 TABLES=2 GROWS=1 PRESENT=0 DO1=PEEK 'DO2=(GROW|HELP|ALLOW)' TIMES2=3 DO3=ALLOW TIMES3=1
bug BUG_PEEK_FORGETS LOST_OR_DOUBLED "Peek remembers the last frozen value" TABLES=2 GROWS=1 DO1=PEEK "DO2=$grower" TIMES2=3
# Quota
bug BUG_RESCALE_DOWN LOST_OR_DOUBLED "quota: rescaling rounds up" TABLES=2 LATEST=2 DO1=ALLOW DO2=SET_QUOTA TIMES2=1
bug BUG_RESCALE_OWN_CLOCK LOST_OR_DOUBLED "quota: rescaled around the successor's birth" TABLES=2 LATEST=3 EMISSION1=4 EMISSION2=1 DO1=ALLOW DO2=SET_QUOTA TIMES2=1
bug BUG_HORIZON_NOT_RESCALED LOST_OR_DOUBLED "quota: the horizon is rescaled" TABLES=3 GROWS=1 RAISE=3 DO1=ALLOW 'DO2=(GROW|HELP|SET_QUOTA)' TIMES2=4
bug BUG_LIMITERS_QUOTA OVER_ADMITTED "quota: it belongs to its table" TABLES=2 EMISSION1=1 EMISSION2=3 DEBT=2 DO1=ALLOW DO2=SET_QUOTA TIMES2=1
bug BUG_SETQUOTA_EARLY OLD_QUOTA "quota: SetQuota returns when all has moved" TABLES=2 DO1=ALLOW DO2=SET_QUOTA TIMES2=1

cover
refuted

of keyquota
own='(SET_KEY|CLEAR_KEY)'
config own-changes "into it, on to the next, out of it, into it again" \
	ENTRIES=4 'DO1=(ALLOW|PEEK|REFUND|RESET)' TIMES1=2 "DO2=$own" TIMES2=4
config own-clock "the same while the clock runs" \
	LATEST=3 'DO1=(ALLOW|PEEK|REFUND)' TIMES1=2 "DO2=$own" TIMES2=3
config own-back "a clock that steps back" \
	LATEST=3 BACK=1 "DO1=$both" TIMES1=2 "DO2=$own" TIMES2=2
config own-quota "with SetQuota, the clock runs" \
	TABLES=2 ENTRIES=4 LATEST=2 "DO1=$both" TIMES1=2 'DO2=(SET_KEY|CLEAR_KEY|SET_QUOTA)' TIMES2=4
config own-growth "a marker in flight, the clock runs" \
	WORKERS=3 TABLES=2 GROWS=1 LATEST=2 "DO1=$both" "DO2=$own" TIMES2=2 "DO3=$grower" TIMES3=2
config own-nested "a marker in flight, SetQuota during growth" \
	WORKERS=3 TABLES=3 GROWS=1 "DO1=$both" 'DO2=(SET_KEY|CLEAR_KEY|SET_QUOTA)' TIMES2=3 "DO3=$grower" TIMES3=2
config own-unseen "a key that is not seen, under a raised horizon" \
	WORKERS=3 TABLES=2 GROWS=1 LATEST=2 HORIZON=20 DEBT=0 "DO1=$both" "DO2=$own" TIMES2=2 "DO3=$grower" TIMES3=1
config own-three "three at once, the clock runs" \
	WORKERS=3 LATEST=2 "DO1=$both" "DO2=$own" TIMES2=3 DO3=ALLOW TIMES3=1
config own-alone "one of three runs alone: growth" \
	ALONE WORKERS=3 TABLES=2 GROWS=1 "DO1=$both" "DO2=$own" TIMES2=2 "DO3=$grower" TIMES3=2
config own-alone-two "one of three runs alone: two operations" \
	ALONE WORKERS=3 "DO1=$both" "DO2=$own" TIMES2=2 DO3=ALLOW TIMES3=1

if [[ $full == 1 ]]; then
	level=-O2
	config full-own "a marker in flight, more operations" \
		WORKERS=3 TABLES=2 GROWS=1 LATEST=2 "DO1=$both" TIMES1=2 "DO2=$own" TIMES2=3 "DO3=$grower" TIMES3=2
fi

# Into it
bug BUG_MAP_LATE ALONE_FOREVER "into: the map has it before the slot has the marker" ALONE DO1=ALLOW DO2=SET_KEY
bug BUG_TAT_AFTER_MARKER LOST_OR_DOUBLED "into: the TAT is there before the marker" DO1=ALLOW DO2=SET_KEY
bug BUG_INTO_STORE LOST_OR_DOUBLED "into: the marker comes by CAS" DO1=ALLOW DO2=SET_KEY
bug BUG_TAT_TAKEN_ONCE LOST_OR_DOUBLED "into: after a failed CAS the TAT is taken again" DO1=ALLOW TIMES1=2 DO2=SET_KEY
bug BUG_INTO_ONCE OLD_QUOTA "into: a failed CAS is repeated" DO1=ALLOW TIMES1=2 DO2=SET_KEY
bug BUG_CLOCK_BEFORE_TAT LOST_OR_DOUBLED "into: the clock is read after the TAT" LATEST=3 EMISSION1=3 EMISSION3=1 DO1=ALLOW TIMES1=2 DO2=SET_KEY
bug BUG_UNSEEN_PAYS_ALL LOST_OR_DOUBLED "into: an unseen key owes a burst at most" HORIZON=20 DEBT=0 DO1=ALLOW DO2=SET_KEY
bug BUG_SAME_MARKER LOST_OR_DOUBLED "markers are unique" DO1=ALLOW TIMES1=2 "DO2=$own" TIMES2=3
bug BUG_ANY_MARKER LOST_OR_DOUBLED "the marker has to be the keyQuota's" DO1=ALLOW TIMES1=2 "DO2=$own" TIMES2=3
bug BUG_MARKER_IS_TAT REFUSED_WRONGLY "a marker is no TAT" DO1=ALLOW DO2=SET_KEY
bug BUG_MARKER_DROPPED NOT_QUIET "a marker is never dropped" TABLES=2 DO1=ALLOW 'DO2=(SET_KEY|SET_QUOTA)' TIMES2=2
bug BUG_MARKER_RESCALED NOT_QUIET "a marker is copied as it is" TABLES=2 DO1=ALLOW 'DO2=(SET_KEY|SET_QUOTA)' TIMES2=2
# On to next
bug BUG_FREEZE_FIRST NO_WAY_ON "on: next is linked before the freeze" DO1=ALLOW DO2=SET_KEY TIMES2=2
bug BUG_OWN_FREEZE_STORE LOST_OR_DOUBLED "on: freezing is one Or" DO1=ALLOW TIMES1=2 DO2=SET_KEY TIMES2=2
bug BUG_OWN_DECIDES_ON_FROZEN FROZEN_WRITTEN "on: a frozen TAT is followed" DO1=ALLOW DO2=SET_KEY TIMES2=2
bug BUG_ON_OVERWRITES LOST_OR_DOUBLED "on: a TAT is written only where 0 is" DO1=ALLOW TIMES1=2 DO2=SET_KEY TIMES2=2
bug BUG_MAP_BEFORE_TAT LOST_OR_DOUBLED "on: the map has it once the TAT is there" DO1=ALLOW DO2=SET_KEY TIMES2=2
bug BUG_OWN_STORE LOST_OR_DOUBLED "on: an operation spends by CAS" DO1=ALLOW TIMES1=2 DO2=SET_KEY TIMES2=2
bug BUG_AT_STORED LOST_OR_DOUBLED "at: who is first fixes it" LATEST=3 EMISSION3=3 EMISSION4=1 DO1=ALLOW TIMES1=2 DO2=SET_KEY TIMES2=2
bug BUG_AT_OWN_CLOCK LOST_OR_DOUBLED "at: all rescale around the same" LATEST=3 DO1=ALLOW TIMES1=2 DO2=SET_KEY TIMES2=2
bug BUG_AT_EARLY LOST_OR_DOUBLED "at: it is read after the freeze" LATEST=3 DO1=ALLOW TIMES1=2 DO2=SET_KEY TIMES2=2
bug BUG_AT_FALLS MARK_FALLS "at: it never falls" LATEST=3 BACK=2 DO1=ALLOW TIMES1=2 DO2=SET_KEY TIMES2=2
bug BUG_OLD_READING REFUSED_WRONGLY "at: no older reading decides" LATEST=3 DO1=ALLOW DO2=SET_KEY TIMES2=2
bug BUG_OWN_RESCALE_DOWN LOST_OR_DOUBLED "rescaling rounds up" LATEST=2 DO1=ALLOW DO2=SET_KEY TIMES2=1
bug BUG_TABLES_QUOTA OVER_ADMITTED "a keyQuota decides by its own quota" EMISSION1=3 EMISSION3=1 DEBT=2 DO1=ALLOW DO2=SET_KEY
bug BUG_SETKEY_EARLY OLD_QUOTA "SetKeyQuota returns after the freeze" DO1=ALLOW DO2=SET_KEY TIMES2=2
# Out of it
bug BUG_DELETE_FIRST ALONE_FOREVER "out: the map has it until no slot has the marker" ALONE DO1=ALLOW "DO2=$own" TIMES2=2
bug BUG_OUT_STORE FROZEN_WRITTEN "out: the marker is replaced by CAS" WORKERS=3 TABLES=2 GROWS=1 DO1=ALLOW "DO2=$own" TIMES2=2 "DO3=$grower" TIMES3=2
bug BUG_CLEAR_STOPS_AT_FROZEN NOT_QUIET "out: a frozen marker is followed" WORKERS=3 TABLES=2 GROWS=1 DO1=ALLOW "DO2=$own" TIMES2=2 "DO3=$grower" TIMES3=2
bug BUG_CLEAR_STAYS ALONE_FOREVER "out: a frozen marker is carried on, not waited for" ALONE WORKERS=3 TABLES=2 GROWS=1 DO1=ALLOW "DO2=$own" TIMES2=2 "DO3=$grower" TIMES3=2
bug BUG_RETURNED_EARLIER LOST_OR_DOUBLED "out: what returns is not before the hand-over" LATEST=2 DEBT=0 DO1=ALLOW "DO2=$own" TIMES2=2
bug BUG_LEAVES_IT_TO_CLEAR ALONE_FOREVER "out: who meets it puts it back" ALONE DO1=ALLOW "DO2=$own" TIMES2=2
bug BUG_RETURN_STORE LOST_OR_DOUBLED "out: so it is by who meets it" \
	WORKERS=3 DO1=ALLOW "DO2=$own" TIMES2=2 DO3=ALLOW TIMES3=1
bug BUG_CLEAR_EARLY OLD_QUOTA "ClearKeyQuota returns after the freeze" DO1=ALLOW "DO2=$own" TIMES2=2
# Peek
bug BUG_PEEK_PUTS_BACK PEEK_WROTE "Peek puts nothing back" DO1=PEEK "DO2=$own" TIMES2=2
bug BUG_PEEK_WALKS_ONCE LOST_OR_DOUBLED "Peek of a leaving key walks once more" TABLES=2 DO1=PEEK 'DO2=(SET_KEY|CLEAR_KEY|SET_QUOTA)' TIMES2=3
bug BUG_PEEK_WAITS ALONE_FOREVER "Peek waits for no migration" ALONE WORKERS=3 TABLES=2 GROWS=1 DO1=PEEK "DO2=$own" TIMES2=2 "DO3=$grower" TIMES3=2

cover
refuted
echo "passed in $SECONDS s"
