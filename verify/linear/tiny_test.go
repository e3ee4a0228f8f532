//go:build weirtiny

package linear

const tiny = true // tables are replaced all the time
