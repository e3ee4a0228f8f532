package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Slots is how many slots a cluster has.
const Slots = 16384

// Slot returns the slot of a key: CRC-16/XMODEM of it, or of what is between its
// first "{" and the next "}" if there is something, modulo 16384
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
func Slot(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			carry := crc & 0x8000
			crc <<= 1
			if carry != 0 {
				crc ^= 0x1021
			}
		}
	}
	return int(crc) % Slots
}

const (
	nodeTimeout    = time.Second      // cluster-node-timeout: silence after which a node is suspected
	clusterTimeout = 30 * time.Second // until the cluster must have come about what is waited for
)

// A Cluster is a cluster of servers of a test. Its methods ask the nodes that are
// alive and not paused.
type Cluster struct {
	tb    TB
	nodes []*Server
	ids   map[*Server]string
}

// StartCluster starts a cluster of that many masters, each with so many replicas,
// and returns when all nodes agree on it and the replicas are in step; three
// masters with one replica each take some 3 s. Slots are spread evenly in the
// order of Nodes, masters first. An automatic failover needs at least three
// masters.
//
// A node is suspected after 1 s of silence. With Options.Clock each node has a
// clock of its own, which runs until it is set; nodes whose clocks stand find no
// dead one. StartCluster needs Redis 7 or Valkey.
func StartCluster(tb TB, masters, replicas int, opts Options) *Cluster {
	tb.Helper()
	if masters < 1 || replicas < 0 {
		tb.Fatalf("redistest: StartCluster(%d, %d): want 1 master or more, 0 replicas or more", masters, replicas)
	}
	opts.Args = slices.Concat([]string{
		"--cluster-enabled", "yes",
		"--cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10),
		"--cluster-replica-validity-factor", "0", // a replica may always take over
		"--repl-diskless-sync-delay", "0", // 5 s by default
		"--repl-ping-replica-period", "1",
	}, opts.Args)

	c := &Cluster{tb: tb, ids: map[*Server]string{}}
	for range masters * (1 + replicas) {
		node := Start(tb, opts)
		if opts.Clock {
			node.RunClock(0)
		}
		c.nodes = append(c.nodes, node)
		c.ids[node] = fmt.Sprint(node.Do("CLUSTER", "MYID"))
	}
	c.form(masters)
	return c
}

// form makes one cluster of the nodes.
func (c *Cluster) form(masters int) {
	c.tb.Helper()
	for i, node := range c.nodes {
		// Different epochs from the start spare the nodes to find that out.
		node.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i < masters {
			first, next := i*Slots/masters, (i+1)*Slots/masters
			node.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(next-1))
		}
		for _, other := range c.nodes[:i] { // all pairs: gossip alone would take seconds
			node.Do("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(other.port))
		}
	}
	for i := masters; i < len(c.nodes); i++ {
		master := c.ids[c.nodes[i%masters]]
		c.await("a replica that knows its master", func() error {
			_, err := c.nodes[i].Command("CLUSTER", "REPLICATE", master)
			return err
		})
	}
	c.Wait()
}

// Nodes returns all nodes, also the dead: those that began as masters first.
func (c *Cluster) Nodes() []*Server { return slices.Clone(c.nodes) }

// Addrs returns the addresses of all nodes, in the order of Nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, node := range c.nodes {
		addrs = append(addrs, node.Addr())
	}
	return addrs
}

// live returns the nodes that are alive and not paused.
func (c *Cluster) live() []*Server {
	var live []*Server
	for _, node := range c.nodes {
		if node.responds() {
			live = append(live, node)
		}
	}
	return live
}

// Master returns the master that serves a slot. Where there is none, after its
// death, it waits for the replica that takes over, up to 30 s. For the master of a
// key: c.Master(redistest.Slot(key)).
func (c *Cluster) Master(slot int) *Server {
	c.tb.Helper()
	var master *Server
	c.await(fmt.Sprintf("a master of slot %d", slot), func() (err error) {
		master, err = c.claims(slot)
		return err
	})
	return master
}

// claims returns the node that serves the slot, as it says itself. Of two that do
// the later one is right, as the nodes see it too: the greater epoch wins.
func (c *Cluster) claims(slot int) (*Server, error) {
	var winner *Server
	var epoch int64
	for _, node := range c.live() {
		self, err := node.self()
		if err != nil {
			return nil, err
		}
		if self.isMaster() && self.serves(slot) && (winner == nil || self.epoch > epoch) {
			winner, epoch = node, self.epoch
		}
	}
	if winner == nil {
		return nil, fmt.Errorf("no live node serves slot %d", slot)
	}
	return winner, nil
}

// Replicas returns the live replicas of a master, by what they say themselves.
func (c *Cluster) Replicas(master *Server) []*Server {
	c.tb.Helper()
	var replicas []*Server
	for _, node := range c.live() {
		self, err := node.self()
		if err != nil {
			c.tb.Fatalf("redistest: %s: %v", node.Addr(), err)
		}
		if !self.isMaster() && self.master == c.ids[master] {
			replicas = append(replicas, node)
		}
	}
	return replicas
}

// Replica returns the first live replica of a master, and ends the test if there
// is none.
func (c *Cluster) Replica(master *Server) *Server {
	c.tb.Helper()
	replicas := c.Replicas(master)
	if len(replicas) == 0 {
		c.tb.Fatalf("redistest: %s has no live replica", master.Addr())
	}
	return replicas[0]
}

// Wait waits until every live node says that the cluster is well and serves all
// slots, all of them see the same masters and replicas, and replicas are linked to
// their masters; up to 30 s, then it ends the test. Dead nodes may still count as
// suspected. It is what to call after the Restart of a node.
func (c *Cluster) Wait() {
	c.tb.Helper()
	c.await("a cluster that is well", c.unwell)
}

// unwell says why Wait must wait.
func (c *Cluster) unwell() error {
	live := c.live()
	if len(live) == 0 {
		return fmt.Errorf("no node is alive")
	}
	var agreed string
	for i, node := range live {
		info, err := node.fields("CLUSTER", "INFO")
		if err != nil {
			return err
		}
		if info["cluster_state"] != "ok" || info["cluster_slots_ok"] != strconv.Itoa(Slots) {
			return fmt.Errorf("%s: state %s, %s slots ok", node.Addr(), info["cluster_state"], info["cluster_slots_ok"])
		}
		view, err := c.view(node, live)
		if err != nil {
			return err
		}
		if i == 0 {
			agreed = view
		} else if view != agreed {
			return fmt.Errorf("%s and %s differ:\n%s\n%s", live[0].Addr(), node.Addr(), agreed, view)
		}
		repl, err := node.Info("replication")
		if err != nil {
			return err
		}
		if repl["role"] == "slave" && repl["master_link_status"] != "up" {
			return fmt.Errorf("%s: replica is not linked", node.Addr())
		}
	}
	return nil
}

// view is how a node sees the live ones: who is what, in a text to compare. It
// is an error if it misses one of them.
func (c *Cluster) view(node *Server, live []*Server) (string, error) {
	seen, err := node.clusterNodes()
	if err != nil {
		return "", err
	}
	var lines []string
	for _, other := range live {
		i := slices.IndexFunc(seen, func(n nodeLine) bool { return n.id == c.ids[other] })
		if i < 0 {
			return "", fmt.Errorf("%s does not know %s", node.Addr(), other.Addr())
		}
		n := seen[i]
		if !n.connected || n.has("fail") || n.has("fail?") || n.has("handshake") {
			return "", fmt.Errorf("%s sees %s as %v, connected: %v", node.Addr(), other.Addr(), n.flags, n.connected)
		}
		lines = append(lines, fmt.Sprintf("%s master:%v of:%s slots:%v", n.id, n.isMaster(), n.master, n.slots))
	}
	return strings.Join(lines, "\n"), nil
}

// await waits until done returns no error, and ends the test with its last one
// when that takes too long.
func (c *Cluster) await(what string, done func() error) {
	c.tb.Helper()
	err := done()
	for deadline := time.Now().Add(clusterTimeout); err != nil; err = done() {
		if time.Now().After(deadline) {
			c.tb.Fatalf("redistest: no %s after %v: %v", strings.TrimPrefix(what, "a "), clusterTimeout, err)
		}
		time.Sleep(4 * pollInterval)
	}
}
