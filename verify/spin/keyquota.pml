/*
 * The hand-over of a key between its table and a quota of its own (override.go,
 * and what of operation.go and shard.go meets a marker), step by step: one key,
 * one slot for it in every table. See README.md for what is modelled and what is
 * not; labels.tsv for the line of code behind every label. shard.pml has the
 * table without such keys; the style is the same.
 *
 * A label stands before every step that others can see. Loads of what can never
 * change again (a birth, an at that is set, the next of a frozen TAT, the fields of
 * a keyQuota) are merged with the step before them.
 */

/* ---- Bounds of a configuration; run.sh sets them ------------------------- */

#ifndef TABLES
#define TABLES 2        /* most tables ever made, the first included */
#endif
#ifndef GROWS
#define GROWS 0         /* successors that somebody may want without need */
#endif
#ifndef ENTRIES
#define ENTRIES 3       /* keyQuotas ever made, those that only say "leaving" included */
#endif
#ifndef LATEST
#define LATEST 1        /* the clock shows 1..LATEST */
#endif
#ifndef BACK
#define BACK 0          /* times that the clock may step back by 1 */
#endif
#ifndef HORIZON
#define HORIZON 1       /* of the first table; above 1 it is as the memory bound leaves it */
#endif
#ifndef DEBT
#define DEBT 1          /* requests that the key has consumed at the start; 0: its slot is claimed, not written */
#endif
/* Quotas: 1 of the first table, 2 after a SetQuota; the key's own are 3 and 4 by turns. */
#ifndef EMISSION1
#define EMISSION1 2
#endif
#ifndef EMISSION2
#define EMISSION2 3
#endif
#ifndef EMISSION3
#define EMISSION3 3
#endif
#ifndef EMISSION4
#define EMISSION4 1
#endif
#ifndef BURST
#define BURST 2
#endif
#ifndef ONLY
#define ONLY 0          /* the one property to check; 0: all */
#endif
#ifndef MOST_ROUNDS
#define MOST_ROUNDS 16  /* rounds of its loops that one alone may need */
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

/* Operations, as bits of what a worker chooses from. One worker at most has those of a setter. */
#define ALLOW       1
#define SET_KEY     2
#define PEEK        4
#define REFUND      8
#define RESET      16
#define GROW       32   /* makes a successor */
#define SET_QUOTA  64   /* to quota 2 */
#define HELP      128
#define CLEAR_KEY 256

/* ---- Words of the code --------------------------------------------------- */

#define UNWRITTEN 0
#define RESET_TAT 1
#define MAX_TAT 111
#define AWAY    112     /* and above: a marker */
#define FROZEN  128     /* the top bit */
#define NIL       0
#define UNLINKED 99

#define frozen(v) ((v) >= FROZEN)
#define final(v)  ((v) & 127)
#define max(a, b) ((a) > (b) -> (a) : (b))
#define min(a, b) ((a) < (b) -> (a) : (b))

typedef table {
	byte next;
	byte born;              /* 0: not settled */
	byte horizon;           /* the floor as well */
	byte quota;             /* 1 or 2 */
	byte tat                /* of the key's slot */
};

typedef keyQuota {
	byte quota;             /* 3 or 4 */
	byte marker;
	bit leaving;
	byte at;
	byte tat;
	byte next
};

table tab[TABLES + 1];          /* tab[0] is NIL */
byte made = 1;                  /* tables so far; never reused */
byte cur = 1;
keyQuota ent[ENTRIES + 1];      /* ent[0] is nil */
byte entries;                   /* so far; never reused */
byte own;                       /* what the map has for the key */
byte markers;                   /* given out so far */
byte clk = 1;
byte grows = GROWS;
#if BACK > 0
byte back = BACK;
#endif

#define a_table(n)   ((n) != NIL && (n) != UNLINKED)
#define emission(q)  ((q) == 1 -> EMISSION1 : ((q) == 2 -> EMISSION2 : ((q) == 3 -> EMISSION3 : EMISSION4)))
#define tolerance(q) (emission(q) * BURST)
#define setter(op)   ((op) == SET_KEY || (op) == CLEAR_KEY)

/* Scratch, not part of the state. It is used within one d_step only. */
hidden byte x_at, x_v, x_q, x_t;
hidden short x_debt;

/* In a branch that only jumps: by this, spin's report of unreached states tells
 * whether the branch was taken. */
#define taken skip

/* ---- Ghost: what the properties are stated in ---------------------------- */

/*
 * The key's TAT as one register would hold it, and where that is: in the keyQuota
 * ghost_own, or if that is 0, in the table ghost_tab, which is the first whose slot
 * is not frozen. It goes into a keyQuota with the marker, on to the next and out
 * again once the TAT is frozen and at is fixed.
 */
byte ghost_tat;
byte ghost_own;
byte ghost_tab = 1;
byte ghost_last;        /* the latest instant at which the key was decided */
#if LATEST == 1
byte ghost_spent;       /* admitted and not given back; exact while the clock stands */
#endif
byte ghost_left;        /* the last keyQuota made by ClearKeyQuota */
byte returned_own;      /* the last keyQuota made by a SetKeyQuota or ClearKeyQuota that has returned */
bit returned_quota;     /* a SetQuota has returned */
byte ended;             /* workers */

/* The properties. ONLY chooses one, so that run.sh knows which one is broken. */
#define LOST_OR_DOUBLED 1  /* a step sees or changes something else than the key's TAT */
#define OVER_ADMITTED   2  /* a request is admitted that the quota does not allow */
#define REFUSED_WRONGLY 3  /* a request is refused that the key's own TAT lets pass */
#define FROZEN_WRITTEN  4  /* a TAT that is frozen is written */
#define NO_WAY_ON       5  /* a frozen TAT of a keyQuota has no next */
#define PEEK_WROTE      6  /* Peek writes to a slot, or spends */
#define NOT_QUIET       7  /* when all is quiet, a TAT is not what it should be, or a marker has no keyQuota */
#define OLD_QUOTA       8  /* decided by the old quota after SetQuota, SetKeyQuota or ClearKeyQuota returned */
#define ALONE_FOREVER   9  /* one that runs alone does not end */
#define MARK_FALLS     10  /* at falls from a keyQuota to the next */

#define CHECK(property, holds) assert(holds || (ONLY != 0 && ONLY != property))

/* ---- Arithmetic and clock ------------------------------------------------ */

/* rescale of gcra.go, rounding up. */
#ifdef BUG_OWN_RESCALE_DOWN
#define quotient(a, b) ((a) / (b))
#else
#define quotient(a, b) (((a) + (b) - 1) / (b))
#endif
inline rescale(tat_, from_, to_, at_) {
	if
	:: (tat_) > (at_) && emission(from_) != emission(to_) ->
		x_debt = ((tat_) - (at_)) * emission(to_);
		tat_ = min((at_) + quotient(x_debt, emission(from_)), MAX_TAT)
	:: else
	fi
}

/* hop of shard.go: a marker stays as it is. */
inline hop(v_, from_, to_) {
	if
#ifdef BUG_MARKER_RESCALED
	:: true -> rescale(v_, tab[from_].quota, tab[to_].quota, tab[to_].born)
#else
	:: v_ < AWAY -> rescale(v_, tab[from_].quota, tab[to_].quota, tab[to_].born)
	:: else
#endif
	fi
}

/* keyQuota.returned: what the final TAT w_ of e_, which is leaving, is in t_. */
inline returned(v_, e_, w_, t_) {
	x_at = ent[ent[e_].next].at;
	v_ = final(w_);
	rescale(v_, ent[e_].quota, tab[t_].quota, x_at);
#ifndef BUG_RETURNED_EARLIER
	v_ = max(v_, x_at)
#endif
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

/* store.successor: t's next, settled. How a table is settled is in shard.pml; here it is one step. */
inline successor(n_, t_) {
	n_ = tab[t_].next;
	if
	:: a_table(n_) && tab[n_].born == 0 ->
		read_clock(r);
		d_step {
			r = max(r, tab[t_].born);
			tab[n_].born = r;
			x_v = tab[t_].horizon;
			rescale(x_v, tab[t_].quota, tab[n_].quota, r);
			tab[n_].horizon = max(r, x_v);
			r = 0; x_v = 0; x_debt = 0
		};
		ghost_moves()
	:: else
	fi
}

/* ---- Ghost steps --------------------------------------------------------- */

/* The reference rescaling, which is not the code's: around the first instant at
 * which nobody has decided later. */
inline ghost_rescale(from_, to_, at_, last_) {
#if BACK > 0
	x_at = at_;
#else
	x_at = max(at_, last_);
#endif
	if
	:: ghost_tat > x_at && emission(from_) != emission(to_) ->
		x_debt = (ghost_tat - x_at) * emission(to_) + emission(from_) - 1;
		ghost_tat = x_at + x_debt / emission(from_)
	:: else
	fi
}

#define handed_over(e) (frozen(ent[e].tat) && ent[e].next != NIL && ent[ent[e].next].at != 0)
#define moved_on(t)    (frozen(tab[t].tat) && a_table(tab[t].next) && tab[tab[t].next].born != 0)

/* The key goes on from what is frozen to what is known by then to come after it. */
inline ghost_moves() {
	d_step {
		do
		:: ghost_own != NIL && handed_over(ghost_own) ->
			x_v = ent[ghost_own].next;
			if
			:: ent[x_v].leaving ->
				ghost_rescale(ent[ghost_own].quota, tab[ghost_tab].quota, ent[x_v].at, ghost_last);
				ghost_tat = max(ghost_tat, x_at);
				ghost_own = NIL
			:: else ->
				ghost_rescale(ent[ghost_own].quota, ent[x_v].quota, ent[x_v].at, ghost_last);
				ghost_own = x_v
			fi
		:: else -> break
		od;
		do
		:: moved_on(ghost_tab) ->
			x_v = tab[ghost_tab].next;
			if
			:: ghost_own == NIL -> ghost_rescale(tab[ghost_tab].quota, tab[x_v].quota, tab[x_v].born, ghost_last)
			:: else
			fi;
			ghost_tab = x_v
		:: else -> break
		od;
		x_v = 0; x_at = 0; x_debt = 0
	}
}

/*
 * The key goes from t into e. If it stands at the horizon, at most e's burst goes
 * with it. last is the latest decision at the time at which SetKeyQuota read the TAT:
 * there may be later ones if the key has come back to that very TAT, see README.md.
 */
inline ghost_into(t_, e_) {
	d_step {
		x_v = (ghost_tat <= tab[t_].horizon);
		ghost_tat = max(ghost_tat, tab[t_].horizon);
		ghost_rescale(tab[t_].quota, ent[e_].quota, ent[e_].at, last);
		if
		:: x_v -> ghost_tat = min(ghost_tat, x_at + tolerance(ent[e_].quota))
		:: else
		fi;
		ghost_own = e_;
		x_v = 0; x_at = 0; x_debt = 0
	}
}

/* Where a step that takes effect now sees the key: in t, or in e, standing at v. */
inline ghost_sees(t_, v_) {
	CHECK(LOST_OR_DOUBLED, (ghost_own == NIL && ghost_tab == t_ &&
		max(v_, tab[t_].horizon) == max(ghost_tat, tab[t_].horizon)))
}
inline ghost_sees_own(e_, v_) { CHECK(LOST_OR_DOUBLED, (ghost_own == e_ && ghost_tat == v_)) }

/* Decided in t, or in e: not by what was in force before the operation began. */
inline not_old(t_) { CHECK(OLD_QUOTA, (ghost_left >= since && (!newest || tab[t_].quota == 2))) }
inline not_old_own(e_) { CHECK(OLD_QUOTA, (e_ >= since)) }

#define ghost_quota (ghost_own != NIL -> ent[ghost_own].quota : tab[ghost_tab].quota)

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

#ifdef BUG_OLD_READING
#define instant(born_) now
#define renews(born_) false
#else
#define instant(born_) max(now, born_)
#define renews(born_) (now < (born_) && renewable)
#endif

/* What the operation makes of the TAT tat_ in a table or keyQuota of a quota, a
 * horizon and a birth: after, and whether that is to be written. */
inline decide(quota_, tat_, floor_, born_) {
	d_step {
		x_q = quota_;
		x_v = max(final(tat_), floor_);
		x_at = instant(born_);
		after = x_v;
		if
		:: op == ALLOW ->
			write = (max(x_v, x_at) + emission(x_q) <= x_at + tolerance(x_q));
			if
			:: write -> after = max(x_v, x_at) + emission(x_q)
			:: else
			fi
		:: op == REFUND ->
			if
			:: x_v > floor_ + emission(x_q) -> after = x_v - emission(x_q)
			:: else -> after = min(x_v, floor_)
			fi;
			write = (after != x_v)
		:: op == RESET ->
			after = RESET_TAT;
			write = (x_v > floor_)
		fi;
		x_q = 0; x_v = 0; x_at = 0
	}
}

/* A decision not to write: by the key's own TAT, at the reading or, if that is later, at born_. */
inline refuses(born_) {
	if
	:: (op == ALLOW || op == PEEK) && HORIZON == 1 ->
		CHECK(REFUSED_WRONGLY, (ghost_tat + emission(ghost_quota) > max(now, born_) + tolerance(ghost_quota)))
	:: else
	fi
}

/* The operation has just changed the key's TAT to after. */
inline writes(born_) {
	CHECK(PEEK_WROTE, (op != PEEK));
	d_step {
		x_t = instant(born_);
		if
		:: op == ALLOW ->
			CHECK(OVER_ADMITTED, (max(ghost_tat, x_t) + emission(ghost_quota) <= x_t + tolerance(ghost_quota)));
#if LATEST == 1
			ghost_spent++;
#if HORIZON == 1
			CHECK(OVER_ADMITTED, (ghost_spent <= BURST));
#endif
#endif
			ghost_last = max(ghost_last, x_t)
		:: else ->
#if LATEST == 1
			ghost_spent = (op == REFUND && ghost_spent > 0 -> ghost_spent - 1 : 0)
#else
			skip
#endif
		fi;
		ghost_tat = after;
		x_t = 0
	}
}

proctype Worker(byte left; short choice) IF_AWAKE {
	short op;
	byte now; bit renewable;        /* its reading */
	byte since; bit newest;         /* ghost: what had returned before it began */
	byte t, n;                      /* a table, and its next */
	byte v;                         /* what the key's slot holds */
	byte bv;                        /* carry: the final value */
	byte e, m, w;                   /* a keyQuota, its next, its TAT */
	byte r;                         /* a reading for at */
	byte after; bit write;          /* what decide makes of a TAT */
	byte mine;                      /* setters: the keyQuota made */
	byte last;                      /* ghost: SetKeyQuota read the TAT when this was ghost_last */
	byte leaving;                   /* Peek: seen on its way out */
	bit seen;                       /* ghost: Peek has seen the key where it came back to */

op_begin:
	atomic {
		op = 0; now = 0; renewable = 0; since = 0; newest = 0; t = 0; n = 0; v = 0; bv = 0;
		e = 0; m = 0; w = 0; r = 0; after = 0; write = 0; mine = 0; last = 0; leaving = 0; seen = 0;
		if
		:: left == 0 -> ended++; I_AM_GONE; goto op_end
		:: else -> left--
		fi;
		since = returned_own; newest = returned_quota;
		if
		:: choice & GROW      -> op = GROW; goto grow_cur
		:: choice & HELP      -> op = HELP; goto help_cur
		:: choice & SET_QUOTA -> op = SET_QUOTA; goto setquota_cur
		:: choice & SET_KEY   -> op = SET_KEY; goto setkey_look
		:: choice & CLEAR_KEY -> op = CLEAR_KEY; goto clear_look
		:: choice & ALLOW     -> op = ALLOW; renewable = 1; goto op_read
		:: choice & PEEK      -> op = PEEK; renewable = 1; goto op_read
		:: choice & REFUND    -> op = REFUND; goto find_cur
		:: choice & RESET     -> op = RESET; goto find_cur
		fi
	}
op_read:
	atomic {
		read_clock(now);
		if
		:: op == PEEK -> taken; goto peek_cur
		:: else -> taken; goto find_cur
		fi
	}

	/* -- store.find: to where the key's slot is not frozen --------------------- */

find_cur:
	atomic {
		round();
		v = 0; after = 0; write = 0;
		if
		:: !setter(op) -> e = 0; m = 0; w = 0
		:: else
		fi;
		t = cur;
		goto find_next
	}
find_next:
	atomic {
#ifdef BUG_CLEAR_STAYS
		if
		:: op == CLEAR_KEY -> goto clear_load
		:: else
		fi;
#endif
		successor(n, t);
		if
		:: n == UNLINKED -> taken; goto find_cur
		:: n == NIL && op == CLEAR_KEY -> taken; goto clear_load
		:: n == NIL && op != CLEAR_KEY -> taken; goto apply_load
		:: a_table(n) -> taken; goto carry_load
		fi
	}

	/* -- store.carry and store.bring: to the next table ------------------------- */

carry_load:
	atomic {
		bv = tab[t].tat;
		if
		:: frozen(bv) -> bv = final(bv); goto bring_cas
		:: else -> taken; goto carry_freeze
		fi
	}
carry_freeze:
	atomic {
		CHECK(PEEK_WROTE, (op != PEEK));
		tab[t].tat = final(tab[t].tat) + FROZEN;
		bv = final(tab[t].tat);
		ghost_moves();
		goto bring_cas
	}
bring_cas:
	atomic {
		d_step { hop(bv, t, n); x_debt = 0 };
		if
#ifdef BUG_MARKER_DROPPED
		:: bv >= AWAY -> taken
#endif
		:: bv > tab[n].horizon && tab[n].tat == UNWRITTEN -> tab[n].tat = bv
		:: else -> taken
		fi;
		bv = 0;
		if
		:: op == HELP || op == SET_QUOTA -> taken; goto move_cas
		:: else -> t = n; n = 0; goto find_next
		fi
	}

	/* -- Limiter.apply ------------------------------------------------------------ */

apply_load:
	atomic {
		v = tab[t].tat;
		if
		:: frozen(v) -> taken; goto find_cur
#ifndef BUG_MARKER_IS_TAT
		:: !frozen(v) && v >= AWAY -> taken; goto own_load
#endif
		:: else
		fi;
		if
		:: op == SET_KEY -> last = ghost_last; goto into_read
		:: else
		fi;
		if
		:: renews(tab[t].born) -> taken; goto apply_renew
		:: else
		fi;
		decide(tab[t].quota, v, tab[t].horizon, tab[t].born);
		if
		:: write -> taken; goto apply_cas
		:: else ->
			ghost_sees(t, v);
			not_old(t);
			refuses(0);
			goto op_begin
		fi
	}
apply_renew:
	atomic { read_clock(now); renewable = 0; goto find_cur }
apply_cas:
	atomic {
		if
#ifdef BUG_INTO_STORE
		:: op == SET_KEY -> CHECK(FROZEN_WRITTEN, (!frozen(tab[t].tat))); tab[t].tat = after
#endif
		:: tab[t].tat == v -> tab[t].tat = after
#ifdef BUG_INTO_ONCE
		:: tab[t].tat != v && op == SET_KEY -> returned_own = mine; goto op_begin
#endif
		:: else -> taken; goto find_cur
		fi;
		ghost_sees(t, v);
		if
		:: op == SET_KEY ->
			ghost_into(t, mine);
#ifdef BUG_TAT_AFTER_MARKER
			goto into_late
#elif defined(BUG_MAP_LATE)
			goto setkey_map
#else
			returned_own = mine
#endif
		:: else ->
			not_old(t);
			writes(tab[t].born)
		fi;
		goto op_begin
	}
#ifdef BUG_TAT_AFTER_MARKER
into_late:
	atomic { ent[mine].tat = w; returned_own = mine; goto op_begin }
#endif

	/* -- Limiter.applyOwn, and the first step of peekOwn --------------------------- */

own_load:
	atomic {
		e = own;
		if
#ifdef BUG_ANY_MARKER
		:: e == NIL && op == PEEK -> goto peek_cur
		:: e == NIL && op != PEEK -> goto find_cur
#else
		:: (e == NIL || ent[e].marker != v) && op == PEEK -> taken; goto peek_cur
		:: (e == NIL || ent[e].marker != v) && op != PEEK -> taken; goto find_cur
#endif
		:: else -> taken; goto current_load
		fi
	}
own_renew:
	atomic { read_clock(now); renewable = 0; goto current_load }
own_cas:
	atomic {
		if
#ifdef BUG_OWN_STORE
		:: true -> CHECK(FROZEN_WRITTEN, (!frozen(ent[e].tat)));
#else
		:: ent[e].tat == w -> CHECK(FROZEN_WRITTEN, (!frozen(w)));
#endif
			ent[e].tat = after;
			ghost_sees_own(e, w);
			not_old_own(e);
			writes(ent[e].at);
			goto op_begin
#ifndef BUG_OWN_STORE
		:: else -> taken; goto current_load
#endif
		fi
	}
own_return:     /* puts a leaving key back, and looks at the slot again */
	atomic {
		CHECK(PEEK_WROTE, (op != PEEK));
		d_step { returned(after, e, w, t); x_at = 0; x_debt = 0 };
		if
#ifdef BUG_RETURN_STORE
		:: true -> tab[t].tat = after
#endif
		:: tab[t].tat == v -> tab[t].tat = after
		:: else -> taken
		fi;
#ifdef BUG_PEEK_PUTS_BACK
		if
		:: op == PEEK -> goto peek_cur
		:: else
		fi;
#endif
		goto find_cur
	}

	/* -- keyQuota.current: to where the key's TAT is not frozen --------------------- */

current_load:
	atomic {
		round();
		m = 0; r = 0;
		w = ent[e].tat;
		if
#ifdef BUG_OWN_DECIDES_ON_FROZEN
		:: frozen(w) && op == ALLOW && !ent[ent[e].next].leaving -> taken
#endif
		:: frozen(w) ->
			m = ent[e].next;
			CHECK(NO_WAY_ON, (m != NIL));
			if
#ifdef BUG_AT_OWN_CLOCK
			:: true -> goto current_read
#endif
			:: ent[m].at == 0 -> taken; goto current_read
			:: else -> taken; goto current_on
			fi
		:: !frozen(w) && op == PEEK ->
			ghost_sees_own(e, w);
			not_old_own(e);
			if
			:: max(w, instant(ent[e].at)) + emission(ent[e].quota) > instant(ent[e].at) + tolerance(ent[e].quota) ->
				refuses(ent[e].at)
			:: else -> taken
			fi;
			goto op_begin
		:: !frozen(w) && op == SET_KEY -> taken; goto setkey_map
		:: !frozen(w) && op != PEEK && op != SET_KEY -> taken
		fi;
		if
		:: renews(ent[e].at) -> taken; goto own_renew
		:: else
		fi;
#ifdef BUG_TABLES_QUOTA
		decide(tab[t].quota, w, RESET_TAT, ent[e].at);
#else
		decide(ent[e].quota, w, RESET_TAT, ent[e].at);
#endif
		if
		:: write -> taken; goto own_cas
		:: else ->
			ghost_sees_own(e, w);
			not_old_own(e);
			refuses(ent[e].at);
			goto op_begin
		fi
	}
current_read:
	atomic {
		read_clock(r);
#ifndef BUG_AT_FALLS
		r = max(r, ent[e].at);
#endif
		goto current_at
	}
current_at:
	atomic {
		if
#ifdef BUG_AT_STORED
		:: true -> ent[m].at = r; ghost_moves()
#else
		:: ent[m].at == 0 -> ent[m].at = r; ghost_moves()
#endif
		:: else -> taken
		fi;
		CHECK(MARK_FALLS, (ent[m].at >= ent[e].at));
#ifndef BUG_AT_OWN_CLOCK
		r = 0;
#endif
current_on:
		if
		:: !ent[m].leaving -> taken; goto current_tat
		:: ent[m].leaving && op == CLEAR_KEY -> w = final(w); goto clear_first
#ifdef BUG_LEAVES_IT_TO_CLEAR
		:: ent[m].leaving && op != CLEAR_KEY && op != PEEK -> goto find_cur
#else
		:: ent[m].leaving && op != CLEAR_KEY && op != PEEK -> w = final(w); goto own_return
#endif
#ifdef BUG_PEEK_PUTS_BACK
		:: ent[m].leaving && op == PEEK -> w = final(w); goto own_return
#endif
		:: ent[m].leaving && op == PEEK -> taken
		fi;
		w = final(w);
#ifndef BUG_PEEK_WALKS_ONCE
		if
		:: leaving != e -> leaving = e; goto peek_cur   /* at first: walk once more */
		:: else
		fi;
#endif
#ifdef BUG_PEEK_WAITS
		if
		:: tab[t].next != NIL -> goto peek_cur
		:: else
		fi;
#endif
		CHECK(LOST_OR_DOUBLED, (seen || ghost_own == NIL && tab[ghost_tab].quota == tab[t].quota));
		not_old(t);
		goto op_begin
	}
current_tat:
	atomic {
		w = final(w);
#ifdef BUG_AT_OWN_CLOCK
		d_step { rescale(w, ent[e].quota, ent[m].quota, r); x_debt = 0 };
#else
		d_step { rescale(w, ent[e].quota, ent[m].quota, ent[m].at); x_debt = 0 };
#endif
		if
#ifdef BUG_ON_OVERWRITES
		:: !frozen(ent[m].tat) -> ent[m].tat = w
#else
		:: ent[m].tat == UNWRITTEN -> ent[m].tat = w
#endif
		:: else -> taken
		fi;
		e = m; m = 0;
		goto current_load
	}

	/* -- Limiter.setKeyQuota ---------------------------------------------------------- */

setkey_look:
	atomic {
		assert(entries < ENTRIES);      /* or the configuration is too small */
		entries++;
		mine = entries;
		ent[mine].quota = 4 - mine % 2;
		e = own;
		if
		:: e == NIL ->
			ent[mine].marker = AWAY + markers;
#ifndef BUG_SAME_MARKER
			markers++;
#endif
#ifdef BUG_MAP_LATE
			goto find_cur
#else
			goto setkey_map
#endif
		:: else ->
			ent[mine].marker = ent[e].marker;
#ifdef BUG_MAP_BEFORE_TAT
			own = mine;
#endif
#ifdef BUG_FREEZE_FIRST
			goto own_freeze
#else
			goto own_link
#endif
		fi
	}
own_link:       /* by ClearKeyQuota as well */
	atomic {
		ent[e].next = mine;
		ghost_moves();
#ifdef BUG_SETKEY_EARLY
		returned_own = (op == SET_KEY -> mine : returned_own);
#endif
#ifdef BUG_CLEAR_EARLY
		returned_own = (op == CLEAR_KEY -> mine : returned_own);
#endif
#ifdef BUG_AT_EARLY
		ent[mine].at = clk;
#endif
#ifdef BUG_FREEZE_FIRST
		goto current_load
#else
		goto own_freeze
#endif
	}
own_freeze:
	atomic {
#ifdef BUG_OWN_FREEZE_STORE
		w = ent[e].tat; goto own_freeze_store
	}
own_freeze_store:
	atomic {
		ent[e].tat = w + FROZEN;
#else
		ent[e].tat = ent[e].tat + FROZEN;
#endif
		ghost_moves();
#ifdef BUG_FREEZE_FIRST
		goto own_link
#else
		goto current_load
#endif
	}
setkey_map:
	atomic {
		own = mine;
		if
		:: e == NIL ->
			e = 0; w = 0;
#ifdef BUG_MAP_LATE
			returned_own = mine; goto op_begin
#endif
#ifdef BUG_CLOCK_BEFORE_TAT
			r = clk;
#endif
			goto find_cur
		:: else -> returned_own = mine; goto op_begin   /* the TAT is there */
		fi
	}
into_read:
	atomic {
#ifndef BUG_CLOCK_BEFORE_TAT
		read_clock(r);
#endif
		r = max(r, tab[t].born);
		d_step {
			ent[mine].at = r;
			w = max(v, tab[t].horizon);
			rescale(w, tab[t].quota, ent[mine].quota, r);
#ifndef BUG_UNSEEN_PAYS_ALL
			if
			:: v <= tab[t].horizon -> w = min(w, r + tolerance(ent[mine].quota))
			:: else
			fi;
#endif
#ifdef BUG_TAT_TAKEN_ONCE
			if
			:: ent[mine].tat == UNWRITTEN -> ent[mine].tat = w
			:: else
			fi;
			w = 0;
#elif !defined(BUG_TAT_AFTER_MARKER)
			ent[mine].tat = w;
			w = 0;
#endif
			after = ent[mine].marker;
#ifndef BUG_CLOCK_BEFORE_TAT
			r = 0;
#endif
			x_debt = 0
		};
		goto apply_cas
	}

	/* -- Limiter.clearKeyQuota ---------------------------------------------------------- */

clear_look:
	atomic {
		e = own;
		if
		:: e == NIL -> taken; goto op_begin
		:: else ->
			assert(entries < ENTRIES);
			entries++;
			mine = entries;
			ent[mine].leaving = 1;
			ghost_left = mine;
			goto own_link
		fi
	}
clear_first:
	atomic {
#ifdef BUG_DELETE_FIRST
		own = NIL;
#endif
		goto find_cur
	}
clear_load:
	atomic {
		v = tab[t].tat;
		if
#ifdef BUG_CLEAR_STOPS_AT_FROZEN
		:: frozen(v) -> goto clear_delete
#else
		:: frozen(v) -> taken; goto find_cur
#endif
		:: !frozen(v) && v != ent[e].marker -> taken; goto clear_delete         /* put back by another */
		:: v == ent[e].marker -> taken; goto clear_cas
		fi
	}
clear_cas:
	atomic {
		d_step { returned(after, e, w, t); x_at = 0; x_debt = 0 };
		if
#ifdef BUG_OUT_STORE
		:: true -> CHECK(FROZEN_WRITTEN, (!frozen(tab[t].tat))); tab[t].tat = after; goto clear_delete
#else
		:: tab[t].tat == v -> tab[t].tat = after; goto clear_delete
		:: else -> taken; goto find_cur
#endif
		fi
	}
clear_delete:
	atomic {
		own = NIL;
		returned_own = mine;
		goto op_begin
	}

	/* -- store.help, which moves the shard on -------------------------------------------- */

help_cur:
	atomic {
		round();
		t = cur;
		goto help_next
	}
help_next:
	atomic {
		successor(n, t);
		if
		:: a_table(n) -> taken; goto carry_load
		:: else -> taken; goto help_done
		fi
	}
move_cas:
	atomic {
		if
		:: cur == t -> cur = n; goto move_unlink
		:: else -> taken; goto help_done
		fi
	}
move_unlink:
	atomic {
		tab[t].next = UNLINKED;
help_done:
		t = 0; n = 0;
		if
		:: op == SET_QUOTA -> taken; goto setquota_cur
		:: else -> taken; goto op_begin
		fi
	}

	/* -- store.setQuota and store.succeed --------------------------------------------------- */

setquota_cur:
	atomic {
		round();
		t = cur;
		if
		:: tab[t].quota == 2 -> returned_quota = 1; goto op_begin
		:: else -> taken; goto succeed_link
		fi
	}
grow_cur:
	atomic {
		t = cur;
		do      /* the last table, or one before it */
		:: a_table(tab[t].next) && tab[tab[t].next].born != 0 -> t = tab[t].next
		:: break
		od;
		if
		:: grows == 0 -> taken; goto op_begin
		:: else -> grows--; goto succeed_link
		fi
	}
succeed_link:
	atomic {
		if
		:: tab[t].next == NIL ->
			assert(made < TABLES);  /* or the configuration is too small */
			made++;
			tab[made].quota = (op == SET_QUOTA -> 2 : tab[t].quota);
			tab[t].next = made
		:: else -> taken        /* there is one */
		fi;
		t = 0;
		if
		:: op == SET_QUOTA -> taken; goto help_cur
		:: else -> taken; goto op_begin
		fi
	}

	/* -- Limiter.peek -------------------------------------------------------------------------- */

peek_cur:
	atomic {
		round();
		v = UNWRITTEN; e = 0; m = 0; w = 0; r = 0; seen = 0;
		t = cur;
		goto peek_load
	}
peek_load:
	atomic {
		bv = tab[t].tat;
		if
		:: final(bv) != UNWRITTEN -> v = final(bv)
		:: else
		fi;
		if
		:: !frozen(bv) && v < AWAY -> ghost_sees(t, v)
		:: !frozen(bv) && v >= AWAY && leaving != NIL && ent[leaving].marker == v ->
			d_step { returned(after, leaving, ent[leaving].tat, t); x_at = 0; x_debt = 0 };
			ghost_sees(t, after);
			after = 0;
			seen = 1
		:: else -> taken
		fi;
		goto peek_next
	}
peek_next:
	atomic {
		successor(n, t);
		if
		:: n == UNLINKED -> n = 0; bv = 0; goto peek_cur
		:: n != UNLINKED && (n == NIL || !frozen(bv)) ->
			n = 0;
			if
			:: renews(tab[t].born) -> bv = 0; goto peek_renew
			:: else
			fi;
			if
			:: frozen(bv) && v < AWAY -> ghost_sees(t, v)
			:: v >= AWAY -> bv = 0; goto own_load
			:: else
			fi;
			bv = 0;
			not_old(t);
			if
			:: max(max(v, tab[t].horizon), instant(tab[t].born)) + emission(tab[t].quota) >
			   instant(tab[t].born) + tolerance(tab[t].quota) && HORIZON == 1 ->
				CHECK(REFUSED_WRONGLY, (v + emission(tab[t].quota) > now + tolerance(tab[t].quota)))
			:: else -> taken
			fi;
			goto op_begin
		:: else -> taken
		fi;
		d_step {
			hop(v, t, n);
			if
			:: v <= tab[n].horizon -> v = UNWRITTEN
			:: else
			fi;
			x_debt = 0
		};
		t = n; n = 0; bv = 0;
		goto peek_load
	}
peek_renew:
	atomic { read_clock(now); renewable = 0; goto peek_cur }

op_end:
	skip
}

/* ---- The end, and the beginning --------------------------------------------------------------- */

/* When all have ended, whoever follows the chain finds what the ghost says. */
proctype Quiet() {
	(ended == WORKERS);
	d_step {
		x_t = cur;
		x_v = UNWRITTEN;
		do
		:: true ->
			if
			:: final(tab[x_t].tat) != UNWRITTEN -> x_v = final(tab[x_t].tat)
			:: else
			fi;
			if
			:: moved_on(x_t) ->
				hop(x_v, x_t, tab[x_t].next);
				x_t = tab[x_t].next;
				if
				:: x_v <= tab[x_t].horizon -> x_v = UNWRITTEN
				:: else
				fi
			:: else -> break
			fi
		od;
		CHECK(NOT_QUIET, (x_t == ghost_tab && ghost_own == own && (x_v >= AWAY) == (own != NIL)));
		if
		:: own == NIL -> CHECK(NOT_QUIET, (max(x_v, tab[x_t].horizon) == max(ghost_tat, tab[x_t].horizon)))
		:: else -> CHECK(NOT_QUIET, (x_v == ent[own].marker && ent[own].tat == ghost_tat))
		fi;
		x_v = 0; x_t = 0; x_debt = 0
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
		tab[1].quota = 1; tab[1].born = 1; tab[1].horizon = HORIZON;
		if
		:: DEBT > 0 ->
			tab[1].tat = 1 + DEBT * EMISSION1;
			ghost_tat = 1 + DEBT * EMISSION1;
			ghost_last = 1;
#if LATEST == 1
			ghost_spent = DEBT
#endif
		:: else
		fi
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
