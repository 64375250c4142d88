/* The table of src/store/memory as it is: one pair of buckets, few clients, token buckets of one
 * unit a tick and a burst of one. Every look at a slot, every swap, every access to the horizon or
 * to the shared word is one step, and any process may stop between two for ever: that covers a
 * death at each. A restart is a further process that begins late. `now` is read once for a
 * request, and may be stale for as long as the others like.
 *
 * Set from outside: SLOTS, TIME (the clock runs from 1 to it), REQUESTS of each process, XS and YS
 * (processes that ask for the one and the other client), OVERFLOW 0 or 1, OCCUPIED (the first slot
 * holds an entry of the other client that expires). One of the names in model_test.py leaves a part
 * of the protocol out.
 */

#define LIFE 2 /* of a claim, in ticks */
#define MAX_PROCESSES 4
#define PENDING(tag) ((tag) % 2 == 1)

typedef Entry { byte tag; byte word; byte nonce };

Entry slot[SLOTS];
byte horizon;
byte shared_word;
byte shared_until;
byte clock = 1;

/* Nonces that a process still remembers: a new one differs from all of them and all in the slots,
 * which is what endless fresh ones would do, in finitely many states. */
byte claimed[MAX_PROCESSES];
byte looked[MAX_PROCESSES];

/* Grants by client and time used; TIME + 1 is more than any time used can be. */
typedef Grants { byte at[TIME + 2] };
Grants grants[2];

#define MAX(a, b) ((a) > (b) -> (a) : (b))

inline same(i, its_tag, its_word, its_nonce, yes) {
  yes = (slot[i].tag == its_tag && slot[i].word == its_word && slot[i].nonce == its_nonce)
}

inline put(i, its_tag, its_word, its_nonce) {
  slot[i].tag = its_tag; slot[i].word = its_word; slot[i].nonce = its_nonce
}

inline swap(i, its_tag, its_word, its_nonce, new_tag, new_word, new_nonce, yes) {
  d_step {
    same(i, its_tag, its_word, its_nonce, yes);
    if
    :: yes -> put(i, new_tag, new_word, new_nonce)
    :: else
    fi
  }
}

inline fresh(n) {
#ifdef NO_NONCE
  n = 1
#else
  n = 0; /* what it was is not remembered any more */
  a = 1;
  k = 0;
  do
  :: k < SLOTS && slot[k].nonce == a -> a++; k = 0
  :: k < SLOTS && slot[k].nonce != a -> k++
  :: k >= SLOTS && k < SLOTS + MAX_PROCESSES &&
     (claimed[k - SLOTS] == a || looked[k - SLOTS] == a) -> a++; k = 0
  :: k >= SLOTS && k < SLOTS + MAX_PROCESSES &&
     claimed[k - SLOTS] != a && looked[k - SLOTS] != a -> k++
  :: k == SLOTS + MAX_PROCESSES -> break
  od;
  n = a;
  a = 0; k = 0
#endif
}

/* For every interval of the times used: at most burst + (b - a). */
inline grant(time) {
  d_step {
    grants[tag / 2 - 1].at[time]++;
    a = 1;
    do
    :: a <= TIME ->
       sum = 0;
       b = a;
       do
       :: b <= TIME ->
          sum = sum + grants[tag / 2 - 1].at[b];
          assert(sum <= 1 + b - a);
          b++
       :: else -> break
       od;
       a++
    :: else -> break
    od;
    a = 0; b = 0; sum = 0
  }
}

#ifdef NO_HORIZON
#define TIME_AFTER now
#else
#define TIME_AFTER MAX(now, horizon)
#endif

proctype Client(byte id; byte tag) {
  byte requests, now, t, base, i, k, a, b, sum;
  byte free, free_tag, free_word;  /* slot + 1; 0: none. Its nonce is in looked[id]. */
  byte claim, claim_word;          /* slot + 1. Its nonce is in claimed[id]. */
  byte seen_tag, seen_word;
  bool yes;

request:
  if
  :: requests == REQUESTS -> goto done
  :: else -> d_step { requests++; now = clock }
  fi;

again: /* look through the pair */
  i = 0;
  d_step {
    free = 0; free_tag = 0; free_word = 0; claim = 0; claim_word = 0; t = 0; base = 0;
    seen_tag = 0; seen_word = 0; yes = 0; claimed[id] = 0; looked[id] = 0
  }
  do
  :: i < SLOTS ->
     d_step {
       if
       :: slot[i].tag == tag -> yes = 1
       :: else ->
          if
          :: slot[i].tag == tag + 1 && claim == 0 ->
             claim = i + 1; claim_word = slot[i].word; claimed[id] = slot[i].nonce
          :: else
          fi;
          if
          :: slot[i].word <= now && free == 0 ->
             free = i + 1; free_tag = slot[i].tag; free_word = slot[i].word;
             looked[id] = slot[i].nonce
          :: else
          fi;
          i++
       fi
     };
     if
     :: yes -> goto hit
     :: else
     fi
  :: else -> break
  od;
  if
  :: claim != 0 -> d_step { free = 0; free_tag = 0; free_word = 0; looked[id] = 0 }; goto check
  :: claim == 0 && free == 0 ->
#if OVERFLOW
     goto overflow
#else
     goto request
#endif
  :: else
  fi;

  /* claim */
  if
  :: free_tag != 0 && !PENDING(free_tag) -> d_step { horizon = MAX(horizon, free_word) }
  :: else
  fi;
#ifdef NO_PENDING
  t = TIME_AFTER;
  swap(free - 1, free_tag, free_word, looked[id], tag, t + 1, 0, yes);
  if
  :: yes -> grant(t); goto request
  :: else -> goto again
  fi;
#endif
  d_step {
    same(free - 1, free_tag, free_word, looked[id], yes);
    claim = free;
    claim_word = TIME_AFTER + LIFE;
    fresh(claimed[id]);
    if
    :: yes -> put(free - 1, tag + 1, claim_word, claimed[id])
    :: else
    fi;
    free = 0; free_tag = 0; free_word = 0; looked[id] = 0
  };
  if
  :: yes -> skip
  :: else -> goto again
  fi;

check: /* look at every other slot */
#ifdef HORIZON_EARLY
  t = TIME_AFTER;
#endif
#ifndef NO_RESCAN
  i = 0;
  do
  :: i < SLOTS && i + 1 == claim -> i++
  :: i < SLOTS && i + 1 != claim ->
     d_step { seen_tag = slot[i].tag; seen_word = slot[i].word; looked[id] = slot[i].nonce };
     if
     :: seen_tag == tag ->
        swap(claim - 1, tag + 1, claim_word, claimed[id], 0, 0, 0, yes);
        goto again
     :: seen_tag == tag + 1 && i + 1 < claim ->
        swap(claim - 1, tag + 1, claim_word, claimed[id], 0, 0, 0, yes);
        d_step { claim = i + 1; claim_word = seen_word; claimed[id] = looked[id]; looked[id] = 0;
                 i = 0 }
     :: seen_tag == tag + 1 && i + 1 > claim ->
        same(claim - 1, tag + 1, claim_word, claimed[id], yes);
        if
        :: yes -> swap(i, seen_tag, seen_word, looked[id], 0, 0, 0, yes) /* and look again */
        :: else -> goto again
        fi
     :: else -> d_step { i++; seen_tag = 0; seen_word = 0; looked[id] = 0 }
     fi
  :: else -> break
  od;
#endif
#ifndef HORIZON_EARLY
  t = TIME_AFTER;
#endif
  base = 0;
#if OVERFLOW && !defined(OVERFLOW_IGNORED)
  if
  :: shared_until > t -> base = shared_word
  :: else
  fi;
#endif
  if
  :: base > t -> /* refused */
     swap(claim - 1, tag + 1, claim_word, claimed[id], 0, 0, 0, yes);
     if
     :: yes -> goto request
     :: else -> goto again
     fi
  :: else
  fi;
  swap(claim - 1, tag + 1, claim_word, claimed[id], tag, t + 1, 0, yes);
  if
  :: yes ->
     d_step {
       i = 0; k = 0;
       do
       :: i < SLOTS && slot[i].tag == tag -> k++; i++
       :: i < SLOTS && slot[i].tag != tag -> i++
       :: else -> break
       od;
       /* The window between the swap and this count can only hide a second entry, not make one. */
       assert(k <= 1);
       k = 0; i = 0
     };
     grant(t);
     goto request
  :: else -> goto again
  fi;

hit: /* slot i carries the tag */
  yes = 0;
  d_step { seen_tag = slot[i].tag; seen_word = slot[i].word };
  if
  :: seen_tag != tag -> goto again
  :: seen_tag == tag && seen_word > now -> /* refused, if the word was ours */
     if
     :: slot[i].tag == tag -> goto request
     :: else -> goto again
     fi
  :: else
  fi;
#ifdef APART
  if
  :: slot[i].tag == tag -> skip
  :: else -> goto again
  fi;
  d_step {
    yes = (slot[i].word == seen_word);
    if
    :: yes -> slot[i].word = now + 1
    :: else
    fi
  };
#else
  swap(i, tag, seen_word, 0, tag, now + 1, 0, yes);
#endif
  if
  :: yes -> grant(now); goto request
  :: else -> goto again
  fi;

#if OVERFLOW
overflow: /* no room */
  t = TIME_AFTER;
  base = shared_word;
  if
  :: base > t -> goto request
  :: else
  fi;
  d_step { shared_until = MAX(shared_until, t + 1) };
  d_step {
    yes = (shared_word == base);
    if
    :: yes -> shared_word = t + 1
    :: else
    fi
  };
  if
  :: yes -> i = 0
  :: else -> goto again
  fi;
#ifndef OVERFLOW_NO_RESCAN
  do
  :: i < SLOTS ->
     d_step { seen_tag = slot[i].tag; seen_word = slot[i].word; looked[id] = slot[i].nonce };
     if
     :: seen_tag == tag -> goto take_back
     :: seen_tag == tag + 1 ->
        swap(i, seen_tag, seen_word, looked[id], 0, 0, 0, yes);
        if
        :: yes -> i++
        :: else
        fi
     :: else -> d_step { i++; seen_tag = 0; seen_word = 0; looked[id] = 0 }
     fi
  :: else -> break
  od;
  if
  :: TIME_AFTER > t -> goto take_back
  :: else
  fi;
#endif
  grant(t);
  goto request;
take_back:
  i = 0;
  d_step {
    if
    :: shared_word == t + 1 -> shared_word = base
    :: else
    fi
  };
  goto again;
#endif

done:
  skip
}

proctype Clock() {
  do
  :: clock < TIME -> clock++
  :: else -> break
  od
}

init {
  byte n;
  atomic {
#ifdef OCCUPIED
    put(0, 4, 2, 0);
#endif
    run Clock();
    do
    :: n < XS -> run Client(n, 2); n++
    :: n >= XS && n < XS + YS -> run Client(n, 4); n++
    :: else -> break
    od
  }
}
