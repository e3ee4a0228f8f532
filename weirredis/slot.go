package weirredis

import "strings"

// slots is how many a cluster has.
const slots = 1 << 14

// slot is the cluster's slot of a name: CRC-16/XMODEM of its hash tag, which is what
// is between the first brace and the next closing one, or if there is nothing, of the
// whole name (Redis cluster specification, "Key distribution model" and "Hash tags").
func slot(name string) uint16 {
	if open := strings.IndexByte(name, '{'); open >= 0 {
		if length := strings.IndexByte(name[open+1:], '}'); length > 0 {
			name = name[open+1 : open+1+length]
		}
	}
	var crc uint16
	for i := range len(name) {
		crc = crc<<8 ^ crc16[byte(crc>>8)^name[i]]
	}
	return crc % slots
}

// crc16 is the table of the polynomial x^16 + x^12 + x^5 + 1.
var crc16 = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			high := crc >> 15
			crc = crc<<1 ^ high*0x1021
		}
		table[i] = crc
	}
	return table
}()
