/* Groups of src/store/memory/store_group.hpp: the windows of one request, all or nothing, with keys
 * that may not have an entry yet or lose it in between. Look at all; if any says no, write nothing;
 * else give those without an entry one that counts nothing and begin again; else write one after
 * the other, and put back exactly what was written if one has moved.
 *
 * Two windows, each with a pair of buckets of its own; token buckets of one unit a tick. The second
 * window has a burst of two, so that it does not hide what the first lets through. A process asks
 * for one or both windows of its client. Without room a request is turned away: table.pml is about
 * the shared words.
 *
 * Set from outside: SLOTS of each pair, TIME, REQUESTS of each process, BOTH, FIRSTS and SECONDS
 * (processes that ask for both windows, and for the first or second alone), TAKES (how often
 * another client takes a slot; that it does so by the same protocol is table.pml's), FILLED (both
 * keys have an entry that expires at once), and ATTEMPTS of a request. Without that it begins again
 * as often as it has to, which no run with a bound goes beyond but by refusing.
 */

#define PAIRS 2
#define PROCESSES (BOTH + FIRSTS + SECONDS)
#define FIRST window * SLOTS
#define TAG 2 + 2 * window
#define BURST window + 1
#define NEXT(word) (MAX(word, now) + 1)
#define ADMITS(word) (NEXT(word) <= now + BURST)
#include "slots.pml"

#define ASKS(window) ((windows >> (window)) & 1)

Grants grants[2]; /* of each window, by the time used */

/* Units in the words of each window that somebody charged, by the time at which each begins: of
 * grants, of groups under way or dead, and what could not be put back. */
Grants charges[2];
byte under_way; /* charges of groups that are not through yet, or dead */

#define UNIT charges[window].at[NEXT(seen[window]) - 1]

/* Part of a step: all of the group is written. */
inline grant() {
  window = 0;
  do
  :: window < 2 && ASKS(window) ->
     under_way--;
     grants[window].at[now]++;
     bounded(grants[window], BURST);
     window++
  :: window < 2 && !ASKS(window) -> window++
  :: else -> break
  od;
  window = 0
}

/* Part of a step: a word is not after the clock, but for units that were charged. */
inline explained(word) {
  a = clock;
  sum = 0;
  b = TIME + 1;
  do
  :: b >= a -> sum = sum + charges[window].at[b]; b--
  :: b < a && word > a + sum && a > 1 -> a--
  :: else -> break
  od;
  assert(word <= a + sum);
  a = 0; b = 0; sum = 0
}

proctype Client(byte id; byte windows) {
  LOCAL;
  byte requests, now, window;
#ifdef ATTEMPTS
  byte attempts;
#endif
  byte entry[2]; /* slot + 1; 0: none */
  byte seen[2];
  bool admitted, ready;

request:
  window = 0;
  d_step { forget(); entry[0] = 0; entry[1] = 0; seen[0] = 0; seen[1] = 0;
           admitted = 0; ready = 0 };
  if
  :: requests == REQUESTS -> now = 0; goto done
  :: else -> d_step { requests++; now = clock }
  fi;

again:
#ifdef ATTEMPTS
  if
  :: attempts == ATTEMPTS -> attempts = 0; goto request /* refused: too many at once */
  :: else -> attempts++
  fi;
#endif
  window = 0;
  d_step { admitted = 1; ready = 1; entry[0] = 0; entry[1] = 0; seen[0] = 0; seen[1] = 0 };

  /* look at all */
  do
  :: window < 2 && ASKS(window) ->
     do
     :: i < SLOTS && entry[window] == 0 ->
        d_step {
          if
          :: slot[FIRST + i].tag == TAG -> entry[window] = FIRST + i + 1
          :: else
          fi;
          i++
        }
     :: else -> i = 0; break
     od;
     if
     :: entry[window] != 0 ->
        d_step {
          seen[window] = slot[entry[window] - 1].word;
          if
          :: slot[entry[window] - 1].tag == TAG -> explained(seen[window])
          :: else
          fi;
          admitted = admitted && ADMITS(seen[window])
        };
        /* The word may be another key's: then no refusal counts. */
        ready = ready && (slot[entry[window] - 1].tag == TAG)
     :: else
     fi;
     window++
  :: window < 2 && !ASKS(window) -> window++
  :: else -> break
  od;
  if
  :: !ready -> goto again
  :: ready && !admitted -> goto request /* refused */
  :: else -> admitted = 0
  fi;

  /* give each an entry */
  window = 0;
  do
  :: window < 2 && ASKS(window) && entry[window] == 0 ->
     ready = 0;
     look();
     if
     :: yes -> window++
     :: !yes && claim == 0 && free == 0 -> goto request /* no room */
     :: else ->
        yes = 1;
        if
        :: claim == 0 -> raise_horizon(); make_claim()
        :: else
        fi;
        if
        :: yes -> alone()
        :: else
        fi;
        if
        :: yes ->
#ifdef HORIZON_IGNORED
           t = now;
#else
           t = TIME_AFTER;
#endif
           d_step {
#ifdef INSERTION_CHARGES
             swap(CLAIMED(claim), TAG, t + 1);
#else
             swap(CLAIMED(claim), TAG, t);
#endif
             if
             :: yes -> unique(); window++
             :: else
             fi
           }
        :: else
        fi
     fi
  :: window < 2 && !(ASKS(window) && entry[window] == 0) -> window++
  :: else -> break
  od;
  if
  :: !ready -> d_step { forget(); window = 0 }; goto again
  :: else
  fi;

  /* write one after the other */
  window = 0;
  do
  :: window < 2 && ASKS(window) ->
     d_step {
       t = NEXT(seen[window]);
       swap(entry[window] - 1, TAG, seen[window], 0, TAG, t);
       t = 0;
       if
       :: yes ->
          UNIT++;
          under_way++;
          window++;
          if
          :: window == 2 || windows == 1 -> grant(); yes = 0; ready = 0
          :: else
          fi
       :: else
       fi
     };
     if
     :: !ready -> goto request /* granted */
     :: ready && !yes -> break
     :: else
     fi
  :: window < 2 && !ASKS(window) -> window++
  :: else -> break
  od;

  /* put back */
  do
  :: window > 0 && ASKS(window - 1) ->
     window--;
#ifndef NO_UNDO
     d_step {
#ifdef UNDO_BY_SUBTRACTION
       yes = (slot[entry[window] - 1].tag == TAG);
       if
       :: yes ->
          slot[entry[window] - 1].word =
            slot[entry[window] - 1].word - (NEXT(seen[window]) - seen[window])
       :: else
       fi;
#else
       t = NEXT(seen[window]);
       swap(entry[window] - 1, TAG, t, 0, TAG, seen[window]);
       t = 0;
#endif
       under_way--;
       if
       :: yes -> UNIT--
       :: else /* a conflict: somebody charged on top */
       fi;
       yes = 0
     }
#endif
  :: window > 0 && !ASKS(window - 1) -> window--
  :: else -> break
  od;
  goto again;

done:
  skip
}

/* Another client that claims a slot, whichever is free for it, and gives its claim up. */
proctype Taker() {
  byte takes, at;
  Entry seen;

  do
  :: takes < TAKES ->
     select(at : 0 .. SLOTS * PAIRS - 1);
     takes++;
     d_step {
       if
       :: slot[at].word <= clock -> seen.tag = slot[at].tag; seen.word = slot[at].word;
                                    seen.nonce = slot[at].nonce
       :: else -> seen.tag = 0; seen.word = 0; seen.nonce = 0
       fi
     };
     if
     :: seen.tag == 0
     :: else ->
        if
        :: !PENDING(seen.tag) -> d_step { horizon = MAX(horizon, seen.word) }
        :: else
        fi;
        d_step {
          if
          :: slot[at].tag == seen.tag && slot[at].word == seen.word &&
             slot[at].nonce == seen.nonce -> put(at, 0, 0, 0)
          :: else
          fi;
          seen.tag = 0; seen.word = 0; seen.nonce = 0
        }
     fi
  :: else -> at = 0; break
  od
}

init {
  byte n;
  atomic {
#ifdef FILLED
    put(0, 2, 1, 0);
    put(SLOTS, 4, 1, 0);
#endif
    run Clock();
    run Taker();
    do
    :: n < BOTH -> run Client(n, 3); n++
    :: n >= BOTH && n < BOTH + FIRSTS -> run Client(n, 1); n++
    :: n >= BOTH + FIRSTS && n < PROCESSES -> run Client(n, 2); n++
    :: else -> break
    od
  }
  _nr_pr == 1 -> assert(under_way == 0) /* whoever has not died leaves nothing charged */
}
