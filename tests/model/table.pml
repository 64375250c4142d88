/* The table of src/store/memory as it is: one pair of buckets, few clients, token buckets of one
 * unit a tick and a burst of one. Every access to the shared word is a step too.
 *
 * Set from outside: SLOTS, TIME, REQUESTS of each process, XS and YS (processes that ask for the
 * one and the other client), OVERFLOW 0 or 1, OCCUPIED (the first slot holds an entry of the other
 * client that expires). One of the names in model_test.py leaves a part of the protocol out.
 */

#define PAIRS 1
#define PROCESSES (XS + YS)
#define FIRST 0
#define TAG tag
#include "slots.pml"

byte shared_word;
byte shared_until;

Grants grants[2]; /* of each client */

/* Part of a step. */
inline grant(time) {
  grants[tag / 2 - 1].at[time]++;
  bounded(grants[tag / 2 - 1], 1)
}

proctype Client(byte id; byte tag) {
  LOCAL;
  byte requests, now, base;

request:
  if
  :: requests == REQUESTS -> d_step { forget() }; goto done
  :: else -> d_step { requests++; now = clock; forget() }
  fi;

again:
  base = 0;
  look();
  if
  :: yes -> goto hit
  :: !yes && claim != 0 -> goto check
  :: !yes && claim == 0 && free == 0 ->
#if OVERFLOW
     goto overflow
#else
     goto request
#endif
  :: else
  fi;
  raise_horizon();
#ifdef NO_PENDING
  t = TIME_AFTER;
  d_step {
    swap(FIRST + free - 1, free_tag, free_word, looked[id], tag, t + 1);
    if
    :: yes -> grant(t)
    :: else
    fi
  };
  if
  :: yes -> goto request
  :: else -> goto again
  fi;
#endif
  make_claim();
  if
  :: yes -> skip
  :: else -> goto again
  fi;

check:
#ifdef HORIZON_EARLY
  t = TIME_AFTER;
#endif
#ifndef NO_RESCAN
  alone();
  if
  :: yes -> skip
  :: else -> goto again
  fi;
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
  d_step {
    if
    :: base > t -> swap(CLAIMED(claim), 0, 0) /* refused */
    :: else ->
       swap(CLAIMED(claim), tag, t + 1);
       if
       :: yes -> unique(); grant(t)
       :: else
       fi
    fi
  };
  if
  :: yes -> goto request
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
  d_step {
    swap(i, tag, seen_word, 0, tag, now + 1);
    if
    :: yes -> grant(now)
    :: else
    fi
  };
  if
  :: yes -> goto request
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
     :: seen_tag == tag + 1 -> /* taken away once: who claims from now on meets the shared word */
        d_step { swap(i, seen_tag, seen_word, looked[id], 0, 0); seen_tag = 0; seen_word = 0;
                 looked[id] = 0 };
        if
        :: yes -> i++
        :: else
        fi
     :: else -> d_step { i++; seen_tag = 0; seen_word = 0; looked[id] = 0 }
     fi
  :: else -> break
  od;
#endif
  yes = 1;
  d_step {
#ifndef OVERFLOW_NO_RESCAN
    yes = (TIME_AFTER <= t);
#endif
    if
    :: yes -> grant(t)
    :: else
    fi
  };
  if
  :: yes -> goto request
  :: else
  fi;
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
