/*
 * One shard of weir's table (shard.go, table.go, migration.go, operation.go),
 * step by step. See README.md for what is modelled, what is not, and how to run
 * it; labels.tsv for the line of code behind every label.
 *
 * A label stands before every step that others can see: one atomic access to
 * shared memory, and the computation that follows it. Loads of what can never
 * change again (an id that is not 0, a settled birth, an open segment) are
 * merged with the step before them, since it makes no difference when they
 * happen.
 *
 * Everything under "ghost" is what the properties are stated in. No step of the
 * code looks at it.
 */

/* ---- Bounds of a configuration; run.sh sets them ------------------------- */

#ifndef KEYS
#define KEYS 1          /* keys 1..KEYS */
#endif
#ifndef TABLES
#define TABLES 3        /* most tables ever made, the first included */
#endif
#ifndef SLOTS
#define SLOTS 1         /* of the largest table */
#endif
#ifndef SLOTS_OF
#define SLOTS_OF(t) SLOTS       /* of each: fewer force it to grow */
#endif
#ifndef PER_SEGMENT
#define PER_SEGMENT 1   /* slots a segment */
#endif
#ifndef PER_CHUNK
#define PER_CHUNK 1     /* slots a chunk */
#endif
#ifndef HOME
#define HOME(k, t) 0    /* the slot that is tried first */
#endif
#ifndef GROWS
#define GROWS 0         /* successors that somebody may want without need */
#endif
#ifndef LATEST
#define LATEST 1        /* the clock shows 1..LATEST */
#endif
#ifndef BACK
#define BACK 0          /* times that the clock may step back by 1 */
#endif
#ifndef RAISE
#define RAISE 0         /* what the memory bound may want the floor to be; 0: never */
#endif
#ifndef PRESENT
#define PRESENT KEYS    /* keys that are in the first table at the start */
#endif
#ifndef DEBT
#define DEBT 1          /* requests that they have consumed */
#endif
#ifndef EMISSION2
#define EMISSION2 3
#endif
#ifndef EMISSION1
#define EMISSION1 2
#endif
#ifndef BURST1
#define BURST1 2
#endif
#ifndef BURST2
#define BURST2 2
#endif
#ifndef ONLY
#define ONLY 0          /* the one property to check; 0: all */
#endif
#ifndef MOST_ROUNDS
#define MOST_ROUNDS 24  /* rounds of its loops that one alone may need */
#endif
#ifndef DO1
#define DO1 (ALLOW)
#endif
#ifndef TIMES1
#define TIMES1 1
#endif
#ifndef TIMES2
#define TIMES2 1
#endif
#ifndef WORKERS
#define WORKERS 2
#endif

/* Operations, as bits of what a worker chooses from. */
#define ALLOW     1
#define ALLOW_AT  2
#define PEEK      4
#define REFUND    8
#define RESET    16
#define GROW     32     /* makes a successor, as press and claimed do */
#define SET_QUOTA 64    /* to quota 2 */
#define HELP    128

/* ---- Words of the code --------------------------------------------------- */

#define VACANT    0
#define SEALED    255
#define UNWRITTEN 0
#define RESET_TAT 1
#define FROZEN    128   /* the top bit */
#define NIL       0
#define UNLINKED  99
#define NO_SLOT   99
#define ABSENT 0        /* of a segment: not there, there, or closed */
#define OPEN   1
#define CLOSED 2

#define frozen(v) ((v) >= FROZEN)
#define final(v)  ((v) & 127)
#define max(a, b) ((a) > (b) -> (a) : (b))
#define min(a, b) ((a) < (b) -> (a) : (b))

typedef table {
	byte next;
	byte born;
	byte horizon;
	byte floor;             /* 0: not settled */
	byte quota;             /* 1 or 2 */
	byte raise;
	byte hand;
	byte through;           /* one bit a chunk */
	byte done;
	byte segment[SLOTS];
	byte id[SLOTS];
	byte tat[SLOTS]
};

table tab[TABLES + 1];          /* tab[0] is NIL */
#ifdef VOID
byte made = 2;
#else
byte made = 1;                  /* tables so far; never reused */
#endif
byte cur = 1;
byte clk = 1;
byte grows = GROWS;
#if BACK > 0
byte back = BACK;
#endif
#ifdef VOID
#define void(t) ((t) <= 2)      /* 1 is the void table at the start, 2 that of the new quota */
#else
#define void(t) false
#endif

#define slots(t)    (SLOTS_OF(t))
#define segments(t) (slots(t) / PER_SEGMENT)
#define chunks(t)   (slots(t) / PER_CHUNK)
#define segment_of(s) ((s) / PER_SEGMENT)
#define home_segment(k, t) segment_of(HOME(k, t))
#define beside_home(k, t) ((home_segment(k, t) + 1) % segments(t))
#define a_table(n)  ((n) != NIL && (n) != UNLINKED)

#define emission(q)  ((q) == 1 -> EMISSION1 : EMISSION2)
#define burst(q)     ((q) == 1 -> BURST1 : BURST2)
#define tolerance(q) (emission(q) * burst(q))

/*
 * Scratch, not part of the state. It is used within one d_step only: elsewhere
 * the search would find in it what another branch has left there.
 */
hidden byte x_i, x_s, x_f, x_at, x_t, x_v, x_k, x_n, x_slot, x_stands;
hidden short x_debt;

/* In a branch that only jumps: by this, spin's report of unreached states tells
 * whether the branch was taken. */
#define taken skip

/* ---- Ghost: what the properties are stated in ---------------------------- */

/*
 * A key's TAT as one register would hold it, the table whose quota it is in, and
 * the latest instant at which the key was decided. The key moves to the next
 * table at the instant at which its place in this one is closed: its slot is
 * frozen, the slot or the segment where it would be is sealed, or the last slot
 * where it could be is another key's.
 */
byte ghost_tat[KEYS + 1];
byte ghost_tab[KEYS + 1];
byte ghost_last[KEYS + 1];
#if LATEST == 1
byte ghost_spent[KEYS + 1];     /* admitted and not given back; exact while the clock stands */
#endif
bit ghost_quota;                /* a SetQuota has returned */
byte ended;                     /* workers */

/* The properties. ONLY chooses one, so that run.sh knows which one is broken. */
#define LOST_OR_DOUBLED 1  /* a step sees or changes something else than the key's TAT */
#define OVER_ADMITTED   2  /* a request is admitted that the quota does not allow */
#define REFUSED_WRONGLY 3  /* a request is refused that the key's own TAT lets pass */
#define ADVANCED_EARLY  4  /* the shard moves on before every value has arrived */
#define MARK_FALLS      5  /* birth or horizon fall along the chain */
#define REFUSAL_WROTE   6  /* a slot is claimed without a decision to write */
#define WRITTEN_TWICE   7  /* an id or a next that was set is set again */
#define RETAINED        8  /* when all is quiet, a table that the shard left is still linked */
#define NOT_QUIET       9  /* when all is quiet, a TAT is not what it should be */
#define OLD_QUOTA      10  /* decided by the old quota after SetQuota returned */
#define ALONE_FOREVER  11  /* one that runs alone does not end */

#define CHECK(property, holds) assert(holds || (ONLY != 0 && ONLY != property))

/* ---- The table ----------------------------------------------------------- */

/*
 * probe: what the key's walk through the table ends at. All that it passes on
 * its way is final, so the whole walk is as one load, of where it ends.
 */
#define FOUND_KEY  0
#define FOUND_FREE 1
#define FOUND_END  2

inline walk(t_, k_, s_, f_) {
	s_ = NO_SLOT;
	f_ = FOUND_END;
	x_i = 0;
	do
	:: x_i == slots(t_) -> break
	:: else ->
		x_s = (HOME(k_, t_) + x_i) % slots(t_);
		if
		:: tab[t_].segment[segment_of(x_s)] == ABSENT -> f_ = FOUND_FREE; break
		:: tab[t_].segment[segment_of(x_s)] == CLOSED -> break
		:: else
		fi;
		if
		:: tab[t_].id[x_s] == k_ -> s_ = x_s; f_ = FOUND_KEY; break
		:: tab[t_].id[x_s] == VACANT -> s_ = x_s; f_ = FOUND_FREE; break
		:: tab[t_].id[x_s] == SEALED -> break
		:: else -> x_i++
		fi
	od
}

inline probe(t_, k_, s_, f_) { d_step { walk(t_, k_, s_, f_) } }

/* probe with make: a step that ends at an absent segment makes it, and the walk
 * goes on. */
inline probe_and_make(t_, k_, s_, f_) {
	d_step {
		walk(t_, k_, s_, f_);
		if
		:: f_ == FOUND_FREE && s_ == NO_SLOT -> tab[t_].segment[segment_of(x_s)] = OPEN
		:: else
		fi
	}
}

/* rescale of gcra.go, rounding up. */
inline rescale(tat_, from_, to_, at_) {
	if
	:: (tat_) > (at_) && emission(from_) != emission(to_) ->
		x_debt = ((tat_) - (at_)) * emission(to_);
#ifdef BUG_RESCALE_DOWN
		x_debt = x_debt / emission(from_);
#else
		x_debt = (x_debt + emission(from_) - 1) / emission(from_);
#endif
		tat_ = min((at_) + x_debt, 127)
	:: else
	fi
}

/* A reading: any instant from the present on, and time passes up to there. */
inline read_clock(r_) {
	do
	:: clk < LATEST -> clk++
#if BACK > 0
	:: back > 0 && clk > 1 -> back--; clk--
#endif
	:: break
	od;
	r_ = clk
}

/* ---- Ghost steps --------------------------------------------------------- */

/* The reference hop, which is not the code's: it rescales around the first
 * instant at which nobody has decided later. */
inline ghost_hop(k_) {
	x_n = tab[ghost_tab[k_]].next;
#if BACK > 0
	x_at = tab[x_n].born;
#else
	x_at = max(tab[x_n].born, ghost_last[k_]);
#endif
	if
	:: ghost_tat[k_] > x_at && emission(tab[ghost_tab[k_]].quota) != emission(tab[x_n].quota) ->
		x_debt = (ghost_tat[k_] - x_at) * emission(tab[x_n].quota) + emission(tab[ghost_tab[k_]].quota) - 1;
		ghost_tat[k_] = x_at + x_debt / emission(tab[ghost_tab[k_]].quota)
	:: else
	fi;
	ghost_tab[k_] = x_n
}

/* Every key whose place is closed moves to the next table that is settled. */
inline ghost_moves() {
	d_step {
		x_k = 1;
		do
		:: x_k > KEYS -> break
		:: else ->
			walk(ghost_tab[x_k], x_k, x_v, x_f);
			x_t = tab[ghost_tab[x_k]].next;
			if
			:: a_table(x_t) && tab[x_t].floor != 0 &&
			   (x_f == FOUND_END || x_f == FOUND_KEY && frozen(tab[ghost_tab[x_k]].tat[x_v])) ->
				ghost_hop(x_k)
			:: else -> x_k++
			fi
		od;
		x_k = 0; x_v = 0; x_f = 0; x_t = 0; x_n = 0; x_at = 0; x_debt = 0; x_i = 0; x_s = 0
	}
}

/* Nothing is known of any key yet when a void table is replaced. */
inline ghost_opened(t_) {
	d_step { x_k = 1; do :: x_k > KEYS -> break :: else -> ghost_tab[x_k] = t_; x_k++ od; x_k = 0 }
}

/* The shard moves on from t: whatever stood in it has to be somewhere beyond. */
inline arrived(t_) {
	d_step {
		x_k = 0;        /* a slot, here */
		do
		:: x_k == slots(t_) -> break
		:: else ->
			CHECK(ADVANCED_EARLY, (tab[t_].segment[segment_of(x_k)] != ABSENT));
			CHECK(ADVANCED_EARLY, (tab[t_].segment[segment_of(x_k)] == CLOSED || tab[t_].id[x_k] != VACANT));
			if
			:: tab[t_].id[x_k] != VACANT && tab[t_].id[x_k] != SEALED ->
				CHECK(ADVANCED_EARLY, (frozen(tab[t_].tat[x_k])));
				x_v = final(tab[t_].tat[x_k]);
				x_t = t_;
				do
				:: true ->
					x_n = tab[x_t].next;
					CHECK(ADVANCED_EARLY, (a_table(x_n) && tab[x_n].floor != 0));
					if
					:: !a_table(x_n) -> break
					:: else
					fi;
					rescale(x_v, tab[x_t].quota, tab[x_n].quota, tab[x_n].born);
					if
					:: x_v <= tab[x_n].floor -> break
					:: else
					fi;
					walk(x_n, tab[t_].id[x_k], x_slot, x_f);
					CHECK(ADVANCED_EARLY, (x_f != FOUND_FREE));
					if
					:: x_f == FOUND_FREE -> break
					:: x_f == FOUND_KEY && final(tab[x_n].tat[x_slot]) != UNWRITTEN -> break
					:: else -> x_t = x_n
					fi
				od
			:: else
			fi;
			x_k++
		od;
		x_k = 0; x_v = 0; x_f = 0; x_t = 0; x_n = 0; x_slot = 0; x_debt = 0; x_i = 0; x_s = 0
	}
}

/* Where a step that takes effect now sees the key: in t, standing at v. */
inline ghost_sees(t_, k_, v_) {
	CHECK(LOST_OR_DOUBLED, (ghost_tab[k_] == t_ &&
		max(v_, tab[t_].horizon) == max(ghost_tat[k_], tab[t_].horizon)))
}

#ifdef ALONE
/*
 * From some moment on all but one are stopped for ever, wherever they are. The
 * one has to end within so many rounds of its loops.
 */
byte solo;
byte rounds;
byte gone;      /* bits of the workers that have ended */
#define IF_AWAKE provided (solo == 0 || solo == _pid)
#define round() if :: solo != 0 -> rounds++; CHECK(ALONE_FOREVER, (rounds <= MOST_ROUNDS)) :: else fi
#define I_AM_GONE gone = gone | (1 << _pid)
#else
#define I_AM_GONE skip
#define IF_AWAKE
#define round() skip
#endif

/* ---- A worker: some operations, one after the other ---------------------- */

/* Where settle, succeed, bring and help return to. */
#define TO_FIND  1
#define TO_BRING 2
#define TO_HELP  3
#define TO_PEEK  4
#define TO_SWEEP 5
#define TO_QUOTA 6
#define TO_END   7

/* What the operation makes of a key that stands at v in t, or of an absent one
 * if v is UNWRITTEN: after, and whether that is to be written. */
#ifdef BUG_NO_RENEW
#define instant now
#else
#define instant max(now, tab[t].born)
#endif
#ifdef BUG_LIMITERS_QUOTA
#define deciding (limiter_quota)
byte limiter_quota = 1;
#else
#define deciding (tab[t].quota)
#endif

inline decide() {
	d_step {
		x_stands = max(v, tab[t].horizon);
		after = x_stands;
		if
		:: op == ALLOW || op == ALLOW_AT ->
			write = (max(x_stands, instant) + emission(deciding) <= instant + tolerance(deciding));
			if
			:: write -> after = max(x_stands, instant) + emission(deciding)
			:: else
			fi
		:: op == REFUND ->
			if
			:: x_stands - tab[t].horizon > emission(deciding) -> after = x_stands - emission(deciding)
			:: else -> after = tab[t].horizon
			fi;
			write = (after != x_stands)
		:: op == RESET ->
#ifdef BUG_RESET_ZERO
			after = UNWRITTEN;
#else
			after = RESET_TAT;
#endif
			write = (x_stands > tab[t].horizon)
		fi
	}
}

/* A decision not to write ends the operation. */
inline refuses() {
	if
	:: (op == ALLOW || op == ALLOW_AT) && RAISE == 0 ->
		/* By the key's own TAT, at the operation's own reading. */
		CHECK(REFUSED_WRONGLY, (v + emission(tab[t].quota) > now + tolerance(tab[t].quota)))
	:: else
	fi;
	CHECK(OLD_QUOTA, (!newest || tab[t].quota == 2))
}

/* The operation has just changed the key's TAT in t from v to after. */
inline writes() {
	ghost_sees(t, k, v);
	CHECK(OLD_QUOTA, (!newest || tab[t].quota == 2));
	d_step {
		if
		:: op == ALLOW || op == ALLOW_AT ->
			CHECK(OVER_ADMITTED, (max(ghost_tat[k], instant) + emission(tab[t].quota) <= instant + tolerance(tab[t].quota)));
#if LATEST == 1
			ghost_spent[k]++;
#if RAISE == 0
			CHECK(OVER_ADMITTED, (ghost_spent[k] <= burst(tab[t].quota)));
#endif
#endif
			ghost_last[k] = max(ghost_last[k], instant)
		:: op == REFUND ->
#if LATEST == 1
			if
			:: ghost_spent[k] > 0 -> ghost_spent[k]--
			:: else
			fi
#else
			skip
#endif
		:: op == RESET ->
#if LATEST == 1
			ghost_spent[k] = 0
#else
			skip
#endif
		fi;
		ghost_tat[k] = (op == RESET -> 0 : after)
	}
}

/* successor: t's next, settled. Its first load; where the successor is not
 * settled yet, settle goes on. */
#define unsettled(n_) (a_table(n_) && tab[n_].floor == 0)
#define linked (sret == TO_BRING -> m : n)      /* what is to be settled, after table q */

proctype Worker(byte left; byte choice) IF_AWAKE {
	byte op, k;             /* the operation and its key */
	byte now;               /* its reading */
	bit newest;             /* ghost: it began after SetQuota had returned */
	byte t, n;              /* a table, and its next */
	byte s, f;              /* where probe ended */
	byte v;                 /* a TAT */
	byte after; bit write;  /* what decide makes of it */
	byte claimed;           /* the table in which the operation claimed a slot */
	bit opened;
	byte chunk;
	byte from, to, m;       /* bring: from, to, and to's next */
	byte bs, bf, bv, bk;    /* bring: where probe ended, value, key */
	byte q, r;              /* settle: the table whose successor; a reading */
	byte want;              /* succeed: the quota, 0 for its own */
	byte ret, sret, bret;   /* where to return to: succeed, settle, bring */

op_begin:
	atomic {
		op = 0; k = 0; now = 0; newest = 0; t = 0; n = 0; s = 0; f = 0; v = 0; claimed = 0; opened = 0;
		chunk = 0; from = 0; to = 0; m = 0; bs = 0; bf = 0; bv = 0; bk = 0; q = 0; r = 0; want = 0;
		ret = 0; sret = 0; bret = 0; after = 0; write = 0;
		if
		:: left == 0 -> ended++; I_AM_GONE; goto op_end
		:: else -> left--
		fi;
		newest = ghost_quota;
		if
		:: choice & GROW      -> op = GROW; goto grow_cur
		:: choice & HELP      -> op = HELP; goto help_cur
		:: choice & SET_QUOTA -> op = SET_QUOTA; goto setquota_read
		:: choice & ALLOW     -> op = ALLOW
		:: choice & ALLOW_AT  -> op = ALLOW_AT
		:: choice & PEEK      -> op = PEEK
		:: choice & REFUND    -> op = REFUND
		:: choice & RESET     -> op = RESET
		fi;
		k = 1;
		do
		:: k < KEYS -> k++
		:: break
		od;
		if
		:: op == ALLOW -> taken; goto allow_read
		:: op == PEEK -> taken; goto peek_read
		:: op == ALLOW_AT ->    /* of any time from the present back */
			now = clk;
			do
			:: now > 1 -> now--
			:: break
			od;
			goto find_cur
		:: else -> taken; goto find_cur
		fi
	}

	/* -- Limiter.allow: the common case, written out ------------------------- */

allow_read:
	atomic { read_clock(now); goto allow_cur }
allow_cur:
	atomic { t = cur; goto allow_next }
allow_next:
	atomic {
		if
		:: tab[t].next == NIL && now >= tab[t].born -> taken; goto allow_probe
		:: else -> taken; goto find_cur
		fi
	}
allow_probe:
	atomic {
		probe(t, k, s, f);
		if
		:: f == FOUND_KEY -> taken; goto allow_load
		:: else -> taken; goto find_cur
		fi
	}
allow_load:
	atomic {
		v = tab[t].tat[s];
		if
		:: frozen(v) -> taken; goto find_cur
		:: else
		fi;
		ghost_sees(t, k, v);
		decide();
		if
		:: write -> taken; goto allow_cas
		:: else -> refuses(); goto op_begin
		fi
	}
allow_cas:
	atomic {
		if
		:: tab[t].tat[s] == v -> tab[t].tat[s] = after; writes(); goto op_begin
		:: else -> taken; goto find_cur
		fi
	}

	/* -- store.find ------------------------------------------------------------ */

find_cur:
	atomic {
		round();
		v = 0; n = 0; s = 0; f = 0; after = 0; write = 0;
		t = cur;
		if
		:: void(t) -> s = NO_SLOT; f = FOUND_FREE; ghost_sees(t, k, 0); goto apply_absent
		:: else -> taken; goto find_probe
		fi
	}
find_probe:
	atomic {
		round();
		probe(t, k, s, f);
		if
		:: f == FOUND_FREE && tab[t].next == NIL -> ghost_sees(t, k, 0)     /* may be where the operation takes effect */
		:: else
		fi;
		goto find_next
	}
find_next:
	atomic {
		n = tab[t].next;
		if
		:: unsettled(n) -> q = t; sret = TO_FIND; goto successor_floor
		:: else
		fi;
find_turn:
		if
		:: n == UNLINKED ->
#ifdef BUG_FIND_THROUGH_UNLINKED
			n = NIL
#else
			goto find_cur
#endif
		:: else
		fi;
		if
		:: n == NIL && f == FOUND_KEY -> taken; goto apply_load
		:: n == NIL && f == FOUND_FREE -> taken; goto apply_absent
		:: n == NIL && f == FOUND_END -> q = t; ret = TO_FIND; goto succeed_next
		:: n != NIL && f == FOUND_KEY ->
#ifdef BUG_NO_CARRY
			t = n; goto find_probe
#else
			bret = TO_FIND; bk = k; goto carry_load
#endif
		:: n != NIL && f == FOUND_FREE ->
#ifdef BUG_NO_SEAL
			t = n; goto find_probe
#else
			if
			:: s == NO_SLOT -> taken; goto find_shut
			:: else -> taken; goto find_seal
			fi
#endif
		:: n != NIL && f == FOUND_END -> t = n; goto find_probe
		fi
	}
find_seal:
	atomic {
		if
		:: tab[t].id[s] == VACANT -> tab[t].id[s] = SEALED; ghost_moves(); t = n; goto find_probe
		:: tab[t].id[s] == SEALED -> t = n; goto find_probe
		:: else -> taken; goto find_probe      /* claimed meanwhile, perhaps for this very key */
		fi
	}
find_shut:
	atomic {
		if
		:: tab[t].segment[home_segment(k, t)] == ABSENT ->
			tab[t].segment[home_segment(k, t)] = CLOSED; ghost_moves(); t = n; goto find_probe
		:: else -> taken; goto find_shut_after
		fi
	}
find_shut_after:
	atomic {
		if
		:: tab[t].segment[beside_home(k, t)] == ABSENT ->
			tab[t].segment[beside_home(k, t)] = CLOSED; ghost_moves()
		:: else -> taken
		fi;
		goto find_probe
	}

	/* -- Limiter.apply ---------------------------------------------------------- */

apply_load:
	atomic {
		v = tab[t].tat[s];
		if
		:: frozen(v) ->
#ifdef BUG_DECIDES_ON_FROZEN
			v = final(v)
#else
			v = 0; goto find_cur
#endif
		:: else
		fi;
#ifndef BUG_NO_RENEW
		if
		:: now < tab[t].born && op == ALLOW -> v = 0; goto apply_renew
		:: else
		fi;
#endif
		decide();
		if
		:: write -> taken; goto apply_cas
		:: else -> ghost_sees(t, k, v); refuses(); goto help_cur
		fi
	}
apply_absent:
	atomic {
		v = UNWRITTEN;
#ifndef BUG_NO_RENEW
		if
		:: now < tab[t].born && op == ALLOW -> taken; goto apply_renew
		:: else
		fi;
#endif
		decide();
		if
#ifdef BUG_CLAIM_FIRST
		:: !write && s != NO_SLOT && claimed == 0 -> taken; goto apply_claim
#endif
		:: !write -> refuses(); goto help_cur
		:: write && void(t) -> taken; goto open_read
		:: write && !void(t) && s == NO_SLOT -> opened = 1; goto apply_open
		:: write && !void(t) && s != NO_SLOT -> opened = 0; goto apply_claim
		fi
	}
apply_renew:
	atomic { read_clock(now); goto find_cur }
apply_open:
	atomic {
		probe_and_make(t, k, s, f);
		if
		:: f == FOUND_FREE && s == NO_SLOT -> taken; goto apply_open
		:: f == FOUND_FREE && s != NO_SLOT -> taken; goto apply_claim
		:: else -> taken; goto find_cur
		fi
	}
apply_claim:
	atomic {
		CHECK(REFUSAL_WROTE, (write));
#ifdef BUG_CLAIM_STORE
		CHECK(WRITTEN_TWICE, (tab[t].id[s] == VACANT));
		tab[t].id[s] = k; claimed = t; ghost_moves(); goto apply_cas
#else
		if
		:: tab[t].id[s] == VACANT -> tab[t].id[s] = k; claimed = t; ghost_moves(); goto apply_cas
		:: else -> taken; goto find_cur
		fi
#endif
	}
apply_cas:
	atomic {
#ifdef BUG_CLAIM_FIRST
		if
		:: !write -> taken; goto find_cur
		:: else
		fi;
#endif
		if
#ifdef BUG_RESET_STORE
		:: op == RESET -> tab[t].tat[s] = after
#endif
		:: tab[t].tat[s] == v -> tab[t].tat[s] = after
#ifdef BUG_ONE_TRY
		:: tab[t].tat[s] != v -> taken  /* as if it had succeeded */
#endif
		:: else -> taken; goto find_cur
		fi;
		writes();
		if
		:: claimed != 0 && grows > 0 && tab[claimed].next == NIL -> /* full, as it seems */
			grows--; q = claimed; ret = TO_END; goto succeed_next
		:: claimed != 0 && opened -> taken; goto op_begin
		:: !(claimed != 0 && opened) -> taken; goto help_cur
		fi
	}

	/* -- store.open: the void table of a shard that holds nothing --------------- */

open_read:
	atomic { read_clock(r); r = max(r, tab[t].born); goto open_cas }
open_cas:
	atomic {
		if
		:: cur == t ->
			assert(made < TABLES);  /* or the configuration is too small */
			made++;
			tab[made].quota = tab[t].quota;
			tab[made].born = r; tab[made].horizon = r; tab[made].floor = r;
			cur = made; ghost_opened(made)
		:: else -> taken
		fi;
		r = 0;
		goto find_cur
	}

	/* -- store.carry and store.bring -------------------------------------------- */

carry_load:
	atomic {
		bv = tab[t].tat[s];
		from = t; to = n;
		if
		:: frozen(bv) -> taken; goto bring_hop
		:: else -> taken; goto carry_freeze
		fi
	}
carry_freeze:
	atomic {
#ifdef BUG_FREEZE_STORE
		tab[t].tat[s] = bv + FROZEN;
#else
		tab[t].tat[s] = final(tab[t].tat[s]) + FROZEN;
#endif
		ghost_moves();
		bv = tab[t].tat[s];
bring_hop:
		bv = final(bv);
#ifdef BUG_RESCALE_OWN_CLOCK
		rescale(bv, tab[from].quota, tab[to].quota, clk);
#else
		rescale(bv, tab[from].quota, tab[to].quota, tab[to].born);
#endif
#ifdef BUG_DROP_BY_CLOCK
		if
		:: bv <= clk -> taken; goto bring_done
		:: else
		fi;
#endif
		if
		:: bv <= tab[to].floor -> taken; goto bring_done
		:: else -> taken; goto bring_probe
		fi
	}
bring_probe:
	atomic {
		round();
		probe(to, bk, bs, bf);
		if
		:: bf == FOUND_KEY -> taken; goto bring_cas
		:: else -> taken; goto bring_next
		fi
	}
bring_next:
	atomic {
		m = tab[to].next;
		if
		:: unsettled(m) -> q = to; sret = TO_BRING; goto successor_floor
		:: else
		fi;
bring_turn:
		if
		:: m == UNLINKED -> taken; goto bring_done     /* through, so it has arrived */
		:: a_table(m) && bf == FOUND_END -> from = to; to = m; goto bring_hop
		:: a_table(m) && bf == FOUND_FREE && bs != NO_SLOT -> taken; goto bring_seal
		:: a_table(m) && bf == FOUND_FREE && bs == NO_SLOT -> taken; goto bring_shut
		:: m == NIL && bf == FOUND_END -> q = to; ret = TO_BRING; goto succeed_next
		:: m == NIL && bf == FOUND_FREE && bs != NO_SLOT -> taken; goto bring_claim
		:: m == NIL && bf == FOUND_FREE && bs == NO_SLOT -> taken; goto bring_open
		fi
	}
bring_seal:
	atomic {
		if
		:: tab[to].id[bs] == VACANT -> tab[to].id[bs] = SEALED; ghost_moves(); from = to; to = m; goto bring_hop
		:: tab[to].id[bs] == SEALED -> from = to; to = m; goto bring_hop
		:: else -> taken; goto bring_probe
		fi
	}
bring_shut:
	atomic {
		if
		:: tab[to].segment[home_segment(bk, to)] == ABSENT ->
			tab[to].segment[home_segment(bk, to)] = CLOSED; ghost_moves(); from = to; to = m; goto bring_hop
		:: else -> taken; goto bring_shut_after
		fi
	}
bring_shut_after:
	atomic {
		if
		:: tab[to].segment[beside_home(bk, to)] == ABSENT ->
			tab[to].segment[beside_home(bk, to)] = CLOSED; ghost_moves()
		:: else -> taken
		fi;
		goto bring_probe
	}
bring_open:
	atomic {
		probe_and_make(to, bk, bs, bf);
		if
		:: bf == FOUND_FREE && bs == NO_SLOT -> taken; goto bring_open
		:: bf == FOUND_FREE && bs != NO_SLOT -> taken; goto bring_claim
		:: else -> taken; goto bring_probe
		fi
	}
bring_claim:
	atomic {
		if
		:: tab[to].id[bs] == VACANT -> tab[to].id[bs] = bk; ghost_moves(); goto bring_cas
		:: else -> taken; goto bring_probe
		fi
	}
bring_cas:
	atomic {
		if
#ifdef BUG_COPY_OVERWRITES
		:: !frozen(tab[to].tat[bs]) -> tab[to].tat[bs] = bv
#else
		:: tab[to].tat[bs] == UNWRITTEN -> tab[to].tat[bs] = bv
#endif
		:: else -> taken        /* there is this value, or what became of it */
		fi;
bring_done:
		from = 0; to = 0; m = 0; bs = 0; bf = 0; bv = 0; bk = 0;
		if
		:: bret == TO_FIND -> bret = 0;
#ifdef BUG_CARRY_HELPS
			if      /* it helps the next table, and is not taken up again: its caller sleeps */
			:: op = 0; k = 0; now = 0; newest = 0; s = 0; f = 0; v = 0; after = 0; write = 0; t = n; n = 0; goto help_next
			:: true
			fi;
#endif
			t = n; goto find_probe
		:: bret == TO_SWEEP -> bret = 0; goto sweep_on
		fi
	}

	/* -- store.successor: settling what was linked -------------------------------- */

successor_floor:
	atomic {
		if
		:: tab[linked].floor != 0 -> taken; goto settle_return
		:: else -> taken; goto settle_read
		fi
	}
settle_read:
	atomic { read_clock(r); goto settle_born }
settle_born:
	atomic {
		if
#ifdef BUG_BORN_STORED
		:: true -> tab[linked].born = max(r, tab[q].born)
#elif defined(BUG_BORN_FALLS)
		:: tab[linked].born == 0 -> tab[linked].born = r
#else
		:: tab[linked].born == 0 -> tab[linked].born = max(r, tab[q].born)
#endif
		:: else -> taken
		fi;
		CHECK(MARK_FALLS, (tab[linked].born >= tab[q].born));
		r = 0;
#ifdef BUG_FLOOR_FIRST
		goto settle_floor
#else
		goto settle_horizon
#endif
	}
settle_horizon:
	atomic {
		d_step {
			x_n = linked;
			x_v = tab[q].horizon;
#ifdef BUG_HORIZON_FALLS
			x_v = 0;
#endif
#ifndef BUG_HORIZON_NOT_RESCALED
			rescale(x_v, tab[q].quota, tab[x_n].quota, tab[x_n].born);
#endif
			tab[x_n].horizon = max(max(tab[x_n].born, x_v), tab[x_n].raise);
			x_v = 0
		};
#ifdef BUG_FLOOR_FIRST
		goto settle_return
#else
		goto settle_floor
#endif
	}
settle_floor:
	atomic {
#ifdef BUG_FLOOR_FIRST
		tab[linked].floor = max(max(tab[linked].born, tab[q].horizon), tab[linked].raise);
		ghost_moves();
		goto settle_horizon;
#else
		tab[linked].floor = tab[linked].horizon;
		CHECK(MARK_FALLS, (tab[linked].quota != tab[q].quota || tab[linked].horizon >= tab[q].horizon));
		ghost_moves();
#endif
settle_return:
		q = 0; r = 0;
		if
		:: sret == TO_FIND  -> sret = 0; goto find_turn
		:: sret == TO_BRING -> sret = 0; goto bring_turn
		:: sret == TO_HELP  -> sret = 0; goto help_turn
		:: sret == TO_PEEK  -> sret = 0; goto peek_turn
		fi
	}

	/* -- store.succeed -------------------------------------------------------------- */

succeed_next:
	atomic {
		if
		:: tab[q].next != NIL -> taken; goto succeed_return
		:: else -> taken; goto succeed_read
		fi
	}
succeed_read:
	atomic { read_clock(r); goto succeed_link }
succeed_link:
	atomic {
		if
#ifdef BUG_LINK_STORE
		:: made < TABLES ->
			CHECK(WRITTEN_TWICE, (tab[q].next == NIL));
#else
		:: tab[q].next == NIL ->
#endif
			assert(made < TABLES);  /* or the configuration is too small */
			made++;
			tab[made].quota = (want == 0 -> tab[q].quota : want);
#ifdef BUG_BORN_BEFORE_LINK
			tab[made].born = max(r, tab[q].born);
#endif
			if
			:: RAISE > 0 -> tab[made].raise = min(RAISE, r + tolerance(tab[made].quota))
			:: true
			fi;
			tab[q].next = made
		:: else -> taken        /* somebody else was faster */
		fi;
succeed_return:
		q = 0; r = 0; want = 0;
		if
		:: ret == TO_FIND  -> ret = 0; goto find_probe
		:: ret == TO_BRING -> ret = 0; goto bring_probe
		:: ret == TO_QUOTA -> taken; goto help_cur
		:: ret == TO_END   -> taken; goto op_begin
		fi
	}

	/* -- store.help and store.sweep --------------------------------------------------- */

help_cur:
	atomic {
		round();
		op = 0; k = 0; now = 0; newest = 0; v = 0; s = 0; f = 0; claimed = 0; opened = 0;
		after = 0; write = 0;
		t = cur;
#ifdef BUG_HELPS_AHEAD
		if
		:: a_table(tab[t].next) && a_table(tab[tab[t].next].next) && tab[tab[t].next].floor != 0 -> t = tab[t].next
		:: true
		fi;
#endif
		goto help_next
	}
help_next:
	atomic {
		n = tab[t].next;
		if
		:: unsettled(n) -> q = t; sret = TO_HELP; goto successor_floor
		:: else
		fi;
help_turn:
		if
		:: !a_table(n) -> taken; goto help_done
		:: else -> taken; goto help_hand
		fi
	}
help_hand:
	atomic {
		if
		:: tab[t].hand < chunks(t) ->
			chunk = tab[t].hand * segments(n) / chunks(t);   /* next's segment to open ahead */
			goto help_ahead
		:: else -> taken; goto help_unswept
		fi
	}
help_ahead:
	atomic {
		if
		:: tab[n].segment[chunk] == ABSENT -> taken; goto help_ahead_open
		:: else -> chunk = 0; goto help_claim
		fi
	}
help_ahead_open:
	atomic {
		if
		:: tab[n].segment[chunk] == ABSENT -> tab[n].segment[chunk] = OPEN
		:: else -> taken
		fi;
		goto help_done
	}
help_claim:
	atomic {
		chunk = tab[t].hand;
		tab[t].hand++;
		if
		:: chunk < chunks(t) ->
#ifdef BUG_CHUNK_EARLY
			goto sweep_bit
#else
			goto sweep_shut
#endif
		:: else -> taken; goto help_unswept
		fi
	}
help_unswept:
	atomic {
#ifdef BUG_NO_REDO
		goto help_all;
#endif
		chunk = 0;
		do
		:: chunk < chunks(t) && (tab[t].through & (1 << chunk)) -> chunk++
		:: else -> break
		od;
		if
		:: chunk == chunks(t) -> chunk = 0; goto move_cas
		:: else -> taken; goto sweep_shut
		fi
	}
sweep_shut:
	atomic {
		if
		:: tab[t].segment[chunk * PER_CHUNK / PER_SEGMENT] == ABSENT ->
			tab[t].segment[chunk * PER_CHUNK / PER_SEGMENT] = CLOSED; ghost_moves()
		:: else -> taken
		fi;
		s = chunk * PER_CHUNK;
		if
		:: tab[t].segment[chunk * PER_CHUNK / PER_SEGMENT] == OPEN -> taken; goto sweep_id
		:: else -> taken; goto sweep_end
		fi
	}
sweep_id:
	atomic {
		if
		:: tab[t].id[s] == VACANT -> taken; goto sweep_seal
		:: tab[t].id[s] == SEALED -> taken; goto sweep_on
		:: else -> bret = TO_SWEEP; bk = tab[t].id[s]; goto carry_load
		fi
	}
sweep_seal:
	atomic {
		if
#ifdef BUG_SEAL_STORE
		:: true ->
			CHECK(WRITTEN_TWICE, (tab[t].id[s] == VACANT || tab[t].id[s] == SEALED));
			tab[t].id[s] = SEALED; ghost_moves()
#else
		:: tab[t].id[s] == VACANT -> tab[t].id[s] = SEALED; ghost_moves()
		:: tab[t].id[s] == SEALED -> taken
		:: else -> bret = TO_SWEEP; bk = tab[t].id[s]; goto carry_load   /* lost to a claim */
#endif
		fi;
sweep_on:
		s++;
		if
		:: s < (chunk + 1) * PER_CHUNK -> taken; goto sweep_id
		:: else -> taken; goto sweep_end
		fi;
sweep_end:
		s = 0;
#ifdef BUG_CHUNK_EARLY
		goto help_all
#else
		goto sweep_bit
#endif
	}
sweep_bit:
	atomic {
		if
		:: tab[t].through & (1 << chunk) ->     /* swept by somebody else as well */
#ifdef BUG_CHUNK_EARLY
			goto sweep_shut
#else
			chunk = 0; goto help_all
#endif
		:: else -> tab[t].through = tab[t].through | (1 << chunk); goto sweep_done
		fi
	}
sweep_done:
	atomic {
		tab[t].done++;
#ifdef BUG_CHUNK_EARLY
		goto sweep_shut
#else
		chunk = 0;
		goto help_all
#endif
	}
help_all:
	atomic {
		chunk = 0;
		if
		:: tab[t].done == chunks(t) -> taken; goto move_cas
		:: else -> taken; goto help_done
		fi
	}
move_cas:
	atomic {
		if
#ifdef BUG_MOVE_STORE
		:: true ->
#else
		:: cur == t ->
#endif
			cur = n;
			arrived(t);
#ifdef BUG_NO_UNLINK
			goto help_done
#else
			goto move_unlink
#endif
		:: else -> taken; goto help_done
		fi
	}
move_unlink:
	atomic {
		tab[t].next = UNLINKED;
help_done:
		t = 0; n = 0; chunk = 0;
		if
		:: ret == TO_QUOTA -> taken; goto setquota_cur
		:: else -> taken; goto op_begin
		fi
	}

	/* -- store.setQuota ------------------------------------------------------------------ */

setquota_read:
	atomic {
		read_clock(r);
#ifdef VOID
		tab[2].born = r; tab[2].horizon = r; tab[2].floor = r;
#endif
#ifdef BUG_LIMITERS_QUOTA
		limiter_quota = 2;
#endif
		r = 0;
		goto setquota_cur
	}
setquota_cur:
	atomic {
		round();
		ret = 0;
		t = cur;
		if
		:: tab[t].quota == 2 -> ghost_quota = 1; goto op_begin
		:: else
		fi;
		if
		:: void(t) -> taken; goto setquota_void
		:: else ->
#ifdef BUG_SETQUOTA_EARLY
			ghost_quota = 1;
#endif
			want = 2; q = t; ret = TO_QUOTA; goto succeed_next
		fi
	}
setquota_void:
	atomic {
		if
		:: cur == t -> cur = 2; ghost_opened(2)
		:: else -> taken
		fi;
		goto setquota_cur
	}

	/* -- GROW: succeed, as those call it who want a successor without need ---------------- */

grow_cur:
	atomic {
		t = cur;
		do      /* claimed names a table that need not be current */
		:: a_table(tab[t].next) && tab[tab[t].next].floor != 0 -> t = tab[t].next
		:: break
		od;
		if
		:: void(t) || grows == 0 -> taken; goto op_begin
		:: else -> grows--; q = t; ret = TO_END; goto succeed_next
		fi
	}

	/* -- Limiter.peek ------------------------------------------------------------------------ */

peek_read:
	atomic { read_clock(now); goto peek_cur }
peek_cur:
	atomic {
		round();
		v = UNWRITTEN;
		t = cur;
		if
		:: void(t) -> f = FOUND_FREE; ghost_sees(t, k, v); goto peek_next
		:: else -> taken; goto peek_probe
		fi
	}
peek_probe:
	atomic {
		probe(t, k, s, f);
		if
		:: f == FOUND_KEY -> taken; goto peek_load
		:: f == FOUND_FREE -> ghost_sees(t, k, v); goto peek_next
		:: else -> taken; goto peek_next
		fi
	}
peek_load:
	atomic {
		bv = tab[t].tat[s];
		if
		:: frozen(bv) -> f = FOUND_END         /* final: the walk goes on */
		:: else -> f = FOUND_KEY
		fi;
#ifdef BUG_PEEK_STOPS_AT_0
		if
		:: bv == FROZEN -> f = FOUND_FREE
		:: else
		fi;
#endif
		if
		:: final(bv) != UNWRITTEN -> v = final(bv)
#ifdef BUG_PEEK_FORGETS
		:: else -> v = UNWRITTEN
#else
		:: else
#endif
		fi;
		bv = 0;
		if
		:: f != FOUND_END -> ghost_sees(t, k, v)
		:: else
		fi;
		goto peek_next
	}
peek_next:
	atomic {
		n = tab[t].next;
		if
		:: unsettled(n) -> q = t; sret = TO_PEEK; goto successor_floor
		:: else
		fi;
peek_turn:
		s = 0;
		if
		:: n == UNLINKED ->
#ifdef BUG_PEEK_THROUGH_UNLINKED
			n = NIL
#else
			n = 0; f = 0; v = 0; goto peek_cur
#endif
		:: else
		fi;
		if
		:: n == NIL || f != FOUND_END ->
			if
			:: now < tab[t].born -> n = 0; f = 0; v = 0; goto peek_renew
			:: else
			fi;
			if
			:: n == NIL && f == FOUND_END -> ghost_sees(t, k, v)
			:: else
			fi;
			CHECK(OLD_QUOTA, (!newest || tab[t].quota == 2));
			if
			:: RAISE == 0 && max(v, tab[t].horizon) + emission(tab[t].quota) > now + tolerance(tab[t].quota) ->
				CHECK(REFUSED_WRONGLY, (v + emission(tab[t].quota) > now + tolerance(tab[t].quota)))
			:: else
			fi;
			goto op_begin
		:: else
		fi;
		rescale(v, tab[t].quota, tab[n].quota, tab[n].born);
		if
		:: v <= tab[n].floor -> v = UNWRITTEN
		:: else -> taken
		fi;
		t = n; n = 0; f = 0;
		goto peek_probe
	}
peek_renew:
	atomic { read_clock(now); goto peek_cur }

op_end:
	skip
}

/* ---- The end, and the beginning --------------------------------------------------------------- */

/* When all have ended, whoever follows the chain finds what the ghost says. */
proctype Quiet() {
	(ended == WORKERS);
	d_step {
		x_k = 1;
		do
		:: x_k > KEYS -> break
		:: else ->
			x_t = cur;
			x_v = UNWRITTEN;
			do
			:: true ->
				walk(x_t, x_k, x_slot, x_f);
				if
				:: x_f == FOUND_KEY && final(tab[x_t].tat[x_slot]) != UNWRITTEN -> x_v = final(tab[x_t].tat[x_slot])
				:: else
				fi;
				x_n = tab[x_t].next;
				if
				:: a_table(x_n) && tab[x_n].floor != 0 &&
				   (x_f == FOUND_END || x_f == FOUND_KEY && frozen(tab[x_t].tat[x_slot])) ->
					rescale(x_v, tab[x_t].quota, tab[x_n].quota, tab[x_n].born);
					if
					:: x_v <= tab[x_n].floor -> x_v = UNWRITTEN
					:: else
					fi;
					x_t = x_n
				:: else -> break
				fi
			od;
			CHECK(NOT_QUIET, (ghost_tab[x_k] == x_t && max(x_v, tab[x_t].horizon) == max(ghost_tat[x_k], tab[x_t].horizon)));
			x_k++
		od;
		x_t = 1;
		do
		:: x_t == cur -> break
		:: else -> CHECK(RETAINED, (void(x_t) || tab[x_t].next == UNLINKED)); x_t++
		od;
		x_k = 0; x_v = 0; x_f = 0; x_t = 0; x_n = 0; x_slot = 0; x_debt = 0; x_i = 0; x_s = 0
	}
}

#ifdef ALONE
proctype Stop() {
	if
	:: solo = 1
	:: solo = 2
#if WORKERS > 2
	:: solo = 3
#endif
	fi;
	timeout;
	CHECK(ALONE_FOREVER, (gone & (1 << solo)))
}
#endif

init {
	d_step {
		tab[1].quota = 1; tab[1].born = 1; tab[1].horizon = 1; tab[1].floor = 1;
#ifdef VOID
		tab[2].quota = 2;
#else
		x_i = 0;
		do
		:: x_i < segments(1) -> tab[1].segment[x_i] = OPEN; x_i++
		:: else -> break
		od;
#endif
		x_k = 1;
		do
		:: x_k > KEYS -> break
		:: else ->
			ghost_tab[x_k] = 1;
			if
			:: x_k <= PRESENT ->
				walk(1, x_k, x_slot, x_f);
				tab[1].id[x_slot] = x_k;
				tab[1].tat[x_slot] = 1 + DEBT * EMISSION1;
				ghost_tat[x_k] = 1 + DEBT * EMISSION1;
				ghost_last[x_k] = 1;
#if LATEST == 1
				ghost_spent[x_k] = DEBT
#endif
			:: else
			fi;
			x_k++
		od;
		x_i = 0; x_k = 0; x_slot = 0; x_f = 0; x_s = 0
	}
	atomic {
		run Worker(TIMES1, DO1);
#if WORKERS > 1
		run Worker(TIMES2, DO2);
#endif
#if WORKERS > 2
		run Worker(TIMES3, DO3);
#endif
#ifdef ALONE
		run Stop()
#else
		run Quiet()
#endif
	}
}
