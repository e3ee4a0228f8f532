#!/bin/bash -eu
# Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
#
# Builds every native fuzz target of weir the way OSS-Fuzz does it. It runs in the container of OSS-Fuzz, at the top of
# a checkout that is thrown away afterwards, for it changes files there; fuzz/oss-fuzz/check runs it elsewhere, in a copy.
#
# hostile_fuzz_targets_test.go holds the lines at its end against the targets that there are.

module=github.com/weirhq/weir

# compile_native_go_fuzzer compiles a package, and the one test file that has the target, against a testing package of
# its own. What a target needs of other test files must be in ordinary files by then: these.
helpers=(gcra_test.go partition_test.go reference_ops_test.go reference_tape_test.go reference_test.go)

# Test files that have targets.
harnesses=(fuzz_test.go resolve_fuzz_test.go internal/siphash/siphash_test.go weirfile/fuzz_test.go weirhttp/proxies_fuzz_test.go weirhttp/retryafter_test.go)

# That testing package is the only requirement more, and only here: go.mod in the repository has none of it.
fuzz_testing=github.com/AdamKorcz/go-118-fuzz-build/testing

# add_import adds a line to the imports of a file, unless it is there.
add_import() {
	grep -qxF "	$2" "$1" || sed -i "0,/^import (/s//import (\n\t$2/" "$1"
}

# avoid_missing replaces what the other testing package does not have, and what weir's test files use of testing. A
# benchmark is never called there; it only has to compile.
avoid_missing() {
	sed -i -e 's/\bt\.Context()/context.Background()/g' -e 's/\btesting\.TB\b/*testing.T/g' \
		-e 's/\*testing\.B\b/*stdtesting.B/g' "$1"
	if grep -q '\bcontext\.' "$1"; then
		add_import "$1" '"context"'
	fi
	if grep -q '\bstdtesting\.' "$1"; then
		add_import "$1" 'stdtesting "testing"'
	fi
}

prepare() {
	local file
	go get "$fuzz_testing"
	for file in "${helpers[@]}"; do
		avoid_missing "$file"
		sed -i "s#^\t\"testing\"\$#\t\"$fuzz_testing\"#" "$file"
		mv "$file" "${file%_test.go}_fuzz_helper.go"
	done
	for file in "${harnesses[@]}"; do
		avoid_missing "$file"
	done
}

# seeds writes the committed corpora in the form in which the built targets read their input.
seeds() {
	local corpus
	while read -r corpus; do
		go run ./fuzz/oss-fuzz/seeds "$corpus" "$OUT/$(basename "$corpus")_seed_corpus.zip"
	done < <(find . -path '*/testdata/fuzz/Fuzz*' -type d)
}

# build makes the fuzzer of one target, whose package is given by its folder.
build() {
	local package=$module/$1
	compile_native_go_fuzzer "${package%/.}" "$2" "$2"
}

seeds
# A coverage build is an ordinary go test -c, with every test file as it is.
if [[ ${SANITIZER:-address} != coverage ]]; then
	prepare
fi

build . FuzzGCRA
build . FuzzLimiter
build . FuzzParseQuota
build . FuzzResolve
build internal/siphash FuzzSum64
build weirfile FuzzParse
build weirhttp FuzzRetryAfter
build weirhttp FuzzSpoofing
build weirhttp FuzzTrustProxies
