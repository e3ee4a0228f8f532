package redistest

import (
	"fmt"
	"strconv"
	"time"
)

// Failover makes a replica of master take over in good order (CLUSTER FAILOVER):
// no acknowledged write is lost. It returns the new master when all live nodes
// agree; the old one is its replica then. It takes some 0.3 s; right after another
// failover of the same shard it may take 6 s, as masters vote once in 2 s.
func (c *Cluster) Failover(master *Server) *Server {
	c.tb.Helper()
	slot, replica := c.firstSlot(master), c.Replica(master)
	var ask time.Time // again: a try that got no votes ends after 5 s
	c.await("an ordered failover", func() error {
		if now := time.Now(); now.After(ask) {
			ask = now.Add(6 * time.Second)
			if _, err := replica.Command("CLUSTER", "FAILOVER"); err != nil {
				ask = now
				return err
			}
		}
		return c.servedBy(slot, replica)
	})
	c.Wait()
	return replica
}

// KillMaster kills a master and waits until a replica of it has taken over and the
// live nodes agree; it returns the new master. It takes 2 to 3 s, and needs two
// more masters. Writes that had not reached the replica are lost: replication does
// not wait. The dead node comes back as a replica by Restart and [Cluster.Wait].
//
// A test that has other things to do meanwhile calls Kill itself, and Master when
// it wants the new one.
func (c *Cluster) KillMaster(master *Server) *Server {
	c.tb.Helper()
	slot := c.firstSlot(master)
	c.Replica(master) // ends the test if there is none
	master.Kill()
	heir := c.Master(slot)
	c.Wait()
	return heir
}

// firstSlot is a slot that the master serves.
func (c *Cluster) firstSlot(master *Server) int {
	c.tb.Helper()
	self, err := master.self()
	if err != nil {
		c.tb.Fatalf("redistest: %s: %v", master.Addr(), err)
	}
	if !self.isMaster() || len(self.slots) == 0 {
		c.tb.Fatalf("redistest: %s is no master with slots", master.Addr())
	}
	return self.slots[0].first
}

// servedBy says why the slot is not that node's yet.
func (c *Cluster) servedBy(slot int, want *Server) error {
	got, err := c.claims(slot)
	if err == nil && got != want {
		err = fmt.Errorf("slot %d is served by %s, want %s", slot, got.Addr(), want.Addr())
	}
	return err
}

// A Migration is a slot on its way from one master to another. Until Finish, the
// source serves the keys that it still has, and answers ASK for others; the
// destination serves the slot to those that send ASKING first.
type Migration struct {
	c        *Cluster
	slot     int
	from, to *Server
}

// Migrate begins to move a slot between two masters. from must serve it.
func (c *Cluster) Migrate(slot int, from, to *Server) *Migration {
	c.tb.Helper()
	to.Do("CLUSTER", "SETSLOT", strconv.Itoa(slot), "IMPORTING", c.ids[from])
	from.Do("CLUSTER", "SETSLOT", strconv.Itoa(slot), "MIGRATING", c.ids[to])
	return &Migration{c, slot, from, to}
}

// MoveKeys moves the keys that the source has now, with their times to live, and
// returns how many they were. From then on it answers ASK for each of them.
func (m *Migration) MoveKeys() int {
	m.c.tb.Helper()
	moved := 0
	for {
		keys, _ := m.from.Do("CLUSTER", "GETKEYSINSLOT", strconv.Itoa(m.slot), "100").([]any)
		if len(keys) == 0 {
			return moved
		}
		args := []string{"MIGRATE", "127.0.0.1", strconv.Itoa(m.to.port), "", "0", "5000", "KEYS"}
		for _, key := range keys {
			args = append(args, fmt.Sprint(key))
		}
		m.from.Do(args...)
		moved += len(keys)
	}
}

// Finish moves the keys that are left and gives the slot to its new master; it
// returns when all live nodes agree, and answer MOVED for it.
func (m *Migration) Finish() {
	m.c.tb.Helper()
	m.MoveKeys()
	// The destination first: were it the last and died, nobody would serve the slot.
	owner := m.c.ids[m.to]
	for _, node := range []*Server{m.to, m.from} {
		node.Do("CLUSTER", "SETSLOT", strconv.Itoa(m.slot), "NODE", owner)
	}
	m.c.await("a finished migration", func() error { return m.c.servedBy(m.slot, m.to) })
	m.c.Wait()
}

// MigrateSlot moves a slot from one master to another, and calls during when it is
// half way: the source still has the keys that it had, and answers ASK for all
// others. For what happens to a key that has moved see [Cluster.Migrate].
func (c *Cluster) MigrateSlot(slot int, from, to *Server, during func()) {
	c.tb.Helper()
	m := c.Migrate(slot, from, to)
	during()
	m.Finish()
}
