package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A nodeLine is one line of CLUSTER NODES: what a node knows about one, itself
// included (https://redis.io/docs/latest/commands/cluster-nodes/).
type nodeLine struct {
	id        string
	flags     []string
	master    string // id of a replica's master; "-"
	epoch     int64
	connected bool
	slots     []slotRange
}

// A slotRange is the slots from first to last.
type slotRange struct{ first, last int }

func (n nodeLine) has(flag string) bool { return slices.Contains(n.flags, flag) }
func (n nodeLine) isMaster() bool       { return n.has("master") }

func (n nodeLine) serves(slot int) bool {
	return slices.ContainsFunc(n.slots, func(r slotRange) bool { return r.first <= slot && slot <= r.last })
}

// clusterNodes asks a node for what it knows.
func (s *Server) clusterNodes() ([]nodeLine, error) {
	reply, err := s.Command("CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	var nodes []nodeLine
	for line := range strings.Lines(fmt.Sprint(reply)) {
		n, err := parseNode(line)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// self is the node's line about itself.
func (s *Server) self() (nodeLine, error) {
	nodes, err := s.clusterNodes()
	if err != nil {
		return nodeLine{}, err
	}
	i := slices.IndexFunc(nodes, func(n nodeLine) bool { return n.has("myself") })
	if i < 0 {
		return nodeLine{}, fmt.Errorf("redistest: %s does not list itself", s.Addr())
	}
	return nodes[i], nil
}

// parseNode reads
//
//	id address flags master ping pong epoch link slots...
func parseNode(line string) (nodeLine, error) {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return nodeLine{}, fmt.Errorf("redistest: line %q of CLUSTER NODES has %d fields, want 8 or more", line, len(fields))
	}
	epoch, err := strconv.ParseInt(fields[6], 10, 64)
	if err != nil {
		return nodeLine{}, fmt.Errorf("redistest: line %q of CLUSTER NODES: epoch: %w", line, err)
	}
	n := nodeLine{
		id: fields[0], flags: strings.Split(fields[2], ","), master: fields[3],
		epoch: epoch, connected: fields[7] == "connected",
	}
	for _, field := range fields[8:] {
		if strings.HasPrefix(field, "[") {
			continue // a slot on its way; it is in its present owner's ranges too
		}
		first, last, isRange := strings.Cut(field, "-")
		if !isRange {
			last = first
		}
		r := slotRange{}
		if r.first, err = strconv.Atoi(first); err == nil {
			r.last, err = strconv.Atoi(last)
		}
		if err != nil {
			return nodeLine{}, fmt.Errorf("redistest: line %q of CLUSTER NODES: slots: %w", line, err)
		}
		n.slots = append(n.slots, r)
	}
	return n, nil
}
