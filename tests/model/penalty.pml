/* Progressive penalties: the three words of one client by which rejections become violations and
 * violations a cooldown. All processes ask for the same client, every request that is not in a
 * cooldown is rejected by one of RULES rules (rule r has a window of r + 1 ticks), and every look
 * and every swap is one step. Any process may stop between two for ever, and `now` may be stale.
 *
 * The words stand alone here, not in the table: each is an entry of its own, and how an entry comes
 * to be and goes is what slots.pml is about. A word that is past equals one never seen, as there.
 *
 * Set from outside: RULES, TIME (the clock runs from 1 to it), PROCESSES, REQUESTS of each.
 */

#define DETECTION 3 /* ticks for which violations are counted, from the first */
#define THRESHOLD 2
#define MOST 3 /* that a count can say */
#define COUNT(until, n) ((until) * (MOST + 1) + (n))
#define UNTIL(word) ((word) / (MOST + 1))
#define NUMBER(word) ((word) % (MOST + 1))
#define WINDOW(rule) ((rule) + 1)
#define COOLDOWN(rule, n) (WINDOW(rule) * ((n) - THRESHOLD + 1))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))

byte clock = 1;
byte marker[RULES]; /* end of the window in which a further rejection is no violation */
byte count;         /* end of the period in which violations are counted, and how many there were */
byte cooldown;

/* What happened, for the assertions. */
typedef Times { byte at[TIME + 1] };
Times violations[RULES]; /* by time used */
byte uncounted;          /* violations whose process is not through with the count, or dead */
byte in_period;          /* violations counted since the first of the period */
byte longest;            /* the latest end of a cooldown that anybody has asked for */

/* At most one a window, in every window of the times used. */
inline violate(rule) {
  violations[rule].at[now]++;
  uncounted++;
  a = 1;
  do
  :: a <= TIME ->
     n = 0;
     b = a;
     do
     :: b <= TIME && b < a + WINDOW(rule) -> n = n + violations[rule].at[b]; b++
     :: else -> break
     od;
     assert(n <= 1);
     a++
  :: else -> break
  od;
  a = 0; b = 0; n = 0
}

/* The count says how many there were, and all of them lie within its period. */
inline counted(first) {
  uncounted--;
  in_period = (first -> 1 : in_period + 1);
  assert(NUMBER(count) == MIN(in_period, MOST));
  a = UNTIL(count) - DETECTION;
  b = 0;
  do
  :: a <= TIME && a < UNTIL(count) ->
     b = b + violations[0].at[a];
     if
     :: RULES > 1 -> b = b + violations[RULES - 1].at[a]
     :: else
     fi;
     a++
  :: else -> break
  od;
  assert(NUMBER(count) <= b);
  a = 0; b = 0
}

proctype Client() {
  byte requests, now, rule, n, a, b;
  bool yes;

request:
  if
  :: requests == REQUESTS -> goto done
  :: requests < REQUESTS -> d_step { requests++; now = clock; rule = 0 }
  :: requests < REQUESTS && RULES > 1 -> d_step { requests++; now = clock; rule = RULES - 1 }
  fi;
  if
  :: cooldown > now -> goto request /* refused: charged nowhere, and no violation */
  :: else
  fi;

  /* Is it a violation? Only one of all that ask in a window wins the marker. */
mark:
  a = marker[rule];
  if
  :: a > now -> a = 0; goto request
  :: else
  fi;
  d_step {
#ifdef MARKER_STORED
    yes = 1;
#else
    yes = (marker[rule] == a);
#endif
    if
    :: yes -> marker[rule] = now + WINDOW(rule); violate(rule)
    :: else
    fi;
    a = 0
  };
  if
  :: !yes -> goto mark
  :: else
  fi;

recount:
  a = count;
  d_step {
#ifdef COUNT_STORED
    yes = 1;
#else
    yes = (count == a);
#endif
    if
    :: yes && UNTIL(a) <= now ->
       count = COUNT(now + DETECTION, 1);
       n = 1;
       counted(true)
#ifndef ANY_PERIOD
    :: yes && UNTIL(a) > now + DETECTION -> /* it does not belong to this period */
       n = 0;
       uncounted--
    :: yes && UNTIL(a) > now && UNTIL(a) <= now + DETECTION ->
#else
    :: yes && UNTIL(a) > now ->
#endif
       n = MIN(NUMBER(a) + 1, MOST);
       count = COUNT(UNTIL(a), n);
       counted(false)
    :: else
    fi;
    a = 0
  };
  if
  :: !yes -> goto recount
  :: else
  fi;
  if
  :: n < THRESHOLD -> n = 0; goto request
  :: else
  fi;

raise:
  a = cooldown;
#ifndef COOLDOWN_STORED
  if
  :: a >= now + COOLDOWN(rule, n) -> d_step { n = 0; a = 0 }; goto request
  :: else
  fi;
#endif
  d_step {
#ifdef COOLDOWN_STORED
    yes = 1;
#else
    yes = (cooldown == a);
#endif
    if
    :: yes ->
       cooldown = now + COOLDOWN(rule, n);
       longest = MAX(longest, cooldown);
       assert(cooldown == longest); /* no cooldown is cut short */
       n = 0
    :: else
    fi;
    a = 0
  };
  if
  :: yes -> goto request
  :: else -> goto raise
  fi;

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
    run Clock();
    do
    :: n < PROCESSES -> run Client(); n++
    :: else -> break
    od
  }
  /* Whoever has not died counts in the end. */
  _nr_pr == 1 -> assert(uncounted == 0)
}
