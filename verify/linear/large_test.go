//go:build !weirtiny

package linear

const tiny = false
