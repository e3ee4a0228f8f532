package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func TestSlot(t *testing.T) {
	for key, want := range map[string]int{
		"123456789": 0x31c3, // the check value of CRC-16/XMODEM
		"":          0,
		"foo":       12182,
		"{foo}x":    12182,
		"x{foo}{y}": 12182,
		"{}foo":     Slot("{}foo"), // an empty tag does not count
		"foo{":      Slot("foo{"),
		"{{foo}}":   Slot("x{{foo}"),
	} {
		if got := Slot(key); got != want {
			t.Errorf("Slot(%q) = %d, want %d", key, got, want)
		}
	}
	if Slot("{}foo") == Slot("") || Slot("foo{}") == 0 {
		t.Error("an empty tag counts")
	}
}

func TestParseNode(t *testing.T) {
	n, err := parseNode("07c3 127.0.0.1:1@2,host myself,master - 0 1426238317239 4 connected 0-5 7 [93->-2926] [77-<-e7d1]\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "{07c3 [myself master] - 4 true [{0 5} {7 7}]}"
	if got := fmt.Sprint(n); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for slot, want := range map[int]bool{0: true, 5: true, 6: false, 7: true, 93: false} {
		if n.serves(slot) != want {
			t.Errorf("serves(%d) = %v", slot, !want)
		}
	}
	for _, line := range []string{
		"", "a b c d e f 1", "a b c d e f x connected", "a b c d e f 1 connected x", "a b c d e f 1 connected 1-x",
	} {
		if n, err := parseNode(line); err == nil {
			t.Errorf("%q: %v, want an error", line, n)
		}
	}
}

// A lone master without replicas is a cluster too.
func TestSmallCluster(t *testing.T) {
	eachServer(t, func(t *testing.T, opts Options) {
		c := StartCluster(t, 1, 0, opts)
		for _, key := range []string{"", "foo", "{foo}x", "a{}b", "{}", "{{b}}", "a}b{c", "\x00\xff"} {
			wantReply(t, c.Nodes()[0].Do("CLUSTER", "KEYSLOT", key), int64(Slot(key)))
		}
		if m := c.Master(Slot("foo")); m != c.Nodes()[0] || len(c.Replicas(m)) != 0 {
			t.Fatalf("master %v, replicas %v", m.Addr(), c.Replicas(m))
		}
	})
	if end := stops(func() { StartCluster(fakeTB{t}, 0, 1, Options{}) }); end.how != "fatal" {
		t.Errorf("0 masters: %+v, want fatal", end)
	}
}

// wantFirst fails unless the command's error starts so.
func wantFirst(t *testing.T, s *Server, prefix string, args ...string) {
	t.Helper()
	if reply, err := s.Command(args...); err == nil || !strings.HasPrefix(err.Error(), prefix) {
		t.Fatalf("%s at %s: %v, %v; want %s", args, s.Addr(), reply, err, prefix)
	}
}

func TestCluster(t *testing.T) {
	eachServer(t, func(t *testing.T, opts Options) {
		c := StartCluster(t, 3, 1, opts)
		if len(c.Nodes()) != 6 || len(c.Addrs()) != 6 {
			t.Fatalf("nodes %v", c.Addrs())
		}
		for i, master := range c.Nodes()[:3] {
			if replicas := c.Replicas(master); len(replicas) != 1 || replicas[0] != c.Nodes()[3+i] || c.Replica(master) != replicas[0] {
				t.Fatalf("replicas of node %d: %v", i, replicas)
			}
		}
		t.Run("migrate", func(t *testing.T) { testMigrate(t, c) })
		t.Run("failover", func(t *testing.T) { testFailover(t, c) })
		t.Run("kill", func(t *testing.T) { testKillMaster(t, c) })
		t.Run("pause", func(t *testing.T) { testPausedMaster(t, c) })
	})
}

func testMigrate(t *testing.T, c *Cluster) {
	slot := Slot("{foo}")
	from := c.Master(slot)
	to := c.Master((slot + Slots/2) % Slots)
	if from == to {
		t.Fatal("one master has both slots")
	}
	for i := range 250 { // more than go at once
		from.Do("SET", "{foo}"+strconv.Itoa(i), "v", "PX", "100000")
	}
	called := false
	c.MigrateSlot(slot, from, to, func() {
		called = true
		wantReply(t, from.Do("GET", "{foo}1"), "v")
		wantFirst(t, from, fmt.Sprintf("ASK %d %s", slot, to.Addr()), "GET", "{foo}none")
		wantFirst(t, to, fmt.Sprintf("MOVED %d %s", slot, from.Addr()), "GET", "{foo}1")
	})
	if !called {
		t.Fatal("during was not called")
	}
	if c.Master(slot) != to {
		t.Fatalf("slot %d is at %s, want %s", slot, c.Master(slot).Addr(), to.Addr())
	}
	wantFirst(t, from, "MOVED", "GET", "{foo}1")
	wantReply(t, to.Do("CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(slot)), int64(250))
	if ttl := to.Do("PTTL", "{foo}1").(int64); ttl < 1 || ttl > 100_000 {
		t.Fatalf("PTTL %d after the move, want up to 100000", ttl)
	}

	back := c.Migrate(slot, to, from)
	if n := back.MoveKeys(); n != 250 {
		t.Fatalf("moved %d keys, want 250", n)
	}
	wantFirst(t, to, "ASK", "GET", "{foo}1")
	asking := dial(t, from.Addr())
	wantReply(t, must(asking.Command("ASKING")), "OK")
	wantReply(t, must(asking.Command("GET", "{foo}1")), "v")
	back.Finish()
	wantReply(t, from.Do("GET", "{foo}1"), "v")
}

func testFailover(t *testing.T, c *Cluster) {
	slot := Slot("{foo}")
	old := c.Master(slot)
	replica := c.Replica(old)
	old.Do("SET", "{foo}kept", "v")
	if heir := c.Failover(old); heir != replica || c.Master(slot) != replica || c.Replica(heir) != old {
		t.Fatalf("%s took over from %s, want %s", heir.Addr(), old.Addr(), replica.Addr())
	}
	wantReply(t, replica.Do("GET", "{foo}kept"), "v")
	wantFirst(t, old, "MOVED", "GET", "{foo}kept")
}

func testKillMaster(t *testing.T, c *Cluster) {
	slot := Slot("bar")
	old := c.Master(slot)
	replica := c.Replica(old)
	if heir := c.KillMaster(old); heir != replica || old.Alive() {
		t.Fatalf("%s took over from %s, want %s", heir.Addr(), old.Addr(), replica.Addr())
	}
	if err := c.unwell(); err != nil {
		t.Fatalf("just after KillMaster: %v", err)
	}
	replica.Do("SET", "bar", "v")
	old.Restart()
	c.Wait()
	if info, err := old.Info("replication"); err != nil || info["master_link_status"] != "up" {
		t.Fatalf("just after Wait: link %q (%v), want up", info["master_link_status"], err)
	}
	if got := c.Replica(replica); got != old {
		t.Fatalf("replica %s after Restart, want %s", got.Addr(), old.Addr())
	}
	wantFirst(t, old, "MOVED", "GET", "bar")
}

// A master that slept through its replacement claims its slots for a moment.
func testPausedMaster(t *testing.T, c *Cluster) {
	slot := Slot("foo")
	old := c.Master(slot)
	replica := c.Replica(old)
	old.Pause()
	if heir := c.Master(slot); heir != replica {
		t.Fatalf("%s took over from %s, want %s", heir.Addr(), old.Addr(), replica.Addr())
	}
	old.Resume()
	if got := c.Master(slot); got != replica {
		t.Fatalf("master %s after Resume, want %s still", got.Addr(), replica.Addr())
	}
	c.Wait()
	if got := c.Replica(replica); got != old {
		t.Fatalf("replica %s after Resume, want %s", got.Addr(), old.Addr())
	}
}
