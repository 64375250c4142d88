/* A group of two windows that have their entries: look at both, write one after the other, put
 * back exactly what was written if the second has moved. Token buckets of one unit in two ticks;
 * the second window is the wider one, so that it does not hide what the first lets through. A
 * process asks for the group, or for the second window alone. UNDO_BY_SUBTRACTION takes off what
 * was added instead.
 */

#define WEIGHT 2
#define CAPACITY(window) ((window) == 0 -> 4 : 10)
#define MAX(a, b) ((a) > (b) -> (a) : (b))

byte word[2];
byte clock = 1;
typedef Grants { byte at[TIME + 1] };
Grants grants[2];

inline grant(window) {
  grants[window].at[now]++;
  a = 1;
  do
  :: a <= TIME ->
     sum = 0;
     b = a;
     do
     :: b <= TIME ->
        sum = sum + grants[window].at[b];
        assert(sum * WEIGHT <= CAPACITY(window) + b - a);
        b++
     :: else -> break
     od;
     a++
  :: else -> break
  od;
  a = 0; b = 0; sum = 0
}

#define NEXT(seen) (MAX(seen, now) + WEIGHT)
#define ADMITS(window, seen) (NEXT(seen) <= now + CAPACITY(window))

proctype Client(bool both) {
  byte now, requests, first, second, a, b, sum;
  bool yes;

request:
  if
  :: requests == REQUESTS -> goto done
  :: else -> d_step { requests++; now = clock }
  fi;

again:
  if
  :: both -> first = word[0]
  :: else
  fi;
  second = word[1];
  if
  :: (both && !ADMITS(0, first)) || !ADMITS(1, second) -> goto request
  :: else
  fi;
  if
  :: both ->
     d_step {
       yes = (word[0] == first);
       if
       :: yes -> word[0] = NEXT(first)
       :: else
       fi
     };
     if
     :: yes -> skip
     :: else -> goto again
     fi
  :: else
  fi;
  d_step {
    yes = (word[1] == second);
    if
    :: yes -> word[1] = NEXT(second)
    :: else
    fi
  };
  if
  :: yes ->
     d_step {
       grant(1);
       if
       :: both -> grant(0)
       :: else
       fi
     };
     goto request
  :: else
  fi;
  if
  :: both ->
     d_step {
#ifdef UNDO_BY_SUBTRACTION
       word[0] = word[0] - (NEXT(first) - first)
#else
       if
       :: word[0] == NEXT(first) -> word[0] = first
       :: else
       fi
#endif
     }
  :: else
  fi;
  goto again;

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
  atomic {
    run Clock();
    run Client(true);
    run Client(true);
    run Client(false)
  }
}
