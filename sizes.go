//go:build !weirtiny

package weir

// Sizes of the table that a build with the tag weirtiny makes as small as can be,
// so that a few keys bring about every turn of a migration: see sizes_tiny.go.
const (
	linesPerSegment = 64 // 4 KiB
	linesPerStep    = 4  // swept by one helping step: 16 slots
	maxProbe        = 64 // lines; at 3/4 load 1 key of 4,000 needs more than 16, 1 of 150,000 more than 32, none of 1 M more than 64

	memoLog  = 7  // 128 entries, 8 KiB
	learnLog = 10 // a key that is worth it soon has had so many; oftener, many cores would write each other's entries
)
