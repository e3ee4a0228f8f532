package weirredis_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/weirredis/redistest"
)

// The faults of a cluster need one that is well, so they share it, in this order.
func TestFaultCluster(t *testing.T) {
	skipIfShort(t)
	c := redistest.StartCluster(t, 3, 1, redistest.Options{
		Args: []string{"--cluster-require-full-coverage", "no"}, // the others go on
	})
	t.Run("slot moved", func(t *testing.T) { testSlotMoved(t, c) })
	t.Run("master paused", func(t *testing.T) { testMasterPaused(t, c) })
	t.Run("failover in order", func(t *testing.T) { testFailover(t, c) })
	t.Run("master killed", func(t *testing.T) { testMasterKilled(t, c) })
}

// A slot moves while all callers ask for its keys: at first the old master answers ASK
// for those that have moved, and then MOVED for all.
func testSlotMoved(t *testing.T, c *redistest.Cluster) {
	const tag = "moved"
	slot := redistest.Slot("{" + tag + "}")
	from := c.Master(slot)
	to := c.Master((slot + redistest.Slots/2) % redistest.Slots)
	key := func(i int) string { return fmt.Sprintf("%d-{%s}", i, tag) }
	fault{
		name: "slot moved", addrs: c.Addrs(), clock: clockOf(from), keys: [2]func(int) string{key, key},
		notice: never, timeout: patience,
		do: func(s *scene) {
			moved, asked := errorReplies(t, from, "MOVED"), errorReplies(t, from, "ASK")
			ran, asking := scriptCalls(t, to), commandCalls(t, to, "asking")

			m := c.Migrate(slot, from, to)
			s.broke()
			time.Sleep(200 * time.Millisecond)
			keys := m.MoveKeys()
			time.Sleep(500 * time.Millisecond)
			asked, asking = errorReplies(t, from, "ASK")-asked, commandCalls(t, to, "asking")-asking
			m.Finish()
			s.mend()
			time.Sleep(300 * time.Millisecond)

			moved, ran = errorReplies(t, from, "MOVED")-moved, scriptCalls(t, to)-ran
			t.Logf("%d keys moved; the old master said ASK %d times and MOVED %d times; the new one was told ASKING %d times, and ran %d scripts", keys, asked, moved, asking, ran)
			if keys != len(s.closed.keys)+len(s.local.keys) {
				t.Errorf("%d keys were moved, want all %d", keys, len(s.closed.keys)+len(s.local.keys))
			}
			if asked == 0 || asking == 0 || moved == 0 || ran == 0 {
				t.Error("want some of each")
			}
		},
	}.run(t)
}

// A failover in order loses no debt. The keys of the other masters notice nothing.
func testFailover(t *testing.T, c *redistest.Cluster) {
	one, others := keysOf(c, 1)
	master := c.Nodes()[1]
	clusterFault{one: one, others: others}.run(t, fault{
		name: "failover in order", addrs: c.Addrs(), clock: clockOf(c.Nodes()[0]), notice: perhaps,
		do: func(s *scene) {
			s.broke()
			if heir := c.Failover(master); heir == master {
				t.Errorf("%s is master still", heir.Addr())
			}
			s.mend()
		},
	})
}

// A master that is stopped for less than it takes to be suspected. More callers come at
// once than the client's queue of its connection holds, for keys of all its slots.
func testMasterPaused(t *testing.T, c *redistest.Cluster) {
	master := c.Nodes()[0]
	keys := slotKeys("weir-1:")
	fault{
		name: "master paused 0.6 s", addrs: c.Addrs(), clock: clockOf(c.Nodes()[1]), many: 6000,
		keys: [2]func(int) string{nil, func(i int) string { return keys[i%len(keys)] }}, spread: len(keys),
		do: func(s *scene) {
			master.Pause()
			s.broke()
			time.Sleep(600 * time.Millisecond)
			master.Resume()
			s.mend()
		},
	}.run(t)
}

// slotKeys are keys of the first of three masters, one for each part of a cluster that has a breaker of
// its own.
func slotKeys(prefix string) []string {
	const parts = 64
	byPart := map[int]string{}
	for i := range 1000 {
		key := fmt.Sprint(i)
		slot := redistest.Slot(prefix + key)
		if slot < redistest.Slots/3 {
			byPart[slot*parts/redistest.Slots] = key
		}
	}
	return slices.Sorted(maps.Values(byPart))
}

// Where a master dies, replicas may not have heard of its last admissions.
func testMasterKilled(t *testing.T, c *redistest.Cluster) {
	one, others := keysOf(c, 2)
	master := c.Nodes()[2]
	clusterFault{one: one, others: others}.run(t, fault{
		name: "master killed", addrs: c.Addrs(), clock: clockOf(c.Nodes()[0]), loses: 1, maybe: true,
		do: func(s *scene) {
			master.Kill()
			s.broke()
			heir := c.Master(redistest.Slot("weir-0:" + one(0)))
			s.mend()
			if heir == master {
				t.Errorf("%s is master still", heir.Addr())
			}
		},
	})
}

// A clusterFault harms one master's keys, which are every second one, and no others.
type clusterFault struct{ one, others func(i int) string }

func (cf clusterFault) run(t *testing.T, f fault) {
	key := func(i int) string {
		if i%2 == 0 {
			return cf.one(i)
		}
		return cf.others(i)
	}
	f.keys = [2]func(int) string{key, key}
	f.after = func(s *scene) {
		for i, key := range s.closed.keys {
			if n := s.closed.failed[i].Load(); i%2 == 1 && n != 0 {
				t.Errorf("%s: %d errors for key %s of another master, want none", f.name, n, key)
			}
		}
		for _, e := range s.closed.health.all() {
			if slot := redistest.Slot("weir-0:" + cf.one(0)); e.First > slot || slot > e.Last {
				t.Errorf("%s: health %+v, want of slot %d only", f.name, e.Health, slot)
			}
		}
	}
	f.run(t)
}

// keysOf makes keys whose slots are all served by that master: by tags, one for the
// master itself, and one for another.
func keysOf(c *redistest.Cluster, node int) (its, others func(i int) string) {
	tags := [2]string{}
	for n := 0; tags[0] == "" || tags[1] == ""; n++ {
		tag := fmt.Sprintf("{%d}", n)
		if c.Master(redistest.Slot(tag)) == c.Nodes()[node] {
			tags[0] = tag
		} else {
			tags[1] = tag
		}
	}
	return func(i int) string { return fmt.Sprint(i, tags[0]) },
		func(i int) string { return fmt.Sprint(i, tags[1]) }
}
